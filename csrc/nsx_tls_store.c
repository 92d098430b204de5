/*
 * nsx_tls_store.c - stores of trust anchors, read once a process while the
 * files are what they were.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* secure_getenv */
#endif

#include "nsx_tls_priv.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_SIZE 32u

static nsx_status
unusable(struct nsx_error *e, const char *option, const char *what)
{
    char why[NSX_ERROR_TEXT];

    nsx_tls_queue_text(why, sizeof why);
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_store",
                         "%s %s can't be used: %s", option, what, why);
}

static int
wants_system(const struct nsx_tls_options *o)
{
    return !o->ca_none && !o->ca_pem && !o->ca_file_count && !o->ca_path_count;
}

/* A program with more rights than its user does not listen to the user. */
static const char *
from_environment(const char *name, const char *otherwise)
{
#ifdef __GLIBC__
    const char *value = secure_getenv(name);
#else
    const char *value =
        getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
#endif

    return value ? value : otherwise;
}

static const char *
system_file(void)
{
    return from_environment(X509_get_default_cert_file_env(),
                            X509_get_default_cert_file());
}

static const char *
system_directories(void)
{
    return from_environment(X509_get_default_cert_dir_env(),
                            X509_get_default_cert_dir());
}

/* --- the key --- */

int
nsx_tls_hash_anchors(EVP_MD_CTX *md, const struct nsx_tls_options *o)
{
    int system = wants_system(o);

    return nsx_tls_hash_octets(md, &o->ca_none, sizeof o->ca_none)
        && nsx_tls_hash_list(md, o->ca_files, o->ca_file_count,
                             nsx_tls_hash_file)
        && nsx_tls_hash_list(md, o->ca_paths, o->ca_path_count,
                             nsx_tls_hash_directories)
        && nsx_tls_hash_octets(md, &system, sizeof system)
        && nsx_tls_hash_octets(md, o->ca_pem, o->ca_pem ? o->ca_pem_len : 0)
        && (!system
            || (nsx_tls_hash_file(md, system_file())
                && nsx_tls_hash_directories(md, system_directories())));
}

static int
make_key(unsigned char *key, const struct nsx_tls_options *o)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL)
        && nsx_tls_hash_anchors(md, o) && EVP_DigestFinal_ex(md, key, NULL);

    EVP_MD_CTX_free(md);
    return ok;
}

/* --- what is in it --- */

static int
can_open(const char *file)
{
    FILE *f = fopen(file, "r");

    if (f)
        fclose(f);
    return f != NULL;
}

/* CRLs count only where a file is read as a whole. */
static nsx_status
add_file(X509_STORE *store, const char *file, int whole, struct nsx_error *e)
{
    if (!can_open(file))
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_store",
                             "SSL_ca_file %s can't be used: %s", file,
                             strerror(errno));
    if (whole ? !X509_STORE_load_locations(store, file, NULL)
              : !nsx_tls_bundle_add(store, file))
        return unusable(e, "SSL_ca_file", file);
    return NSX_OK;
}

/* 1 when one directory of the list exists. */
static int
any_directory(const char *list)
{
    char dir[NSX_TLS_MAX_PATH];
    struct stat st;

    while (nsx_tls_path_next(&list, dir, sizeof dir) > 0)
        if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
            return 1;
    return 0;
}

static nsx_status
add_directories(X509_STORE *store, const struct nsx_tls_options *o,
                struct nsx_error *e)
{
    size_t i, there = 0;

    for (i = 0; i < o->ca_path_count; i++) {
        there += (size_t)any_directory(o->ca_paths[i]);
        if (!X509_STORE_load_locations(store, NULL, o->ca_paths[i]))
            return unusable(e, "SSL_ca_path", o->ca_paths[i]);
    }
    if (o->ca_path_count && !there)
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_store",
                             "SSL_ca_path %s does not exist", o->ca_paths[0]);
    return NSX_OK;
}

