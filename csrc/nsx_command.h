/*
 * nsx_command.h - builds one command line (RFC 5321 4.1.1): words joined by
 * one space, CRLF at the end.
 *
 * No argument can end the line or smuggle a second command: CR, LF and NUL in
 * a word become a space.
 */
#ifndef NSX_COMMAND_H
#define NSX_COMMAND_H

#include <stdint.h>

#include "nsx_buf.h"

/* Starts a command in out, which is emptied first. */
void nsx_command_begin(struct nsx_buf *out);

/* Appends a word, with a space before it unless it is the first.
 * NSX_ERROR: NSX_E_NOMEM or NSX_E_COMMAND_LENGTH; out is then unusable until
 * the next begin. */
nsx_status nsx_command_word(struct nsx_buf *out, int first, const char *word,
                            size_t len, struct nsx_error *e);

/* Appends to the last word, under the same rule. */
nsx_status nsx_command_append(struct nsx_buf *out, const char *text, size_t len,
                              struct nsx_error *e);

/* A number in decimal digits: how many stand in out, no NUL. */
#define NSX_DIGITS 20u
size_t nsx_decimal(uint64_t number, char out[NSX_DIGITS]);

/* Appends CRLF. */
nsx_status nsx_command_end(struct nsx_buf *out, struct nsx_error *e);

#endif
