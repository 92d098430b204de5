/*
 * input.h - octets from the server, a line at a time.
 */
#ifndef NSX_GLUE_INPUT_H
#define NSX_GLUE_INPUT_H

#include "glue.h"

/* A deadline that is to be computed when a wait begins. */
#define NSX_UNSET INT64_MIN

/* One line with its LF as a new mortal, or NULL with the status set. */
SV *nsx_getline(pTHX_ struct nsx_op *op);

/* The same within a deadline, which is NSX_UNSET until a line must be waited
 * for. */
SV *nsx_getline_within(pTHX_ struct nsx_op *op, int64_t *deadline);

/* A line was taken: the last one of its reply, unless it says otherwise. */
void nsx_line_taken(struct nsx_object *obj, const char *text, size_t len);

/* Adds input: 1, or 0 with the session ended and the status set. */
int nsx_read_more(pTHX_ struct nsx_op *op, int64_t deadline);

/* A line as a new scalar, LF included. */
SV *nsx_line_sv(pTHX_ const char *text, size_t len);

/* Whole lines that were received and not taken yet. */
size_t nsx_lines_waiting(pTHX_ GV *gv);

/* 1 when octets were received and not taken yet. */
int nsx_unread(pTHX_ struct nsx_op *op);

#endif
