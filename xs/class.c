/*
 * class.c - which methods of an object's class are ours.
 *
 * What was found is kept for the classes met last, until Perl says that their
 * methods may have changed: the generations of UNIVERSAL, of what the class
 * inherits and of the class itself only ever grow, so their sum is a stamp of
 * all three.
 */
#include "glue.h"
#include "context.h"

static const char *const method_names[NSX_METHOD_COUNT] = {
#define X(name) #name,
    NSX_METHODS(X) NSX_PUBLIC_METHODS(X)
#undef X
};

/* Those that a whole message would go through, sent by methods. */
static const enum nsx_method sending[] = { NSX_M_command,
                                           NSX_M_response,
                                           NSX_M_getline,
                                           NSX_M_ungetline,
                                           NSX_M_parse_response,
                                           NSX_M_set_status,
                                           NSX_M_DEF_REPLY_CODE,
                                           NSX_M_debug,
                                           NSX_M_debug_print,
                                           NSX_M_message,
                                           NSX_M_code,
                                           NSX_M_status,
                                           NSX_M_datasend,
                                           NSX_M_rawdatasend,
                                           NSX_M_dataend,
                                           NSX_M__is_closed,
                                           NSX_M__syswrite_with_timeout,
                                           NSX_M__set_status_closed,
                                           NSX_M__set_status_timeout,
                                           NSX_M_supports,
                                           NSX_M__MAIL,
                                           NSX_M__RCPT,
                                           NSX_M__RSET,
                                           NSX_M__DATA,
                                           NSX_M__BDAT,
                                           NSX_M_mail,
                                           NSX_M_recipient,
                                           NSX_M_data,
                                           NSX_M_bdat,
                                           NSX_M_bdatlast,
                                           NSX_M_reset };

static void
remember_default(pTHX_ struct nsx_default *def, const char *name)
{
    CV *cv = nsx_own_function(aTHX_ name);

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
    size_t i;
    int m;

    for (m = 0; m < NSX_METHOD_COUNT; m++) {
        GV *gv = gv_fetchmethod_autoload(stash, method_names[m], FALSE);

        class->overridden[m] =
            !is_default(&NSX_CXT->defaults[m],
                        gv && isGV_with_GP(gv) ? GvCV(gv) : NULL);
    }
    class->any = memchr(class->overridden, 1, NSX_M_mail) != NULL;
    class->sends = 0;
    for (i = 0; i < C_ARRAY_LENGTH(sending); i++)
        class->sends |= class->overridden[sending[i]];
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
nsx_class_sends(pTHX_ HV *stash)
{
    const char *name = HvNAME(stash);

    return !name || find_class(aTHX_ stash)->sends;
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
