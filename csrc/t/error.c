/* Error records: stickiness, texts, classes. */
#include "tap.h"
#include "nsx_error.h"

#include <errno.h>

static void
names(void)
{
    int code, bad = 0;

    for (code = 0; code < NSX_E_COUNT_; code++) {
        if (nsx_error_name((nsx_errcode)code)[0] == '\0')
            bad++;
        if (code > 0 && nsx_error_class((nsx_errcode)code) == NSX_CLASS_NONE)
            bad++;
    }
    is_num(bad, 0, "every code has a name and a class");
    is_str(nsx_error_name(NSX_E_COUNT_), "unknown error", "no such code");
    is_num(nsx_error_class((nsx_errcode)-1), NSX_CLASS_NONE,
           "no such code has no class");
    is_num(nsx_error_class(NSX_E_TIMEOUT), NSX_CLASS_NETWORK, "timeout");
    is_num(nsx_error_class(NSX_E_COMMAND_LENGTH), NSX_CLASS_CALLER,
           "command length");
    is_num(nsx_error_class(NSX_E_PLAINTEXT), NSX_CLASS_SERVER, "plaintext");
}

static void
sticky(void)
{
    struct nsx_error e;

    nsx_error_reset(&e);
    is_num(e.code, NSX_E_NONE, "reset");
    is_num(nsx_error_set(&e, NSX_E_EOF, "here", NULL), NSX_ERROR,
           "set answers NSX_ERROR");
    is_str(e.text, nsx_error_name(NSX_E_EOF), "default text");
    (void)nsx_error_set(&e, NSX_E_TLS, "there", "other %d", 1);
    is_num(e.code, NSX_E_EOF, "first code stays");
    is_str(e.where, "here", "first place stays");
    is_num(nsx_error_errno(&e, EPIPE, "there"), NSX_ERROR, "errno after it");
    is_num(e.sys_errno, 0, "errno of a later failure is not mixed in");
    nsx_error_reset(&e);
    is_str(e.text, "", "reset empties the text");
}

static void
texts(void)
{
    struct nsx_error e;
    char longer[2 * NSX_ERROR_TEXT];

    nsx_error_reset(&e);
    (void)nsx_error_set(&e, NSX_E_TLS, "f", "a\r\nb\x1b[31m\x7f%s", "\xc3");
    is_str(e.text, "a??b?[31m?\xc3", "control characters are hidden");

    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    nsx_error_reset(&e);
    (void)nsx_error_set(&e, NSX_E_TLS, "f", "%s", longer);
    is_num(strlen(e.text), NSX_ERROR_TEXT - 1, "long text is cut");

    nsx_error_reset(&e);
    (void)nsx_error_errno(&e, ECONNRESET, "f");
    is_num(e.code, NSX_E_IO, "errno makes NSX_E_IO");
    is_num(e.sys_errno, ECONNRESET, "errno is kept");
    is_str(e.text, strerror(ECONNRESET), "errno's text");
    nsx_error_reset(&e);
    (void)nsx_error_errno(&e, 99999, "f");
    ok(e.text[0] != '\0', "unknown errno has a text too");
}

int
main(void)
{
    names();
    sticky();
    texts();
    return done_testing();
}
