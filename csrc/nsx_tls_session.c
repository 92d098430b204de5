#include "nsx_tls_priv.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

struct entry {
    struct entry *next; /* less recently used */
    unsigned char id[NSX_TLS_SESSION_ID];
    char *key; /* the caller's */
    SSL_SESSION *session;
};

struct nsx_tls_sessions {
    size_t refs;
    size_t capacity;
    size_t count;
    struct entry *head;
};

struct nsx_tls_sessions *
nsx_tls_sessions_new(size_t capacity)
{
    struct nsx_tls_sessions *s = capacity ? nsx_alloc(sizeof *s) : NULL;

    if (s) {
        s->refs = 1;
        s->capacity = capacity;
    }
    return s;
}

struct nsx_tls_sessions *
nsx_tls_sessions_hold(struct nsx_tls_sessions *s)
{
    if (s)
        s->refs++;
    return s;
}

/* Takes the entry out of the list; the entry is the caller's then. */
static struct entry *
unlink_at(struct nsx_tls_sessions *s, struct entry **at)
{
    struct entry *en = *at;

    *at = en->next;
    s->count--;
    return en;
}

static void
entry_free(struct entry *en)
{
    SSL_SESSION_free(en->session);
    nsx_free(en->key);
    nsx_free(en);
}

void
nsx_tls_sessions_forget(struct nsx_tls_sessions *s, const char *key)
{
    struct entry **at = &s->head;

    while (*at)
        if (!key || strcmp((*at)->key, key) == 0)
            entry_free(unlink_at(s, at));
        else
            at = &(*at)->next;
}

void
nsx_tls_sessions_drop(struct nsx_tls_sessions *s)
{
    if (!s || --s->refs > 0)
        return;
    nsx_tls_sessions_forget(s, NULL);
    nsx_free(s);
}

size_t
nsx_tls_sessions_count(const struct nsx_tls_sessions *s)
{
    return s->count;
}

static int
hash_string(EVP_MD_CTX *md, const char *s)
{
    return EVP_DigestUpdate(md, s ? s : "", s ? strlen(s) + 1 : 1);
}

int
nsx_tls_session_id(const struct nsx_tls *tls,
                   unsigned char id[NSX_TLS_SESSION_ID])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL)
        && EVP_DigestUpdate(md, tls->config->identity, NSX_TLS_IDENTITY)
        && hash_string(md, tls->verify_name)
        && hash_string(md, tls->server_name)
        && hash_string(md, tls->session_key)
        && EVP_DigestFinal_ex(md, id, NULL);

    EVP_MD_CTX_free(md);
    return ok;
}

static time_t
time_of(const SSL_SESSION *session)
{
#if OPENSSL_VERSION_NUMBER >= 0x30300000L && !defined(LIBRESSL_VERSION_NUMBER)
    return SSL_SESSION_get_time_ex(session);
#else
    return (time_t)SSL_SESSION_get_time(session);
#endif
}

static int
is_stale(const SSL_SESSION *session)
{
    return !SSL_SESSION_is_resumable(session)
        || time_of(session) + (time_t)SSL_SESSION_get_timeout(session)
        <= time(NULL);
}

/* A TLS 1.3 ticket is used once (RFC 8446 C.4). */
static int
is_single_use(const SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

static struct entry **
find(struct nsx_tls_sessions *s, const unsigned char *id)
{
    struct entry **at = &s->head;

    while (*at && memcmp((*at)->id, id, NSX_TLS_SESSION_ID) != 0)
        at = &(*at)->next;
    return at;
}

SSL_SESSION *
nsx_tls_sessions_take(struct nsx_tls_sessions *s, const unsigned char *id)
{
    struct entry **at = find(s, id), *en;
    SSL_SESSION *session;

    while (*at && is_stale((*at)->session)) {
        entry_free(unlink_at(s, at));
        at = find(s, id);
    }
    if (!*at)
        return NULL;
    en = unlink_at(s, at);
    session = en->session;
    SSL_SESSION_up_ref(session);
    if (is_single_use(session)) {
        entry_free(en);
    }
    else {
        en->next = s->head;
        s->head = en;
        s->count++;
    }
    return session;
}

static void
drop_oldest(struct nsx_tls_sessions *s)
{
    struct entry **at = &s->head;

    while ((*at)->next)
        at = &(*at)->next;
    entry_free(unlink_at(s, at));
}

static char *
copy(const char *text)
{
    size_t n = strlen(text) + 1;
    char *p = nsx_alloc(n);

    return p ? memcpy(p, text, n) : NULL;
}

void
nsx_tls_sessions_put(struct nsx_tls_sessions *s, const unsigned char *id,
                     const char *key, SSL_SESSION *session)
{
    struct entry *en = nsx_alloc(sizeof *en);

    if (!en || !(en->key = copy(key))) {
        nsx_free(en);
        SSL_SESSION_free(session);
        return;
    }
    memcpy(en->id, id, sizeof en->id);
    en->session = session;
    en->next = s->head;
    s->head = en;
    if (++s->count > s->capacity)
        drop_oldest(s);
}
