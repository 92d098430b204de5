/*
 * path.c - addresses as MAIL and RCPT have them.
 */
#include "glue.h"

/* What stands behind an inner '>' would be parameters of the command. */
static void
refuse_address(pTHX_ const char *text, STRLEN len)
{
    SV *shown = sv_2mortal(newSVpvs(""));

    (void)pv_pretty(shown, text, len, NSX_SHOWN_ADDRESS, NULL, NULL,
                    PERL_PV_PRETTY_QUOTE | PERL_PV_PRETTY_ELLIPSES);
    Perl_croak(aTHX_ "address %" SVf ": a '>' that is not the last character "
                     "must be in a quoted string",
               SVfARG(shown));
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
