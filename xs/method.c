/*
 * method.c - which methods of an object's class are ours, and calling those
 * that are not.
 *
 * A class is resolved once an interpreter, and again when Perl says that its
 * methods may have changed: the generations of UNIVERSAL, of what the class
 * inherits and of the class itself only ever grow, so their sum is a stamp of
 * all three.
 */
#include "glue.h"
#include "context.h"

static const char *const method_names[NSX_METHOD_COUNT] = {
#define X(name) #name,
    NSX_METHODS(X)
#undef X
};

static CV *
own_function(pTHX_ const char *name)
{
    SV *full = sv_2mortal(newSVpvf("Net::SMTP::XS::Cmd::%s", name));
    CV *cv = get_cv(SvPV_nolen(full), 0);

    if (!cv) {
        sv_setpvf(full, "Net::SMTP::XS::%s", name);
        cv = get_cv(SvPV_nolen(full), 0);
    }
    return cv;
}

static void
remember_default(pTHX_ struct nsx_default *def, const char *name)
{
    CV *cv = own_function(aTHX_ name);

    def->xsub = cv && CvISXSUB(cv) ? CvXSUB(cv) : NULL;
    def->index = def->xsub ? CvXSUBANY(cv).any_i32 : 0;
    def->cv = def->xsub ? NULL : cv;
}

void
nsx_method_boot(pTHX)
{
    dNSX_CXT;
    int m;

    for (m = 0; m < NSX_METHOD_COUNT; m++)
        remember_default(aTHX_ &NSX_CXT->defaults[m], method_names[m]);
    NSX_CXT->defaults[NSX_M_timeout].cv = get_cv("IO::Socket::timeout", 0);
    Zero(NSX_CXT->classes, NSX_CLASSES, struct nsx_methods);
    NSX_CXT->class_at = 0;
}

static int
is_default(const struct nsx_default *def, CV *cv)
{
    if (!cv)
        return 0;
    if (def->xsub)
        return CvISXSUB(cv) && CvXSUB(cv) == def->xsub
            && CvXSUBANY(cv).any_i32 == def->index;
    return cv == def->cv;
}

static void
resolve(pTHX_ struct nsx_methods *class, HV *stash, U32 generation)
{
    dNSX_CXT;
    SV *old = class->order;
    int m;

    for (m = 0; m < NSX_METHOD_COUNT; m++) {
        GV *gv = gv_fetchmethod_autoload(stash, method_names[m], FALSE);

        class->overridden[m] =
            !is_default(&NSX_CXT->defaults[m],
                        gv && isGV_with_GP(gv) ? GvCV(gv) : NULL);
    }
    class->any = memchr(class->overridden, 1, sizeof class->overridden) != NULL;
    class->order = SvREFCNT_inc((SV *)mro_get_linear_isa(stash));
    class->generation = generation;
    SvREFCNT_dec(old);
}

/* The entry of a class: as it is kept, or resolved into its old place, else
 * into that after the last. */
static struct nsx_methods *
find_class(pTHX_ HV *stash)
{
    dNSX_CXT;
    const struct mro_meta *meta = HvMROMETA(stash);
    const U32 generation = PL_sub_generation + meta->cache_gen + meta->pkg_gen;
    struct nsx_methods *class = &NSX_CXT->classes[NSX_CXT->class_at];
    int i;

    for (i = 0; i < NSX_CLASSES; i++) {
        if (class->order && class->order == meta->mro_linear_current)
            break;
        NSX_CXT->class_at = (NSX_CXT->class_at + 1) % NSX_CLASSES;
        class = &NSX_CXT->classes[NSX_CXT->class_at];
    }
    if (i == NSX_CLASSES) {
        NSX_CXT->class_at = (NSX_CXT->class_at + 1) % NSX_CLASSES;
        class = &NSX_CXT->classes[NSX_CXT->class_at];
    }
    if (i == NSX_CLASSES || class->generation != generation)
        resolve(aTHX_ class, stash, generation);
    return class;
}

int
nsx_class_is_ours(pTHX_ HV *stash)
{
    return HvNAME(stash) && !find_class(aTHX_ stash)->any;
}

int
nsx_overridden(pTHX_ struct nsx_op *op, enum nsx_method m)
{
    const char *name;
    HV *stash = SvOBJECT((SV *)op->gv) ? SvSTASH((SV *)op->gv) : NULL;

    if (!stash)
        return 0;
    name = HvNAME(stash);
    if (!name) /* undef %Class:: took its methods, and its name */
        return 1;
    return find_class(aTHX_ stash)->overridden[m];
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
    CV *cv = own_function(aTHX_ name);
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
