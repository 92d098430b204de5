/*
 * source.h - a message's body: strings held and handed out in place, pieces of
 * handles and code fetched between the engine's steps.
 */
#ifndef NSX_GLUE_SOURCE_H
#define NSX_GLUE_SOURCE_H

#include "glue.h"

#include "nsx_message.h"

struct letter {
    struct nsx_message m;
    SV *glob;                /* held: whose session it runs on */
    U32 handles;             /* of the object, as sending began */
    SV *next;                /* held: the letter that follows, or NULL */
    struct letter *follower; /* what is in it */
    HV *message;             /* Message.pm's hash; NULL: a plain message */
    SV **item;               /* strings; NULL for a handle or code */
    SV *only;                /* the one string, where item points to it */
    SSize_t count, at;
    STRLEN off;    /* octets of the item handed out */
    SV *piece;     /* of a handle or code: the last one */
    SV *why;       /* what a piece or Progress died with */
    char *own;     /* copy of the piece the engine is at */
    uint64_t told; /* octets that Progress knows of */
    int is_ready, at_end, must_rewind;
    int is_late;      /* the code has nothing now (LATER) */
    int is_kept;      /* it outlives the call: strings are held as copies */
    int is_abandoned; /* the handle changed under it */
};

/* An element of Message.pm's hash: NULL where it is undef or missing. */
SV *nsx_field(pTHX_ HV *hv, const char *name);
int nsx_flag(pTHX_ HV *hv, const char *name);

/* Makes *source of one string that can be read in place; held. */
void nsx_letter_string(pTHX_ struct letter *l, SV *sv,
                       struct nsx_source *source);

/* Makes *source of the message's items, or of its body object. */
void nsx_letter_source(pTHX_ struct letter *l, struct nsx_source *source);

/* Before Perl code runs: copies what is left of the strings the engine is at,
 * here and in the letter that follows. */
void nsx_letter_own_pieces(pTHX_ struct letter *l);

/* Fetches the next piece of a handle or code.  What that dies with is in
 * l->why: the engine has to end the message first. */
void nsx_letter_feed(pTHX_ struct letter *l);

/* Calls Progress where there is something new to tell: 1 when it did. */
int nsx_letter_tell(pTHX_ struct letter *l, SV *code);

#endif
