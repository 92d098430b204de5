/*
 * verb.h - the underscore commands.
 */
#ifndef NSX_GLUE_VERB_H
#define NSX_GLUE_VERB_H

#include "glue.h"

/* verb and argc words more, in a list of mortals. */
SV **nsx_words(pTHX_ const char *verb, I32 argc, SV **argv);

/* An underscore command's own work, and whether it has arguments. */
int nsx_run_verb(pTHX_ struct nsx_op *op, enum nsx_method m, I32 argc,
                 SV **argv);
int nsx_verb_takes_words(enum nsx_method m);

/* An underscore command by its method, with argc arguments: its truth; and
 * as an XSUB's last act, in the XSUB's own context: the number of values. */
I32 nsx_tail_verb(pTHX_ I32 ax, struct nsx_op *op, enum nsx_method m, I32 argc,
                  SV **argv);
int nsx_verb(pTHX_ struct nsx_op *op, enum nsx_method m, I32 argc, SV **argv);

#endif
