/*
 * compat.h - what older perls (5.14 on) lack or spell otherwise.
 */
#ifndef NSX_COMPAT_H
#define NSX_COMPAT_H

#ifndef TAINTING_get
#define TAINTING_get (PL_tainting)
#endif

#ifndef SvREFCNT_dec_NN
#define SvREFCNT_dec_NN(sv) SvREFCNT_dec(sv)
#endif

#ifndef G_LIST
#define G_LIST G_ARRAY
#endif

#ifndef OpSIBLING
#define OpSIBLING(o) ((o)->op_sibling)
#endif

/* The character of a two-octet UTF-8 sequence. */
#ifndef TWO_BYTE_UTF8_TO_NATIVE
#define TWO_BYTE_UTF8_TO_NATIVE(high, low) ((((high)&0x1f) << 6) | ((low)&0x3f))
#endif

/* What an empty array is in scalar context. */
#ifdef PL_sv_zero
#define NSX_SV_ZERO (&PL_sv_zero)
#else
#define NSX_SV_ZERO sv_2mortal(newSViv(0))
#endif

#endif
