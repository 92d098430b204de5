/*
 * status.h - status and debugging output of an object.
 */
#ifndef NSX_GLUE_STATUS_H
#define NSX_GLUE_STATUS_H

#include "glue.h"

/* Net::Cmd's DEF_REPLY_CODE: the code of a status that no server gave. */
#define NSX_DEF_REPLY_CODE 421

/* Status of a command the client knows not to work. */
#define NSX_UNSUPPORTED_CODE 580

int nsx_debug_level(pTHX_ struct nsx_op *op);
void nsx_debug_print(pTHX_ struct nsx_op *op, int out, SV *text);
SV *nsx_def_reply_code(pTHX_ struct nsx_op *op);
void nsx_store_status(pTHX_ GV *gv, SV *code, SV *resp);
void nsx_set_status(pTHX_ struct nsx_op *op, SV *code, SV *resp);

/* Set the status of a session that ended; timed_out and failed end it.
 * caller names the Net::Cmd function a debugging message speaks of. */
void nsx_closed(pTHX_ struct nsx_op *op, int err, const char *caller);
void nsx_set_closed(pTHX_ struct nsx_op *op, SV *why, const char *caller);
void nsx_set_timeout(pTHX_ struct nsx_op *op, const char *caller);
void nsx_close(pTHX_ struct nsx_op *op);
void nsx_timed_out(pTHX_ struct nsx_op *op, const char *caller);
void nsx_failed(pTHX_ struct nsx_op *op, const char *caller);

/* 1, with the status set, when nothing can be sent any more.  The first asks
 * the _is_closed method, the second is that method. */
int nsx_is_closed(pTHX_ struct nsx_op *op);
int nsx_check_closed(pTHX_ struct nsx_op *op);

/* A status in place of a reply, with the object's class before it: a mortal. */
SV *nsx_tagged(pTHX_ struct nsx_op *op, const char *text);

#endif
