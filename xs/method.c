/*
 * method.c - a call's context, calling methods and functions, and whether a
 * script put another _addr in the place of ours.
 */
#include "glue.h"
#include "context.h"

CV *
nsx_own_function(pTHX_ const char *name)
{
    SV *full = sv_2mortal(newSVpvf("Net::SMTP::XS::Cmd::%s", name));
    CV *cv = get_cv(SvPV_nolen(full), 0);

    if (!cv) {
        sv_setpvf(full, "Net::SMTP::XS::%s", name);
        cv = get_cv(SvPV_nolen(full), 0);
    }
    return cv;
}

/*
 * GIMME_V reads the context off PL_op, and under goto that is the goto itself,
 * which has none of its own: the frame that called the wrapper's caller
 * answers.  The true context stands in the block that pp_goto has just taken
 * off the context stack, in every perl from 5.14 to 5.42 (newer ones have
 * PL_op say the same); it lasts until something pushes a block.  Nor does
 * goto, as an ordinary call does, make one value of none or many in scalar
 * context: an XSUB leaves exactly one there.
 */
U8
nsx_gimme(pTHX)
{
    return PL_op->op_type == OP_GOTO
        ? (U8)(cxstack[cxstack_ix + 1].blk_gimme & G_WANT)
        : (U8)GIMME_V;
}

SV *
nsx_yes_no(pTHX_ int yes)
{
    return sv_2mortal(newSVsv(boolSV(yes)));
}

void
nsx_hold(pTHX_ I32 n, SV **list)
{
    AV *held = (AV *)sv_2mortal((SV *)newAV());
    I32 i;

    if (n > 0)
        av_extend(held, n - 1);
    for (i = 0; i < n; i++)
        if (list[i])
            av_push(held, SvREFCNT_inc_simple_NN(list[i]));
}

/* Puts a call's arguments on the stack; self may be NULL for a function. */
static void
push_arguments(pTHX_ SV *self, I32 argc, SV **argv)
{
    dSP;
    I32 i;

    PUSHMARK(SP);
    EXTEND(SP, argc + 1);
    if (self)
        PUSHs(self);
    for (i = 0; i < argc; i++)
        PUSHs(argv[i]);
    PUTBACK;
}

/* Takes a call's one value off the stack, with a reference of its own. */
static SV *
pop_result(pTHX_ I32 count)
{
    dSP;
    SV *ret = count > 0 ? POPs : &PL_sv_undef;

    SvREFCNT_inc_simple_void_NN(ret);
    PUTBACK;
    return ret;
}

SV *
nsx_call(pTHX_ SV *self, const char *name, I32 argc, SV **argv)
{
    SV *ret;

    ENTER;
    SAVETMPS;
    push_arguments(aTHX_ self, argc, argv);
    ret = pop_result(aTHX_ call_method(name, G_SCALAR));
    FREETMPS;
    LEAVE;
    return sv_2mortal(ret);
}

void
nsx_tell(pTHX_ SV *self, const char *name, I32 argc, SV **argv)
{
    ENTER;
    SAVETMPS;
    push_arguments(aTHX_ self, argc, argv);
    (void)call_method(name, G_VOID | G_DISCARD);
    FREETMPS;
    LEAVE;
}

/* The line of the first op at or below o that after follows, line when it is
 * that of o, or 0 without one.  A block of one statement has lost it: perl
 * runs what is in it as a part of the `if` around, but keeps the line. */
static line_t
line_before(const OP *after, const OP *o, line_t line)
{
    const OP *kid;
    line_t found = 0;

    if (o == after || o->op_next == after)
        return line;
    if (!(o->op_flags & OPf_KIDS))
        return 0;
    for (kid = cUNOPx(o)->op_first; kid && !found; kid = OpSIBLING(kid)) {
        if (kid->op_type == OP_NULL && kid->op_targ == OP_NEXTSTATE)
            line = CopLINE((const COP *)kid);
        found = line_before(after, kid, line);
    }
    return found;
}

/* Has Carp name the line that caller gives for a Perl sub called here, which
 * it finds by the op to return to, until the scope is left; copy gets what stands for the statement meanwhile. */
static void
name_line_of_call(pTHX_ SV *copy)
{
    const OP *next = OpSIBLING((const OP *)PL_curcop);
    const line_t old = CopLINE(PL_curcop);
    const line_t line =
        next && PL_op->op_next ? line_before(PL_op->op_next, next, old) : 0;
    COP *cop;

    if (!line || line == old)
        return;
    sv_setpvn(copy, (const char *)PL_curcop, sizeof *cop);
    cop = (COP *)(void *)SvPVX(copy);
    CopLINE_set(cop, line);
    SAVEVPTR(PL_curcop);
    PL_curcop = cop;
}

SV *
nsx_call_function(pTHX_ const char *name, I32 argc, SV **argv)
{
    CV *cv = nsx_own_function(aTHX_ name);
    SV *ret, *copy = sv_newmortal();

    if (!cv) /* as the interpreter ends, say */
        Perl_croak(aTHX_ "Undefined subroutine &Net::SMTP::XS::Cmd::%s", name);
    ENTER;
    name_line_of_call(aTHX_ copy);
    SAVETMPS;
    push_arguments(aTHX_ NULL, argc, argv);
    ret = pop_result(aTHX_ call_sv((SV *)cv, G_SCALAR));
    FREETMPS;
    LEAVE;
    return sv_2mortal(ret);
}

I32
nsx_tail_call(pTHX_ I32 ax, U8 gimme, SV *self, const char *name, I32 argc,
              SV **argv)
{
    I32 i, count;
    SV **first;

    push_arguments(aTHX_ self, argc, argv);
    count = call_method(name, gimme);
    first = PL_stack_sp - count + 1;
    for (i = 0; i < count; i++)
        PL_stack_base[ax + i] = first[i];
    return count;
}

static void
watch(pTHX_ const char *name)
{
    dNSX_CXT;
    GV *gv = gv_fetchpv(name, 0, SVt_PVCV);
    int i = NSX_CXT->addr[0] && NSX_CXT->addr[0] != gv ? 1 : 0;

    /* Kept when a script deletes it from the stash. */
    if (NSX_CXT->addr[i] != gv)
        NSX_CXT->addr[i] = (GV *)SvREFCNT_inc((SV *)gv);
}

static int
replaced(const GV *gv, XSUBADDR_t own)
{
    const CV *cv = gv && isGV_with_GP(gv) ? GvCV(gv) : NULL;

    return gv && !(cv && CvISXSUB(cv) && CvXSUB(cv) == own);
}

void
nsx_addr_boot(pTHX)
{
    dNSX_CXT;
    CV *cv = get_cv("Net::SMTP::XS::_addr", 0);

    NSX_CXT->addr_xsub = cv ? CvXSUB(cv) : NULL;
    NSX_CXT->addr[0] = NULL;
    NSX_CXT->addr[1] = NULL;
    watch(aTHX_ "Net::SMTP::XS::_addr");
    if (NSX_CXT->in_place)
        watch(aTHX_ "Net::SMTP::_addr");
}

void
nsx_in_place(pTHX)
{
    dNSX_CXT;

    NSX_CXT->in_place = 1;
    watch(aTHX_ "Net::SMTP::_addr");
}

int
nsx_addr_replaced(pTHX)
{
    dNSX_CXT;

    return replaced(NSX_CXT->addr[0], NSX_CXT->addr_xsub)
        || replaced(NSX_CXT->addr[1], NSX_CXT->addr_xsub);
}
