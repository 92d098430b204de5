/*
 * verb.c - the underscore commands.
 */
#include "glue.h"

/* The methods of verbs; what is to be known of those is in nsx_verb.c. */
static const struct {
    enum nsx_method method;
    enum nsx_verb verb;
} verbs[] = {
    { NSX_M__EHLO, NSX_VERB_EHLO },         { NSX_M__HELO, NSX_VERB_HELO },
    { NSX_M__MAIL, NSX_VERB_MAIL },         { NSX_M__RCPT, NSX_VERB_RCPT },
    { NSX_M__SEND, NSX_VERB_SEND },         { NSX_M__SAML, NSX_VERB_SAML },
    { NSX_M__SOML, NSX_VERB_SOML },         { NSX_M__VRFY, NSX_VERB_VRFY },
    { NSX_M__EXPN, NSX_VERB_EXPN },         { NSX_M__HELP, NSX_VERB_HELP },
    { NSX_M__RSET, NSX_VERB_RSET },         { NSX_M__NOOP, NSX_VERB_NOOP },
    { NSX_M__QUIT, NSX_VERB_QUIT },         { NSX_M__DATA, NSX_VERB_DATA },
    { NSX_M__ETRN, NSX_VERB_ETRN },         { NSX_M__AUTH, NSX_VERB_AUTH },
    { NSX_M__STARTTLS, NSX_VERB_STARTTLS },
};

static const struct nsx_verb_facts *
facts_of(enum nsx_method m)
{
    size_t i;

    for (i = 0; i < C_ARRAY_LENGTH(verbs); i++)
        if (verbs[i].method == m)
            return nsx_verb_facts(verbs[i].verb);
    return nsx_verb_facts(NSX_VERB_OTHER);
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
    return facts_of(m)->takes_words;
}

int
nsx_run_verb(pTHX_ struct nsx_op *op, enum nsx_method m, I32 argc, SV **argv)
{
    const struct nsx_verb_facts *verb = facts_of(m);
    SV **words = nsx_words(aTHX_ verb->name, argc, argv);

    return nsx_exchange(aTHX_ op, argc + 1, words) == verb->wanted;
}

static const char *
verb_method(pTHX_ enum nsx_method m)
{
    return SvPV_nolen(sv_2mortal(newSVpvf("_%s", facts_of(m)->name)));
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
