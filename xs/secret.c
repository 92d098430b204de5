/*
 * secret.c - which commands carry credentials, and what of them is shown.
 */
#include "glue.h"

/* Where the words after the mechanism at p begin, or NULL. */
static const char *
auth_secret(const char *p, const char *end)
{
    while (p < end && *p != ' ')
        p++;
    return p + 1 < end ? p + 1 : NULL;
}

/* The last reply was a challenge: what comes next answers it. */
static int
challenged(pTHX_ struct nsx_op *op)
{
    SV *code = nsx_fact(aTHX_ op->gv, NSX_K_CODE);

    return code && SvOK(code) && strEQ(SvPV_nolen(code), NSX_CHALLENGE_CODE);
}

struct nsx_secrecy
nsx_secrecy(pTHX_ struct nsx_op *op)
{
    struct nsx_secrecy how;
    SV *shown = nsx_fact(aTHX_ op->gv, NSX_K_DEBUG_SECRETS);

    how.shown = shown && SvTRUE(shown);
    how.answers = op->obj->secret || challenged(aTHX_ op);
    return how;
}

/* Whether the text begins with the upper-case word, in either case.  Perl's
 * foldEQ takes a context from 5.42 on and none before. */
static int
begins_with(const char *text, size_t len, const char *word, size_t word_len)
{
    size_t i;

    if (len < word_len)
        return 0;
    for (i = 0; i < word_len; i++)
        if (toUPPER(text[i]) != word[i])
            return 0;
    return 1;
}

/* Where the credentials begin in the command in op->obj->out, or NULL. */
static const char *
find_secret(struct nsx_op *op, struct nsx_secrecy how)
{
    static const char verb[] = "AUTH ";
    const char *text = (const char *)nsx_buf_data(&op->obj->out);
    const size_t len = op->obj->out.len - 2; /* without CRLF */

    if (begins_with(text, len, verb, sizeof verb - 1))
        return auth_secret(text + sizeof verb - 1, text + len);
    if (len == 1 && *text == '*') /* the exchange is cancelled */
        return NULL;
    return how.answers ? text : NULL;
}

int
nsx_is_secret(struct nsx_op *op, struct nsx_secrecy how)
{
    return find_secret(op, how) != NULL;
}

SV *
nsx_shown_command(pTHX_ struct nsx_op *op, struct nsx_secrecy how)
{
    const char *text = (const char *)nsx_buf_data(&op->obj->out);
    const char *secret = how.shown ? NULL : find_secret(op, how);

    if (!secret)
        return sv_2mortal(newSVpvn(text, op->obj->out.len));
    return sv_2mortal(
        newSVpvf("%.*s<redacted>\r\n", (int)(secret - text), text));
}
