/*
 * nsx_error.c - error records: codes, classes, texts.
 */
/* strerror_r comes in two shapes; this asks for POSIX's. */
#undef _GNU_SOURCE
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "nsx_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct entry {
    nsx_class cls;
    const char *name;
};

static const struct entry table[NSX_E_COUNT_] = {
    [NSX_E_NONE] = { NSX_CLASS_NONE, "no error" },
    [NSX_E_NOMEM] = { NSX_CLASS_MEMORY, "out of memory" },
    [NSX_E_ARGUMENT] = { NSX_CLASS_CALLER, "invalid argument" },
    [NSX_E_COMMAND_LENGTH] = { NSX_CLASS_CALLER, "command too long" },
    [NSX_E_LINE_LENGTH] = { NSX_CLASS_SERVER, "line too long" },
    [NSX_E_REPLY_LENGTH] = { NSX_CLASS_SERVER, "reply too long" },
    [NSX_E_REPLY_LINES] = { NSX_CLASS_SERVER, "reply has too many lines" },
    [NSX_E_REPLY_SYNTAX] = { NSX_CLASS_SERVER, "reply without a code" },
    [NSX_E_EOF] = { NSX_CLASS_NETWORK, "connection closed by the peer" },
    [NSX_E_IO] = { NSX_CLASS_NETWORK, "input or output failed" },
    [NSX_E_TIMEOUT] = { NSX_CLASS_NETWORK, "timeout" },
    [NSX_E_TLS] = { NSX_CLASS_TLS, "TLS failure" },
    [NSX_E_TLS_CONFIG] = { NSX_CLASS_CALLER, "unusable TLS option" },
    [NSX_E_TLS_VERIFY] = { NSX_CLASS_TLS, "certificate refused" },
    [NSX_E_TLS_TRUNCATED] = { NSX_CLASS_TLS,
                              "TLS stream ended without close_notify" },
    [NSX_E_PLAINTEXT] = { NSX_CLASS_SERVER,
                          "data in the clear where TLS was to begin" },
    [NSX_E_SASL_MECHANISM] = { NSX_CLASS_CALLER, "unusable SASL mechanism" },
    [NSX_E_SASL_INPUT] = { NSX_CLASS_SERVER, "invalid SASL challenge" },
    [NSX_E_SASL_STEPS] = { NSX_CLASS_SERVER, "too many SASL challenges" },
    [NSX_E_SOURCE] = { NSX_CLASS_CALLER, "the message cannot be read" },
    [NSX_E_PROXY] = { NSX_CLASS_NETWORK, "the proxy refused" },
    [NSX_E_RESOLVE] = { NSX_CLASS_NETWORK, "the name was not resolved" },
    [NSX_E_CANCELLED] = { NSX_CLASS_CALLER, "cancelled" },
    [NSX_E_BARE_CR] = { NSX_CLASS_CALLER,
                        "bare CR in message data (BareCR => 'refuse')" }
};

static const struct entry unknown = { NSX_CLASS_NONE, "unknown error" };

static const struct entry *
lookup(nsx_errcode code)
{
    size_t i = (size_t)code;

    return i < sizeof table / sizeof table[0] ? &table[i] : &unknown;
}

const char *
nsx_error_name(nsx_errcode code)
{
    return lookup(code)->name;
}

nsx_class
nsx_error_class(nsx_errcode code)
{
    return lookup(code)->cls;
}

void
nsx_error_reset(struct nsx_error *e)
{
    e->code = NSX_E_NONE;
    e->sys_errno = 0;
    e->where = "";
    e->text[0] = '\0';
}

/* A peer's octets may be part of a text that ends up on a terminal. */
static void
hide_controls(char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < 0x20 || c == 0x7f)
            *s = '?';
    }
}

nsx_status
nsx_error_set(struct nsx_error *e, nsx_errcode code, const char *where,
              const char *fmt, ...)
{
    va_list ap;

    if (e->code != NSX_E_NONE)
        return NSX_ERROR;
    e->code = code;
    e->sys_errno = 0;
    e->where = where;
    if (fmt == NULL) {
        (void)snprintf(e->text, sizeof e->text, "%s", nsx_error_name(code));
    }
    else {
        va_start(ap, fmt);
        (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    hide_controls(e->text);
    return NSX_ERROR;
}

nsx_status
nsx_error_errno(struct nsx_error *e, int sys_errno, const char *where)
{
    char text[NSX_ERROR_TEXT];

    if (e->code != NSX_E_NONE)
        return NSX_ERROR;
    if (strerror_r(sys_errno, text, sizeof text) != 0)
        (void)snprintf(text, sizeof text, "system error %d", sys_errno);
    (void)nsx_error_set(e, NSX_E_IO, where, "%s", text);
    e->sys_errno = sys_errno;
    return NSX_ERROR;
}
