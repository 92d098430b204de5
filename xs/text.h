/*
 * text.h - the text that datasend and its kin were given.
 */
#ifndef NSX_GLUE_TEXT_H
#define NSX_GLUE_TEXT_H

#include "glue.h"

/* A body: the list of scalars datasend and its kin were given. */
struct nsx_text {
    SV **item; /* plain strings, in order */
    I32 count;
    I32 at;     /* item being sent */
    STRLEN off; /* octets (of the scalar's buffer) of it already taken */
    SV *single; /* backing store when the list was joined */
    int owned;  /* 1 when it no longer depends on the caller's scalars */
};

/* Looks at args: a single array reference stands for its elements.  Dies as
 * stock does, before anything is sent, on a reference that is no array and on
 * characters above 255. */
void nsx_text_init(pTHX_ struct nsx_text *body, I32 argc, SV **argv);
STRLEN nsx_text_length(pTHX_ const struct nsx_text *body);
SV *nsx_text_joined(pTHX_ struct nsx_text *body);

/* From here on the text does not depend on the caller's scalars.  One that is
 * sent stays so. */
void nsx_text_own(pTHX_ struct nsx_text *body);

int nsx_text_done(const struct nsx_text *body);

/* The last octet; the text is not empty. */
char nsx_text_last(const struct nsx_text *body);

/* Octets of upgraded text converted at a time. */
#define NSX_SLICE 1024

/* Octets from where it stands: a slice of the scalar itself, or of tmp for text
 * that Perl keeps in UTF-8. */
const char *nsx_text_slice(struct nsx_text *body, char *tmp, size_t size,
                           size_t *len);

/* Moves on by n octets; past what is empty. */
void nsx_text_advance(struct nsx_text *body, size_t n);
void nsx_text_skip_empty(struct nsx_text *body);

/* Fills out[0..size) with encoded text; answers the octets written. */
size_t nsx_text_encode(struct nsx_dot *dot, struct nsx_text *body, char *out,
                       size_t size);

#endif
