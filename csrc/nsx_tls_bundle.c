/*
 * nsx_tls_bundle.c - files of many certificates as trust anchors.  At first
 * only the subjects are read, and a certificate when it is asked for: to parse
 * all the world's CAs takes longer than a whole session.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include "nsx_tls_priv.h"

#include <openssl/pem.h>
#include <pthread.h>
#include <string.h>

#define FIRST_ENTRIES 16u

struct entry {
    X509_NAME *subject;
    unsigned char *der;
    long len;
    X509 *cert;   /* once asked for */
    int is_known; /* der was parsed; cert is NULL where that failed */
};

/* The files of one store in their order.  It belongs to the store's lookup. */
struct bundle {
    struct entry *entries;
    size_t count, size;
};

static void
entry_free(struct entry *en)
{
    X509_NAME_free(en->subject);
    OPENSSL_free(en->der);
    X509_free(en->cert);
}

static void
bundle_cut(struct bundle *b, size_t count)
{
    while (b->count > count)
        entry_free(&b->entries[--b->count]);
}

static struct entry *
bundle_more(struct bundle *b)
{
    if (b->count == b->size) {
        size_t size = b->size ? b->size * 2 : FIRST_ENTRIES;
        struct entry *more = OPENSSL_realloc(b->entries, size * sizeof *more);

        if (!more)
            return NULL;
        b->entries = more;
        b->size = size;
    }
    return memset(&b->entries[b->count], 0, sizeof *b->entries);
}

/* --- the subject (RFC 5280 4.1) --- */

/* Reads the head of an element of *left octets; 1 when it is a complete one.
 * *p is behind the head then, *left the octets of its contents. */
static int
read_head(const unsigned char **p, long *left, int want)
{
    int tag, class;
    long len;
    int flags = ASN1_get_object(p, &len, &tag, &class, *left);

    *left = len;
    return (flags & 0x80) == 0 && (flags & 1) == 0
        && (want < 0 || (class == V_ASN1_UNIVERSAL && tag == want));
}

/* Moves behind the element at *p, of octets that end at end. */
static int
skip(const unsigned char **p, const unsigned char *end, int want)
{
    long left = end - *p;

    if (left <= 0 || !read_head(p, &left, want))
        return 0;
    *p += left;
    return 1;
}

/* Without parsing the rest; NULL where that needs a parser. */
static X509_NAME *
find_subject(const unsigned char *p, long left)
{
    const unsigned char *end;
    int version = V_ASN1_CONTEXT_SPECIFIC | V_ASN1_CONSTRUCTED;

    if (!read_head(&p, &left, V_ASN1_SEQUENCE)
        || !read_head(&p, &left, V_ASN1_SEQUENCE) || left <= 0)
        return NULL;
    end = p + left;
    if (*p == version && !skip(&p, end, -1))
        return NULL;
    if (!skip(&p, end, V_ASN1_INTEGER)      /* serialNumber */
        || !skip(&p, end, V_ASN1_SEQUENCE)  /* signature */
        || !skip(&p, end, V_ASN1_SEQUENCE)  /* issuer */
        || !skip(&p, end, V_ASN1_SEQUENCE)) /* validity */
        return NULL;
    return d2i_X509_NAME(NULL, &p, end - p);
}

/* --- reading --- */

/* With or without what "TRUSTED CERTIFICATE" adds. */
static void
parse(struct entry *en)
{
    const unsigned char *p = en->der;

    en->cert = d2i_X509_AUX(NULL, &p, en->len);
    en->is_known = 1;
    if (!en->cert)
        return;
    OPENSSL_free(en->der);
    en->der = NULL;
}

static int
name_entry(struct entry *en)
{
    en->subject = find_subject(en->der, en->len);
    if (en->subject)
        return 1;
    ERR_clear_error();
    parse(en);
    if (en->cert)
        en->subject = X509_NAME_dup(X509_get_subject_name(en->cert));
    return en->subject != NULL;
}

static int
is_certificate(const char *name)
{
    return strcmp(name, PEM_STRING_X509) == 0
        || strcmp(name, PEM_STRING_X509_OLD) == 0
        || strcmp(name, PEM_STRING_X509_TRUSTED) == 0;
}

