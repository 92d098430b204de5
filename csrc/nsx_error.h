/*
 * nsx_error.h - what a step of the engine can answer, and why it failed.
 *
 * Every engine call that can wait or fail returns an nsx_status.  NSX_ERROR
 * comes with a filled struct nsx_error.  An error is sticky: the first one
 * recorded stays until nsx_error_reset, so the cause is never overwritten by
 * its consequences.
 */
#ifndef NSX_ERROR_H
#define NSX_ERROR_H

#include "nsx_limits.h"

typedef enum nsx_status {
    NSX_OK = 0,
    NSX_WANT_READ,  /* call again when the descriptor is readable */
    NSX_WANT_WRITE, /* call again when the descriptor is writable */
    NSX_WANT_BOTH,  /* either of them; asked of nsx_io_wait only */
    NSX_AGAIN,      /* call again at once or later: more work is to be done */
    NSX_ERROR       /* see the struct nsx_error that belongs to the call */
} nsx_status;

/* Whose fault it is. */
typedef enum nsx_class {
    NSX_CLASS_NONE = 0,
    NSX_CLASS_CALLER,  /* an argument breaks a rule; nothing was sent */
    NSX_CLASS_SERVER,  /* the peer broke the protocol or a cap */
    NSX_CLASS_NETWORK, /* the connection failed or ended */
    NSX_CLASS_TLS,     /* handshake, verification or record failure */
    NSX_CLASS_MEMORY   /* an allocation failed */
} nsx_class;

typedef enum nsx_errcode {
    NSX_E_NONE = 0,
    NSX_E_NOMEM,          /* memory */
    NSX_E_ARGUMENT,       /* caller: an argument breaks a rule */
    NSX_E_COMMAND_LENGTH, /* caller: command longer than NSX_MAX_COMMAND */
    NSX_E_LINE_LENGTH,    /* server: line longer than the cap */
    NSX_E_REPLY_LENGTH,   /* server: reply longer than NSX_MAX_REPLY */
    NSX_E_REPLY_LINES,    /* server: more than NSX_MAX_REPLY_LINES lines */
    NSX_E_REPLY_SYNTAX,   /* server: a line without a reply code */
    NSX_E_EOF,            /* network: the peer closed the connection */
    NSX_E_IO,             /* network: a system call failed, see sys_errno */
    NSX_E_TIMEOUT,        /* network: the deadline passed */
    NSX_E_TLS,            /* TLS: text says what */
    NSX_E_TLS_CONFIG,     /* caller: a TLS option cannot be used */
    NSX_E_TLS_VERIFY,     /* TLS: the peer's certificate was refused */
    NSX_E_TLS_TRUNCATED,  /* TLS: the stream ended without close_notify */
    NSX_E_PLAINTEXT,      /* server: octets in the clear after STARTTLS's 220 */
    NSX_E_SASL_MECHANISM, /* caller: mechanism unknown or unusable */
    NSX_E_SASL_INPUT,     /* server: challenge malformed or forged */
    NSX_E_SASL_STEPS,     /* server: more challenges than NSX_MAX_SASL_STEPS */
    NSX_E_SOURCE,         /* caller: the body's source failed */
    NSX_E_BARE_CR,        /* caller: a CR without LF in the body */
    NSX_E_CANCELLED,      /* caller: given up before it was done */
    NSX_E_PROXY,          /* network: the proxy refused, or is none */
    NSX_E_RESOLVE,        /* network: a name has no address */
    NSX_E_COUNT_          /* number of codes, not a code */
} nsx_errcode;

struct nsx_error {
    nsx_errcode code;  /* NSX_E_NONE while nothing failed */
    int sys_errno;     /* errno of NSX_E_IO, perhaps NSX_E_PROXY, else 0 */
    const char *where; /* function that failed, static storage */
    char text[NSX_ERROR_TEXT]; /* NUL-terminated, never holds a secret */
};

/* Empties e: code NSX_E_NONE, where and text empty. */
void nsx_error_reset(struct nsx_error *e);

/* Records code at where unless e already holds an error, and returns
 * NSX_ERROR so a failing function can end with it.  fmt may be NULL: the text
 * is then nsx_error_name's.  Control characters in the text become '?'. */
nsx_status nsx_error_set(struct nsx_error *e, nsx_errcode code,
                         const char *where, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;

/* The same for a failed system call: code NSX_E_IO, sys_errno as given. */
nsx_status nsx_error_errno(struct nsx_error *e, int sys_errno,
                           const char *where);

/* Short English description and class of a code; never NULL. */
const char *nsx_error_name(nsx_errcode code);
nsx_class nsx_error_class(nsx_errcode code);

#endif
