/*
 * lane.h - the straight path of mail, to, data and dataend, where nobody
 * watches: the command is built on the stack, and its reply goes from there
 * into the scalars that are there (nsx_short.h).
 *
 * Each function answers 0 with nothing done where something is unusual (a
 * method of the script's own, Debug, tainting, magic, a reply that is owed, a
 * handle of another kind, an argument that is no plain string): the general
 * path is for those.  A call that began here and cannot go on (a signal, a
 * socket without room, a server that is gone) is finished by the general path.
 */
#ifndef NSX_GLUE_LANE_H
#define NSX_GLUE_LANE_H

#include "glue.h"

/* MAIL or RCPT with a plain address; DATA; text that may wait; the end of a
 * body of which lines wait.  1 with *ok telling whether the reply is the wanted one. */
int nsx_lane_mail(pTHX_ SV *self, SV *addr, int *ok);
int nsx_lane_rcpt(pTHX_ SV *self, SV *addr, int *ok);
int nsx_lane_data(pTHX_ SV *self, int *ok);
int nsx_lane_datasend(pTHX_ SV *self, SV *text);
int nsx_lane_dataend(pTHX_ SV *self, int *ok);

#endif
