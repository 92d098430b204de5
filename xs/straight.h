/*
 * straight.h - which calls may go straight to the session: nobody watches, and
 * nothing is in the way.
 */
#ifndef NSX_GLUE_STRAIGHT_H
#define NSX_GLUE_STRAIGHT_H

#include "glue.h"

/* A method call on the lane. */
struct nsx_straight {
    GV *gv;
    struct nsx_object *obj;
    SV *fact[NSX_FACT_COUNT]; /* as the call began */
    AV *lines;                /* of the last reply: only the hash has it */
    double timeout;
};

/* 1 when a call on self can go this way; in_data: a body is under way. */
int nsx_straight_enter(pTHX_ struct nsx_straight *l, SV *self, int in_data);

/* 1 when the handle is for certain the one that what was read ahead, and TLS,
 * belong to. */
int nsx_straight_is_same_file(pTHX_ struct nsx_straight *l);

/* 1 when addr is a string that can be read as it stands, with the path of MAIL
 * or RCPT in *found. */
int nsx_straight_path(pTHX_ const struct nsx_straight *l, SV *addr,
                      struct nsx_addr *found);

/* The object as the general path wants it. */
void nsx_straight_leave(pTHX_ struct nsx_straight *l, struct nsx_op *op);

/* 1 when a fact (NULL: none) can be looked at without running code; *is is its
 * truth then. */
int nsx_plain_truth(pTHX_ SV *sv, int *is);

/* A scalar with octets of its own, which may be written over. */
int nsx_is_own_string(SV *sv);

/* Keeps a reply of one line in the scalars that are there.  The second looks
 * whether the object has them, and has them alone: 0 where not. */
void nsx_straight_keep(pTHX_ SV *code, AV *lines,
                       const struct nsx_reply_line *line);
int nsx_keep_in_place(pTHX_ GV *gv, const struct nsx_reply_line *line);

#endif
