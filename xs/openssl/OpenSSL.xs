/*
 * OpenSSL.xs - TLS and SASL for Net::SMTP::XS, loaded when first needed.
 */
#include "openssl_glue.h"

MODULE = Net::SMTP::XS::OpenSSL    PACKAGE = Net::SMTP::XS::OpenSSL

PROTOTYPES: DISABLE

BOOT:
    nsx_openssl_boot(aTHX);

const char *
library()
  CODE:
    RETVAL = nsx_tls_library();
  OUTPUT:
    RETVAL

INCLUDE: TLS.xsi

INCLUDE: SASL.xsi
