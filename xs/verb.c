/*
 * verb.c - the underscore commands.
 */
#include "glue.h"

struct verb {
    enum nsx_method method;
    const char *name;
    int wanted;      /* first digit that means success */
    int takes_words; /* 1 when the method passes its arguments on */
};

static const struct verb verbs[] = {
    { NSX_M__EHLO, "EHLO", NSX_DIGIT_OK, 1 },
    { NSX_M__HELO, "HELO", NSX_DIGIT_OK, 1 },
    { NSX_M__MAIL, "MAIL", NSX_DIGIT_OK, 1 },
    { NSX_M__RCPT, "RCPT", NSX_DIGIT_OK, 1 },
    { NSX_M__SEND, "SEND", NSX_DIGIT_OK, 1 },
    { NSX_M__SAML, "SAML", NSX_DIGIT_OK, 1 },
    { NSX_M__SOML, "SOML", NSX_DIGIT_OK, 1 },
    { NSX_M__VRFY, "VRFY", NSX_DIGIT_OK, 1 },
    { NSX_M__EXPN, "EXPN", NSX_DIGIT_OK, 1 },
    { NSX_M__HELP, "HELP", NSX_DIGIT_OK, 1 },
    { NSX_M__RSET, "RSET", NSX_DIGIT_OK, 0 },
    { NSX_M__NOOP, "NOOP", NSX_DIGIT_OK, 0 },
    { NSX_M__QUIT, "QUIT", NSX_DIGIT_OK, 0 },
    { NSX_M__DATA, "DATA", NSX_DIGIT_MORE, 0 },
    { NSX_M__ETRN, "ETRN", NSX_DIGIT_OK, 1 },
    { NSX_M__AUTH, "AUTH", NSX_DIGIT_OK, 1 },
    { NSX_M__STARTTLS, "STARTTLS", NSX_DIGIT_OK, 0 },
};

static const struct verb *
find_verb(enum nsx_method m)
{
    size_t i;

    for (i = 0; i < C_ARRAY_LENGTH(verbs); i++)
        if (verbs[i].method == m)
            return &verbs[i];
    return NULL;
}

SV **
nsx_words(pTHX_ const char *verb, I32 argc, SV **argv)
{
    SV *store = sv_2mortal(newSV((STRLEN)(argc + 1) * sizeof(SV *)));
    SV **words = (SV **)(void *)SvPVX(store);
    I32 i;

    words[0] = sv_2mortal(newSVpv(verb, 0));
    for (i = 0; i < argc; i++)
        words[i + 1] = argv[i];
    return words;
}

int
nsx_verb_takes_words(enum nsx_method m)
{
    return find_verb(m)->takes_words;
}

int
nsx_run_verb(pTHX_ struct nsx_op *op, enum nsx_method m, I32 argc, SV **argv)
{
    const struct verb *verb = find_verb(m);
    SV **words = nsx_words(aTHX_ verb->name, argc, argv);

    return nsx_exchange(aTHX_ op, argc + 1, words) == verb->wanted;
}

static const char *
verb_method(pTHX_ enum nsx_method m)
{
    return SvPV_nolen(sv_2mortal(newSVpvf("_%s", find_verb(m)->name)));
}

int
nsx_verb(pTHX_ struct nsx_op *op, enum nsx_method m, I32 argc, SV **argv)
{
    if (nsx_overridden(aTHX_ op, m))
        return SvTRUE(
            nsx_call(aTHX_ op->self, verb_method(aTHX_ m), argc, argv));
    return nsx_run_verb(aTHX_ op, m, argc, argv);
}

I32
nsx_tail_verb(pTHX_ I32 ax, struct nsx_op *op, enum nsx_method m, I32 argc,
              SV **argv)
{
    SV *ok;

    if (nsx_overridden(aTHX_ op, m))
        return nsx_tail_call(aTHX_ ax, op->gimme, op->self,
                             verb_method(aTHX_ m), argc, argv);
    ok = nsx_yes_no(aTHX_ nsx_run_verb(aTHX_ op, m, argc, argv));
    PL_stack_base[ax] = ok;
    return 1;
}
