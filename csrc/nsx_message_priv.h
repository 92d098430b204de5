/*
 * nsx_message_priv.h - what the files of nsx_message share.
 */
#ifndef NSX_MESSAGE_PRIV_H
#define NSX_MESSAGE_PRIV_H

#include "nsx_message.h"

/* A recipient in the run. */
enum {
    ASKED_NOT = 0, /* waits for a transaction */
    ASKED_LISTED,  /* belongs to this one */
    ASKED_SENT,    /* RCPT is out */
    ASKED_TAKEN,   /* 2xx; its record waits for the end */
    ASKED_AGAIN,   /* 452: decided, but a further transaction may do better */
    ASKED_DONE     /* decided */
};

static const struct nsx_enhanced nsx_lost_code = { 4, 4, 2 };

/* nsx_message_send.c: pushes what may leave now; 1 when it did anything, which
 * includes deciding that nothing more will. */
int nsx_message_pump(struct nsx_message *m);
/* Begins a transaction with those that wait, or ends the run. */
void nsx_message_begin(struct nsx_message *m);
/* 1 when a further transaction may follow this one. */
int nsx_message_may_split(const struct nsx_message *m);
/* 1 when nobody can be put off to a later transaction or must be. */
int nsx_message_is_last(const struct nsx_message *m);
/* 1 when the next chunk may go once the source has it. */
int nsx_message_wants_chunk(const struct nsx_message *m);
/* 1 when one transaction can hold all recipients' domains. */
int nsx_message_domains_fit(struct nsx_message *m);
/* The transaction is over on the wire: what is undecided is decided, then a
 * further one, or the end. */
void nsx_message_close_transaction(struct nsx_message *m);

/* nsx_message_reply.c: looks at the reply that is there, and takes it. */
void nsx_message_answer(struct nsx_message *m);
/* The connection is gone, or given up: decides for everybody and is done. */
void nsx_message_lose(struct nsx_message *m, nsx_errcode code,
                      const char *text);
/* Nothing more can be sent for a reason of our own: everybody undecided is
 * unsent. */
void nsx_message_unsent(struct nsx_message *m, enum nsx_stage stage,
                        struct nsx_enhanced x, nsx_errcode code,
                        const char *text);
/* The same for recipients that were accepted where another was not. */
void nsx_message_spare(struct nsx_message *m);
/* Gives those that wait the fate of the rest. */
void nsx_message_leave_rest(struct nsx_message *m);

/* nsx_message.c: the run begins, where it has not. */
void nsx_message_wake(struct nsx_message *m);
/* The outcome is complete. */
void nsx_message_finish(struct nsx_message *m);
/* Memory ran out, or a push was refused. */
void nsx_message_trouble(struct nsx_message *m, const struct nsx_error *e);
/* The source failed: nobody gets the message; and, where half of it is out,
 * the connection ends. */
void nsx_message_source_failed(struct nsx_message *m, enum nsx_stage stage);
void nsx_message_body_failed(struct nsx_message *m);
/* Measures and judges; see nsx_message_step. */
enum nsx_step nsx_message_prepare(struct nsx_message *m);

#endif
