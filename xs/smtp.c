/*
 * smtp.c - what the SMTP methods are made of: paths, capabilities, the
 * underscore commands.
 */
#include "glue.h"

struct verb {
    enum nsx_method method;
    const char *name;
    int wanted;      /* first digit that means success */
    int takes_words; /* 1 when the method passes its arguments on */
};

static const struct verb verbs[] = {
    {NSX_M__EHLO, "EHLO", NSX_DIGIT_OK, 1},
    {NSX_M__HELO, "HELO", NSX_DIGIT_OK, 1},
    {NSX_M__MAIL, "MAIL", NSX_DIGIT_OK, 1},
    {NSX_M__RCPT, "RCPT", NSX_DIGIT_OK, 1},
    {NSX_M__SEND, "SEND", NSX_DIGIT_OK, 1},
    {NSX_M__SAML, "SAML", NSX_DIGIT_OK, 1},
    {NSX_M__SOML, "SOML", NSX_DIGIT_OK, 1},
    {NSX_M__VRFY, "VRFY", NSX_DIGIT_OK, 1},
    {NSX_M__EXPN, "EXPN", NSX_DIGIT_OK, 1},
    {NSX_M__HELP, "HELP", NSX_DIGIT_OK, 1},
    {NSX_M__RSET, "RSET", NSX_DIGIT_OK, 0},
    {NSX_M__NOOP, "NOOP", NSX_DIGIT_OK, 0},
    {NSX_M__QUIT, "QUIT", NSX_DIGIT_OK, 0},
    {NSX_M__DATA, "DATA", NSX_DIGIT_MORE, 0},
    {NSX_M__ETRN, "ETRN", NSX_DIGIT_OK, 1},
    {NSX_M__AUTH, "AUTH", NSX_DIGIT_OK, 1},
    {NSX_M__STARTTLS, "STARTTLS", NSX_DIGIT_OK, 0},
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
        return SvTRUE(nsx_call(aTHX_ op->self, verb_method(aTHX_ m), argc,
                               argv));
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

/* What stands behind an inner '>' would be parameters of the command. */
static void
refuse_address(pTHX_ const char *text, STRLEN len)
{
    SV *shown = sv_2mortal(newSVpvs(""));

    (void)pv_pretty(shown, text, len, NSX_SHOWN_ADDRESS, NULL, NULL,
                    PERL_PV_PRETTY_QUOTE | PERL_PV_PRETTY_ELLIPSES);
    Perl_croak(aTHX_ "address %" SVf ": a '>' that is not the last character "
                     "must be in a quoted string", SVfARG(shown));
}

SV *
nsx_addr_path(pTHX_ GV *gv, SV *addr)
{
    SV *option = nsx_fact(aTHX_ gv, NSX_K_EXACT);
    const int exact = option && SvTRUE(option);
    enum nsx_addr_text kind = NSX_ADDR_OCTETS;
    struct nsx_addr found;
    const char *text = "";
    STRLEN len = 0;
    SV *path;

    SvGETMAGIC(addr);
    if (SvOK(addr) && !SvPOK(addr))
        addr = nsx_copy(addr); /* a number stays one in the caller's scalar */
    if (SvOK(addr)) {
        text = SvPV_nomg(addr, len);
        kind = SvUTF8(addr) ? NSX_ADDR_UTF8 : NSX_ADDR_OCTETS;
    }
    if (exact)
        nsx_addr_exact(text, len, kind, &found);
    else
        nsx_addr_extract(text, len, kind, &found);
    if (!nsx_addr_is_whole(&found))
        refuse_address(aTHX_ text, len);
    path = newSV(found.len + 3);
    sv_setpvn(path, found.bracketed ? "" : "<", found.bracketed ? 0 : 1);
    sv_catpvn(path, found.text, found.len);
    if (!found.bracketed)
        sv_catpvs(path, ">");
    if (kind == NSX_ADDR_UTF8)
        SvUTF8_on(path);
    return sv_2mortal(path);
}

SV *
nsx_path_argument(pTHX_ struct nsx_op *op, const char *prefix, SV *addr,
                  SV *opts)
{
    SV *arg = sv_2mortal(newSVpv(prefix, 0));

    if (nsx_addr_replaced(aTHX)) {
        SV *argv[2];

        argv[0] = op->self;
        argv[1] = addr;
        sv_catsv(arg, nsx_call_function(aTHX_ "_replaced_addr", 2, argv));
    }
    else {
        sv_catsv(arg, nsx_addr_path(aTHX_ op->gv, addr));
    }
    if (opts)
        sv_catsv(arg, opts);
    return arg;
}

static SV *
upper(pTHX_ const char *text, size_t len)
{
    SV *sv = sv_2mortal(newSVpvn(text, len));
    char *p = SvPVX(sv);
    size_t i;

    for (i = 0; i < len; i++)
        p[i] = (char)toUPPER(p[i]);
    return sv;
}

SV *
nsx_upper(pTHX_ SV *keyword)
{
    STRLEN len;
    const char *text = SvPV(keyword, len);

    return upper(aTHX_ text, len);
}

/* AUTH may come twice, as "AUTH ..." and the older "AUTH=...": then *more
 * becomes 1, and one stands behind the other. */
static void
add_capability(pTHX_ HV *esmtp, SV *line, int *more)
{
    struct nsx_capability cap;
    STRLEN len;
    const char *text = SvPV(line, len);
    SV *keyword, *value;

    if (!nsx_ehlo_line(text, len, &cap))
        return;
    TAINT_NOT; /* what was parsed is trusted */
    keyword = upper(aTHX_ cap.keyword, cap.keyword_len);
    if (strEQ(SvPVX(keyword), "AUTH")
        && hv_exists_ent(esmtp, keyword, 0)) {
        value = HeVAL(hv_fetch_ent(esmtp, keyword, 0, 0));
        sv_catpvs(value, " ");
        sv_catpvn(value, cap.params, cap.params_len);
        *more = 1;
        return;
    }
    value = newSVpvn(cap.params, cap.params_len);
    if (!hv_store_ent(esmtp, keyword, value, 0))
        SvREFCNT_dec(value);
}

static void
merge_auth(pTHX_ HV *esmtp)
{
    SV *list = *hv_fetchs(esmtp, "AUTH", 0);

    SvCUR_set(list, nsx_ehlo_distinct(SvPVX(list), SvCUR(list), SvPVX(list)));
    *SvEND(list) = '\0';
}

/* The server's own list of mechanisms: a script may put another in its place
 * to force one. */
static void
remember_offer(pTHX_ struct nsx_object *obj, HV *esmtp)
{
    SV **list = hv_fetchs(esmtp, "AUTH", 0);
    STRLEN len = 0;
    const char *text = list ? SvPV(*list, len) : "";

    nsx_buf_clear(&obj->offered);
    (void)nsx_buf_append(&obj->offered, text, len);
}

void
nsx_learn_capabilities(pTHX_ struct nsx_op *op, I32 count, SV **lines)
{
    HV *esmtp = newHV();
    int more_auth = 0;
    I32 i;

    sv_setsv_mg(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_ESMTP),
                sv_2mortal(newRV_noinc((SV *)esmtp)));
    /* The first line is the greeting, whatever it looks like. */
    for (i = 1; i < count; i++)
        add_capability(aTHX_ esmtp, lines[i], &more_auth);
    if (more_auth)
        merge_auth(aTHX_ esmtp);
    remember_offer(aTHX_ op->obj, esmtp);
}

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
