/*
 * nsx_tls_path.c - lists of paths, and files told apart by a digest.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE 1
#endif
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1
#endif

#include "nsx_tls_priv.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

/* To the nanosecond: a file may change twice a second. */
#ifdef __APPLE__
#define MODIFIED st_mtimespec
#define CHANGED st_ctimespec
#else
#define MODIFIED st_mtim
#define CHANGED st_ctim
#endif

#ifdef _WIN32
#define PATH_SEPARATOR ";"
#else
#define PATH_SEPARATOR ":"
#endif

size_t
nsx_tls_path_next(const char **list, char *out, size_t size)
{
    while (**list) {
        const char *path = *list;
        size_t len = strcspn(path, PATH_SEPARATOR);

        *list = path + len + (path[len] != '\0');
        if (len > 0 && len < size) {
            memcpy(out, path, len);
            out[len] = '\0';
            return len;
        }
    }
    return 0;
}

int
nsx_tls_hash_octets(EVP_MD_CTX *md, const void *data, size_t n)
{
    return EVP_DigestUpdate(md, &n, sizeof n)
        && (n == 0 || EVP_DigestUpdate(md, data, n));
}

int
nsx_tls_hash_text(EVP_MD_CTX *md, const char *text)
{
    return nsx_tls_hash_octets(md, text, text ? strlen(text) + 1 : 0);
}

int
nsx_tls_hash_file(EVP_MD_CTX *md, const char *file)
{
    struct stat st;
    int ok = nsx_tls_hash_text(md, file);

    if (!ok || !file || stat(file, &st) != 0)
        return ok;
    return nsx_tls_hash_octets(md, &st.st_dev, sizeof st.st_dev)
        && nsx_tls_hash_octets(md, &st.st_ino, sizeof st.st_ino)
        && nsx_tls_hash_octets(md, &st.st_size, sizeof st.st_size)
        && nsx_tls_hash_octets(md, &st.MODIFIED, sizeof st.MODIFIED)
        && nsx_tls_hash_octets(md, &st.CHANGED, sizeof st.CHANGED);
}

int
nsx_tls_hash_directories(EVP_MD_CTX *md, const char *list)
{
    char dir[NSX_TLS_MAX_PATH];
    int ok = 1;

    while (ok && nsx_tls_path_next(&list, dir, sizeof dir) > 0)
        ok = nsx_tls_hash_file(md, dir);
    return ok;
}

int
nsx_tls_hash_list(EVP_MD_CTX *md, const char *const *list, size_t n,
                  int (*hash_one)(EVP_MD_CTX *, const char *))
{
    size_t i;
    int ok = nsx_tls_hash_octets(md, &n, sizeof n);

    for (i = 0; ok && i < n; i++)
        ok = hash_one(md, list[i]);
    return ok;
}
