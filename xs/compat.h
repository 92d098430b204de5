/*
 * compat.h - what older perls (5.14 on) lack or spell otherwise.
 */
#ifndef NSX_COMPAT_H
#define NSX_COMPAT_H

#ifndef TAINTING_get
#  define TAINTING_get (PL_tainting)
#endif

#ifndef SvREFCNT_dec_NN
#  define SvREFCNT_dec_NN(sv) SvREFCNT_dec(sv)
#endif

#ifndef G_LIST
#  define G_LIST G_ARRAY
#endif

#ifndef PERL_UNUSED_RESULT
#  define PERL_UNUSED_RESULT(v) ((void)(v))
#endif

#endif
