/*
 * nsx_verb.h - the commands of SMTP and LMTP, and what a client must know of
 * each, in one table.
 *
 * Besides commands there are three things that only a reply belongs to: the
 * greeting, an answer to a challenge (RFC 4954 4), and the end of a body.
 */
#ifndef NSX_VERB_H
#define NSX_VERB_H

#include <stddef.h>

enum nsx_verb {
    NSX_VERB_NONE = 0, /* no reply belongs to it */
    NSX_VERB_GREETING, /* what the server says first */
    NSX_VERB_EHLO,
    NSX_VERB_HELO,
    NSX_VERB_LHLO, /* RFC 2033 4.1 */
    NSX_VERB_MAIL,
    NSX_VERB_RCPT,
    NSX_VERB_SEND,
    NSX_VERB_SAML,
    NSX_VERB_SOML,
    NSX_VERB_VRFY,
    NSX_VERB_EXPN,
    NSX_VERB_HELP,
    NSX_VERB_RSET,
    NSX_VERB_NOOP,
    NSX_VERB_QUIT,
    NSX_VERB_TURN,
    NSX_VERB_ETRN, /* RFC 1985 */
    NSX_VERB_DATA,
    NSX_VERB_BDAT,      /* RFC 3030: a chunk that others follow */
    NSX_VERB_BDAT_LAST, /* the last chunk */
    NSX_VERB_AUTH,
    NSX_VERB_STARTTLS,
    NSX_VERB_ANSWER, /* to a challenge of AUTH */
    NSX_VERB_END,    /* the end of a body that DATA began */
    NSX_VERB_OTHER,  /* a command that is not in the table */
    NSX_VERB_COUNT_  /* number of verbs, not a verb */
};

struct nsx_verb_facts {
    const char *name;  /* as sent; "" where no command has it */
    char wanted;       /* first digit of a reply that means success */
    char ends_flight;  /* 1: nothing may be sent behind it before its reply
                          came (RFC 2920 3.1, 3207 4, 4954 4) */
    char takes_words;  /* 1: it may have arguments */
    char ends_message; /* 1: its reply says what became of the message; in
                          LMTP there is one for each recipient */
};

/* Never NULL; what is no verb is answered as NSX_VERB_OTHER. */
const struct nsx_verb_facts *nsx_verb_facts(enum nsx_verb verb);

/* The verb that a command line begins with, compared without case;
 * NSX_VERB_OTHER when the table has none.  "BDAT 12 LAST" is
 * NSX_VERB_BDAT_LAST. */
enum nsx_verb nsx_verb_find(const char *line, size_t len);

#endif
