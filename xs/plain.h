/*
 * plain.h - send_message where nothing is unusual: octets, ASCII addresses,
 * simple options, and nobody who watches.  Its arguments are judged and become
 * a letter here, with no Perl code in between; what Message.pm does for all
 * others comes to the same, on the wire and in the result.
 */
#ifndef NSX_GLUE_PLAIN_H
#define NSX_GLUE_PLAIN_H

#include "glue.h"

/* The result of the message that the call's arguments from ax on make (n of
 * them, names and values), a mortal; or NULL with nothing done where it is
 * Message.pm's. */
SV *nsx_plain_send(pTHX_ SV *self, I32 ax, I32 n);

#endif
