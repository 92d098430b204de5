/*
 * path.h - addresses as MAIL and RCPT have them.
 */
#ifndef NSX_GLUE_PATH_H
#define NSX_GLUE_PATH_H

#include "glue.h"

/* Characters of an address that an exception shows. */
#define NSX_SHOWN_ADDRESS 60

/* The path of an address argument, angle brackets included: a new mortal.
 * Dies when the address would add parameters to the command. */
SV *nsx_addr_path(pTHX_ GV *gv, SV *addr);

/* prefix, the path by the _addr function in force, and opts: a new mortal. */
SV *nsx_path_argument(pTHX_ struct nsx_op *op, const char *prefix, SV *addr,
                      SV *opts);

#endif
