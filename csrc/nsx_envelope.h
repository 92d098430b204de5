/*
 * nsx_envelope.h - sender, recipients and options of a message, and the MAIL
 * and RCPT lines they make for a server that offers this or that
 * (RFC 5321 4.1.1.2, 4.1.1.3, 4.1.1.11).
 *
 * Everything given is copied, so the envelope outlives the call that made it.
 * Values come as the caller wrote them; a value no rule allows is
 * NSX_E_ARGUMENT with a text that names the option, and changes nothing.
 */
#ifndef NSX_ENVELOPE_H
#define NSX_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "nsx_buf.h"
#include "nsx_caps.h"
#include "nsx_option.h"
#include "nsx_outcome.h"

/* A stretch of the envelope's texts; not given where at is NSX_NOT_GIVEN. */
struct nsx_stretch {
    uint32_t at, len;
};
#define NSX_NOT_GIVEN UINT32_MAX

struct nsx_rcpt {
    struct nsx_stretch path, notify, orcpt;
};

struct nsx_envelope {
    struct nsx_buf texts;
    struct nsx_stretch from;
    struct nsx_stretch value[NSX_OPT_COUNT_];
    struct nsx_rcpt *rcpts;
    size_t count, room;
    int has_utf8;         /* an address has octets above 127 */
    const char *idn_help; /* static text or NULL: what would have turned a
                             domain into A-labels, for the refusal's text */
};

void nsx_envelope_init(struct nsx_envelope *v);
void nsx_envelope_free(struct nsx_envelope *v);

/* As after init, but the memory stays for the next one. */
void nsx_envelope_clear(struct nsx_envelope *v);

/* The sender, and one more recipient (index count - 1): a path with its angle
 * brackets, "<>" for a sender alone.  Control characters and angle brackets
 * inside it (but in quoted strings) are NSX_E_ARGUMENT; also NSX_E_NOMEM. */
nsx_status nsx_envelope_from(struct nsx_envelope *v, const char *path, size_t n,
                             struct nsx_error *e);
nsx_status nsx_envelope_to(struct nsx_envelope *v, const char *path, size_t n,
                           struct nsx_error *e);

/* An option of the message; NSX_OPT_NOTIFY: of each recipient without one.
 * Both Hold options at once are an error too. */
nsx_status nsx_envelope_set(struct nsx_envelope *v, enum nsx_option o,
                            const char *value, size_t n, struct nsx_error *e);

/* NSX_OPT_NOTIFY or NSX_OPT_ORCPT of recipient i. */
nsx_status nsx_envelope_set_rcpt(struct nsx_envelope *v, size_t i,
                                 enum nsx_option o, const char *value, size_t n,
                                 struct nsx_error *e);

/* What a path needs. */
enum nsx_need {
    NSX_NEED_NOTHING = 0, /* ASCII */
    NSX_NEED_LABELS,      /* only its domain is not: A-labels would do */
    NSX_NEED_UTF8         /* SMTPUTF8 alone */
};
enum nsx_need nsx_path_need(const char *path, size_t n);

/* The path of recipient i, with its angle brackets. */
const char *nsx_envelope_path(const struct nsx_envelope *v, size_t i,
                              size_t *len);

/* The domain of recipient i: what follows the last '@', or nothing. */
const char *nsx_envelope_domain(const struct nsx_envelope *v, size_t i,
                                size_t *len);

/* What is known of the body when the envelope is written. */
struct nsx_size_facts {
    uint64_t size;   /* or NSX_SIZE_UNKNOWN (nsx_content.h) */
    int may_be_8bit; /* it has octets above 127, or nobody knows */
};

/* Why a message is not sent at all. */
struct nsx_refusal {
    struct nsx_enhanced enhanced;
    char text[NSX_REFUSAL_TEXT];
};

/* 1 when the server can be asked to take the message; 0 with *why filled when
 * it offers too little: REQUIRETLS (5.7.30), DELIVERBY or FUTURERELEASE
 * (5.3.3), more time than it gives (5.5.4), SMTPUTF8 that an address needs
 * (5.6.7), BINARYMIME with CHUNKING (5.6.3), or a SIZE known to be too small
 * (5.3.4).  RCPTMAX is no matter of the envelope's. */
int nsx_envelope_judge(const struct nsx_envelope *v, const struct nsx_caps *c,
                       const struct nsx_size_facts *body,
                       struct nsx_refusal *why);

/* Options given that will be left out, because they only inform and the
 * server does not offer what they need: 1u << enum nsx_option, or'ed. */
unsigned nsx_envelope_left_out(const struct nsx_envelope *v,
                               const struct nsx_caps *c);

/* 1 when Bits is 'binary'. */
int nsx_envelope_is_binary(const struct nsx_envelope *v);

/* Appends the whole MAIL or RCPT line, CRLF included, to out.  NSX_ERROR:
 * NSX_E_NOMEM or NSX_E_COMMAND_LENGTH; what is then behind out's old end is
 * to be dropped. */
nsx_status nsx_envelope_mail(const struct nsx_envelope *v,
                             const struct nsx_caps *c,
                             const struct nsx_size_facts *body,
                             struct nsx_buf *out, struct nsx_error *e);
nsx_status nsx_envelope_rcpt(const struct nsx_envelope *v,
                             const struct nsx_caps *c, size_t i,
                             struct nsx_buf *out, struct nsx_error *e);

#endif
