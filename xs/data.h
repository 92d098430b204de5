/*
 * data.h - the body of a message on its way.
 */
#ifndef NSX_GLUE_DATA_H
#define NSX_GLUE_DATA_H

#include "glue.h"

/* 1, 0 (closed) or -1 (failed, or refused): datasend's and rawdatasend's
 * work; finish = 1 puts the end of data behind the body. */
int nsx_datasend(pTHX_ struct nsx_op *op, struct nsx_text *body, int finish);
int nsx_rawdatasend(pTHX_ struct nsx_op *op, struct nsx_text *body);

/* The datasend method, with the rest of the message still to come: a die in it
 * leaves the session torn. */
SV *nsx_call_datasend(pTHX_ struct nsx_op *op, I32 argc, SV **argv);

/* 1, with the status set, when BareCR => 'refuse' forbids the body. */
int nsx_text_refused(pTHX_ struct nsx_op *op, struct nsx_text *body);

/* dataend's work: a mortal. */
SV *nsx_dataend(pTHX_ struct nsx_op *op);

/* datasend and dataend in as few writes as possible: nsx_dataend's answer,
 * or -1 when the body could not be sent. */
int nsx_send_whole(pTHX_ struct nsx_op *op, struct nsx_text *body);

/* Status of a body that BareCR => 'refuse' refuses (RFC 5321 4.2.2). */
#define NSX_BARE_CR_CODE 554

#endif
