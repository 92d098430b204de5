/*
 * secret.h - commands that carry credentials.
 */
#ifndef NSX_GLUE_SECRET_H
#define NSX_GLUE_SECRET_H

#include "glue.h"

/* Reply code of an AUTH challenge (RFC 4954 4). */
#define NSX_CHALLENGE_CODE "334"

/* What is to be known of a command before it is built, because looking may
 * run Perl code that gives another one. */
struct nsx_secrecy {
    int answers; /* 1: it answers a challenge, or op->obj->secret says so */
    int shown;   /* 1: DebugSecrets */
};
struct nsx_secrecy nsx_secrecy(pTHX_ struct nsx_op *op);

/* 1 when the command in op->obj->out carries credentials: in answer to a
 * challenge, or behind AUTH's mechanism. */
int nsx_is_secret(struct nsx_op *op, struct nsx_secrecy how);

/* Its text as the debugging output may show it: a new mortal. */
SV *nsx_shown_command(pTHX_ struct nsx_op *op, struct nsx_secrecy how);

#endif
