/*
 * nsx_tls_bio.c - OpenSSL's view of the descriptor: every octet goes through
 * nsx_io, so nothing blocks and nothing raises SIGPIPE.  It also counts what a
 * step reads: OpenSSL goes on for as long as the server sends what it passes
 * over (HelloRequests in a handshake), and would never come back.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include "nsx_tls_priv.h"

#include <pthread.h>

static BIO_METHOD *method; /* made once, lives as long as the process */
static pthread_mutex_t method_lock = PTHREAD_MUTEX_INITIALIZER;

/* What nsx_io answered, in BIO's terms. */
static int
answer(BIO *bio, nsx_status st, size_t done, struct nsx_error *err)
{
    struct nsx_tls *tls = BIO_get_data(bio);

    switch (st) {
    case NSX_OK:
        return (int)done;
    case NSX_WANT_READ:
        BIO_set_retry_read(bio);
        return -1;
    case NSX_WANT_WRITE:
        BIO_set_retry_write(bio);
        return -1;
    default:
        if (err->code == NSX_E_EOF) {
            tls->eof = 1;
            return 0;
        }
        tls->io_error = *err;
        return -1;
    }
}

static int
bio_read(BIO *bio, char *buf, int n)
{
    struct nsx_tls *tls = BIO_get_data(bio);
    struct nsx_error err;
    size_t done = 0, most;
    nsx_status st = NSX_WANT_READ;

    BIO_clear_retry_flags(bio);
    if (!tls->io || n <= 0)
        return -1;
    nsx_error_reset(&err);
    most = (size_t)n < tls->may_read ? (size_t)n : tls->may_read;
    if (most > 0)
        st = nsx_io_recv(tls->io, buf, most, &done, &err);
    tls->may_read -= done;
    return answer(bio, st, done, &err);
}

static int
bio_write(BIO *bio, const char *buf, int n)
{
    struct nsx_tls *tls = BIO_get_data(bio);
    struct nsx_error err;
    size_t done = 0;
    nsx_status st;

    BIO_clear_retry_flags(bio);
    if (!tls->io || n <= 0)
        return -1;
    nsx_error_reset(&err);
    st = nsx_io_send(tls->io, buf, (size_t)n, tls->more, &done, &err);
    return answer(bio, st, done, &err);
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH; /* nothing is buffered here */
}

static BIO_METHOD *
make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "nsx_io");

    if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write)
        && BIO_meth_set_ctrl(m, bio_ctrl))
        return m;
    BIO_meth_free(m);
    return NULL;
}

static BIO_METHOD *
the_method(void)
{
    pthread_mutex_lock(&method_lock);
    if (!method)
        method = make_method();
    pthread_mutex_unlock(&method_lock);
    return method;
}

BIO *
nsx_tls_bio_new(struct nsx_tls *tls)
{
    BIO_METHOD *m = the_method();
    BIO *bio = m ? BIO_new(m) : NULL;

    if (!bio)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}
