/*
 * dial.h - a connection being made (nsx_dial.h), as a Perl object.
 */
#ifndef NSX_GLUE_DIAL_H
#define NSX_GLUE_DIAL_H

#include "glue.h"

/* A mortal reference to a new one, of a plan's fields: host, port, family (4 or
 * 6), asks, to and local (packed addresses), deadline (seconds), proxy (kind:
 * 'socks5' or 'http', host, port, user, password).  A text where it cannot
 * begin. */
SV *nsx_dial_begin(pTHX_ HV *plan);

/* Why a proxy's fields are no good, or undef. */
SV *nsx_dial_check_proxy(pTHX_ HV *proxy);

/* Does what can be done now.  NSX_STEP_DONE when it is over, whichever way. */
enum nsx_step nsx_dial_turn(pTHX_ SV *dial, int64_t *until);

/* Why it failed, with errno set; undef while it has not.  And where it is, or
 * was: 'resolve', 'connect', 'proxy' or 'done'. */
SV *nsx_dial_why(pTHX_ SV *dial);
const char *nsx_dial_stage_name(pTHX_ SV *dial);

/* The host whose addresses are to be found, or undef; and the answer: packed
 * addresses, or a text. */
SV *nsx_dial_question(pTHX_ SV *dial);
void nsx_dial_answer(pTHX_ SV *dial, I32 n, SV **addresses);
void nsx_dial_refuse(pTHX_ SV *dial, SV *why);

/* The newest descriptor, -1 for none. */
int nsx_dial_fd(pTHX_ SV *dial);

/* Waits for what the last turn asked for; runs signal handlers, which may
 * die. */
void nsx_dial_wait(pTHX_ SV *dial);

/* The descriptor of a connection that is there, from now on the caller's; -1
 * otherwise. */
int nsx_dial_hand_over(pTHX_ SV *dial);

#endif
