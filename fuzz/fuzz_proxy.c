/*
 * fuzz_proxy.c - any proxy.  How its octets are cut changes nothing; what is
 * behind the end is not taken; a way that is open was asked for and granted;
 * no error tells the password; memory and work stay bounded.
 *
 * Input: an octet that says which proxy, one that says how its octets are cut,
 * and what it says.
 */
#include "fuzz.h"
#include "nsx_proxy.h"

static const char secret[] = "s3cret";

static void
begin(struct nsx_proxy *p, uint8_t how)
{
    static const char *const hosts[] = { "mx.test", "192.0.2.1", "2001:db8::1",
                                         "a" };
    struct nsx_proxy_request r = { 0 };
    struct nsx_error e;

    r.kind = how & 1 ? NSX_PROXY_HTTP : NSX_PROXY_SOCKS5;
    r.host = hosts[how >> 1 & 3];
    r.host_len = strlen(r.host);
    r.port = 25;
    r.user = how & 8 ? "me" : NULL;
    r.user_len = 2;
    r.password = secret;
    r.password_len = sizeof secret - 1;
    nsx_error_reset(&e);
    CHECK(nsx_proxy_init(p, &r, &e) == NSX_OK);
}

/* Octets taken, when they arrive so many at a time. */
static size_t
drive(struct nsx_proxy *p, const uint8_t *data, size_t size, size_t step)
{
    size_t at = 0, n, said = 0;

    for (;;) {
        nsx_status want = nsx_proxy_want(p);

        if (want == NSX_WANT_WRITE) {
            CHECK(nsx_proxy_out(p, &n) != NULL && n > 0);
            said += n < step ? n : step;
            nsx_proxy_sent(p, step);
        }
        else if (want == NSX_WANT_READ && at < size) {
            size_t k = size - at < step ? size - at : step;
            size_t used = nsx_proxy_in(p, data + at, k);

            CHECK(used <= k);
            at += used;
            CHECK(used == k || nsx_proxy_want(p) != NSX_WANT_READ);
        }
        else
            break;
    }
    CHECK(said <= 1024 && at <= NSX_MAX_PROXY_REPLY + 1);
    return at;
}

/* What is granted looks so. */
static void
check_open(uint8_t how, const uint8_t *data, size_t used)
{
    if (how & 1) {
        CHECK(used >= 14 && memcmp(data, "HTTP/", 5) == 0);
        CHECK(data[used - 1] == '\n');
    }
    else {
        CHECK(used >= 9 && data[0] == 5 && (data[1] == 0 || data[1] == 2));
        CHECK(data[1] == 0 || (how & 8));
        CHECK(memcmp(data + (data[1] == 2 ? 4 : 2), "\5\0", 2) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsx_proxy whole, cut;
    uint8_t how;
    size_t step, used;

    if (size < 2)
        return 0;
    how = data[0];
    step = (size_t)data[1] % 16 + 1;
    data += 2;
    size -= 2;
    begin(&whole, how);
    begin(&cut, how);
    used = drive(&whole, data, size, 1u << 20);
    CHECK(drive(&cut, data, size, step) == used);
    CHECK(nsx_proxy_want(&whole) == nsx_proxy_want(&cut));
    CHECK(strcmp(whole.error.text, cut.error.text) == 0);
    CHECK(strstr(whole.error.text, secret) == NULL || !(how & 8));
    CHECK(used == size || nsx_proxy_want(&whole) != NSX_WANT_READ);
    if (nsx_proxy_want(&whole) == NSX_OK)
        check_open(how, data, used);
    nsx_proxy_free(&whole);
    nsx_proxy_free(&cut);
    return 0;
}