/* Takes over der.  0 for what is called a certificate and is none. */
static int
add_block(struct bundle *b, const char *name, const char *header,
          unsigned char *der, long len)
{
    struct entry *en;

    if (!is_certificate(name)) {
        OPENSSL_free(der);
        return 1;
    }
    en = *header ? NULL : bundle_more(b);
    if (!en) {
        OPENSSL_free(der);
        return 0;
    }
    en->der = der;
    en->len = len;
    b->count++;
    return name_entry(en);
}

/* 1 when in holds certificates and nothing broken. */
static int
read_blocks(struct bundle *b, BIO *in)
{
    size_t before = b->count;
    char *name, *header;
    unsigned char *der;
    int ok = 1;
    long len;

    while (ok && PEM_read_bio(in, &name, &header, &der, &len)) {
        ok = add_block(b, name, header, der, len);
        OPENSSL_free(name);
        OPENSSL_free(header);
    }
    if (!ok || b->count == before
        || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        bundle_cut(b, before);
        return 0;
    }
    ERR_clear_error();
    return 1;
}

#ifdef LIBRESSL_VERSION_NUMBER /* no lookups of one's own there */

int
nsx_tls_bundle_add(X509_STORE *store, const char *file)
{
    return X509_STORE_load_locations(store, file, NULL);
}

#else

/* --- as a source of a store --- */

static pthread_mutex_t parse_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static X509_LOOKUP_METHOD *method;

/* The certificate (the entry's reference), or NULL. */
static X509 *
entry_cert(struct entry *en)
{
    pthread_mutex_lock(&parse_lock);
    if (!en->is_known)
        parse(en);
    pthread_mutex_unlock(&parse_lock);
    return en->cert;
}

/* OpenSSL 1.1.1 promises no const to what looks names up. */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
typedef const X509_NAME asked_name_t;
#else
typedef X509_NAME asked_name_t;
#endif

/* Fits the store out with all certificates of a subject, for there may be
 * several keys of one authority; answers one of them. */
static int
by_subject(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, asked_name_t *name,
           X509_OBJECT *out)
{
    const struct bundle *b = X509_LOOKUP_get_method_data(lookup);
    X509 *found = NULL;
    size_t i;

    for (i = 0; b && type == X509_LU_X509 && i < b->count; i++) {
        X509 *cert = X509_NAME_cmp(b->entries[i].subject, name) == 0
            ? entry_cert(&b->entries[i])
            : NULL;

        if (!cert || !X509_STORE_add_cert(X509_LOOKUP_get_store(lookup), cert))
            continue;
        if (!found)
            found = cert;
    }
    if (!found || !X509_OBJECT_set1_X509(out, found))
        return 0;
    X509_free(found); /* who asked takes a reference of its own */
    return 1;
}

static void
bundle_free(X509_LOOKUP *lookup)
{
    struct bundle *b = X509_LOOKUP_get_method_data(lookup);

    if (!b)
        return;
    bundle_cut(b, 0);
    OPENSSL_free(b->entries);
    OPENSSL_free(b);
}

static void
make_method(void)
{
    method = X509_LOOKUP_meth_new("bundle");
    if (method
        && !(X509_LOOKUP_meth_set_get_by_subject(method, by_subject)
             && X509_LOOKUP_meth_set_free(method, bundle_free))) {
        X509_LOOKUP_meth_free(method);
        method = NULL;
    }
}

static struct bundle *
bundle_of(X509_STORE *store)
{
    X509_LOOKUP *lookup;
    struct bundle *b;

    pthread_once(&method_once, make_method);
    lookup = method ? X509_STORE_add_lookup(store, method) : NULL;
    if (!lookup)
        return NULL;
    b = X509_LOOKUP_get_method_data(lookup);
    if (b)
        return b;
    b = OPENSSL_zalloc(sizeof *b);
    if (b && !X509_LOOKUP_set_method_data(lookup, b)) {
        OPENSSL_free(b);
        b = NULL;
    }
    return b;
}

int
nsx_tls_bundle_add(X509_STORE *store, const char *file)
{
    struct bundle *b = bundle_of(store);
    BIO *in = b ? BIO_new_file(file, "r") : NULL;
    int ok = in && read_blocks(b, in);

    BIO_free(in);
    return ok;
}

#endif