static nsx_status
add_pem(X509_STORE *store, const struct nsx_tls_options *o, struct nsx_error *e)
{
    BIO *bio = o->ca_pem_len <= INT_MAX
        ? BIO_new_mem_buf(o->ca_pem, (int)o->ca_pem_len)
        : NULL;
    size_t count = 0;
    X509 *cert;

    while (bio && (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
        count += (size_t)(X509_STORE_add_cert(store, cert) == 1);
        X509_free(cert);
    }
    BIO_free(bio);
    if (!count)
        return unusable(e, "SSL_ca", "PEM text");
    ERR_clear_error(); /* the end of the text counts as an error there */
    return NSX_OK;
}

/* Either part may be missing.  What is in the file hides namesakes in the
 * directory, as with OpenSSL's own defaults. */
static void
add_system(X509_STORE *store, int whole)
{
    if (whole) {
        X509_STORE_set_default_paths(store);
    }
    else {
        (void)nsx_tls_bundle_add(store, system_file());
        X509_STORE_load_locations(store, NULL, system_directories());
    }
    ERR_clear_error();
}

static nsx_status
fill(X509_STORE *store, const struct nsx_tls_options *o, struct nsx_error *e)
{
    nsx_status st = NSX_OK;
    size_t i;

    if (wants_system(o))
        add_system(store, o->check_crl);
    if (o->ca_none || wants_system(o))
        return NSX_OK;
    if (o->ca_pem)
        st = add_pem(store, o, e);
    for (i = 0; st == NSX_OK && i < o->ca_file_count; i++)
        st = add_file(store, o->ca_files[i], o->check_crl, e);
    return st == NSX_OK ? add_directories(store, o, e) : st;
}

static X509_STORE *
fresh(const struct nsx_tls_options *o, struct nsx_error *e)
{
    X509_STORE *store = X509_STORE_new();

    if (!store) {
        nsx_error_set(e, NSX_E_NOMEM, "nsx_tls_store", NULL);
    }
    else if (fill(store, o, e) != NSX_OK) {
        X509_STORE_free(store);
        store = NULL;
    }
    return store;
}

/* --- sharing --- */

static struct shared {
    X509_STORE *store;
    unsigned char key[KEY_SIZE];
    unsigned long used;          /* when, by the clock below */
} shared[NSX_MAX_SHARED_STORES]; /* they live as long as the process */

static unsigned long uses;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

/* To a store with CRLs more is added.  A directory's store keeps what it
 * found there, which a file written over would not change. */
static int
may_share(const struct nsx_tls_options *o)
{
    return !o->check_crl && !o->ca_path_count;
}

/* The slot of the key, or the one to use for it. */
static struct shared *
slot_of(const unsigned char *key)
{
    struct shared *oldest = &shared[0];
    size_t i;

    for (i = 0; i < NSX_MAX_SHARED_STORES; i++) {
        if (shared[i].store && memcmp(shared[i].key, key, KEY_SIZE) == 0)
            return &shared[i];
        if (shared[i].used < oldest->used)
            oldest = &shared[i];
    }
    X509_STORE_free(oldest->store);
    oldest->store = NULL;
    return oldest;
}

static X509_STORE *
from_shared(const struct nsx_tls_options *o, const unsigned char *key,
            struct nsx_error *e)
{
    struct shared *s = slot_of(key);

    if (!s->store) {
        s->store = fresh(o, e);
        memcpy(s->key, key, KEY_SIZE);
    }
    s->used = s->store ? ++uses : 0;
    if (s->store)
        X509_STORE_up_ref(s->store);
    return s->store;
}

X509_STORE *
nsx_tls_store(const struct nsx_tls_options *o, struct nsx_error *e)
{
    unsigned char key[KEY_SIZE];
    X509_STORE *store;

    if (!may_share(o) || !make_key(key, o))
        return fresh(o, e);
    pthread_mutex_lock(&shared_lock);
    store = from_shared(o, key, e);
    pthread_mutex_unlock(&shared_lock);
    return store;
}
