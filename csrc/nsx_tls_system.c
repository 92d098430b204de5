/*
 * nsx_tls_system.c - the system's trust anchors, read once and shared: a
 * bundle of all the world's CAs takes longer to parse than a whole session.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include "nsx_tls_priv.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE 32u

static struct {
    X509_STORE *store;
    unsigned char key[KEY_SIZE]; /* of what store was read from */
} system_cas; /* lives as long as the process */

static pthread_mutex_t system_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value ? value : otherwise;
}

int nsx_tls_hash_system(EVP_MD_CTX *md)
{
    const char *file = from_environment(X509_get_default_cert_file_env(),
                                        X509_get_default_cert_file());
    const char *dirs = from_environment(X509_get_default_cert_dir_env(),
                                        X509_get_default_cert_dir());

    return nsx_tls_hash_file(md, file) && nsx_tls_hash_directories(md, dirs);
}

static int make_key(unsigned char *key)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL)
        && nsx_tls_hash_system(md) && EVP_DigestFinal_ex(md, key, NULL);

    EVP_MD_CTX_free(md);
    return ok;
}

static X509_STORE *read_store(void)
{
    X509_STORE *store = X509_STORE_new();

    if (store)
        X509_STORE_set_default_paths(store); /* may find none */
    ERR_clear_error();
    return store;
}

/* Under the lock: the store is the one of this key afterwards. */
static void refresh(const unsigned char *key)
{
    if (system_cas.store && memcmp(key, system_cas.key, KEY_SIZE) == 0)
        return;
    X509_STORE_free(system_cas.store);
    system_cas.store = read_store();
    memcpy(system_cas.key, key, KEY_SIZE);
}

X509_STORE *nsx_tls_system_store(void)
{
    unsigned char key[KEY_SIZE];
    X509_STORE *store;

    if (!make_key(key))
        return NULL;
    pthread_mutex_lock(&system_lock);
    refresh(key);
    store = system_cas.store;
    if (store)
        X509_STORE_up_ref(store);
    pthread_mutex_unlock(&system_lock);
    return store;
}
