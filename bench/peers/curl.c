/*
 * curl MODE PORT COUNT SIZE RECIPIENTS [CA-FILE] - libcurl's SMTP.
 *
 * MODE and output as bench/README.md says.
 */
#define _POSIX_C_SOURCE 200809L
#include "peer.h"

#include <curl/curl.h>

struct body {
    const char *octets;
    size_t len, at;
};

static size_t
read_body(char *to, size_t size, size_t n, void *arg)
{
    struct body *b = arg;
    size_t room = size * n, left = b->len - b->at;

    if (room > left)
        room = left;
    memcpy(to, b->octets + b->at, room);
    b->at += room;
    return room;
}

static void
send_one(CURL *curl, struct body *b)
{
    CURLcode code;

    b->at = 0;
    code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        die(curl_easy_strerror(code));
}

static CURL *
prepare(const struct work *w, struct body *b)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *to = NULL, *hosts = NULL;
    char url[128], host[128];
    int tls = strcmp(w->mode, "tls") == 0;
    long i;

    if (!curl)
        die("curl_easy_init");
    (void)snprintf(url, sizeof url, "smtp%s://localhost:%s/bench",
                   tls ? "s" : "", w->port);
    (void)snprintf(host, sizeof host, "localhost:%s:127.0.0.1", w->port);
    hosts = curl_slist_append(hosts, host);
    for (i = 0; i < w->recipients; i++)
        to = curl_slist_append(to, RECIPIENT);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_RESOLVE, hosts);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, SENDER);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, b);
    if (tls)
        curl_easy_setopt(curl, CURLOPT_CAINFO, w->ca);
    if (strcmp(w->mode, "each") == 0)
        curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    return curl;
}

int
main(int argc, char **argv)
{
    struct work w = work_of(argc, argv);
    struct body b = { .len = w.size };
    struct cost start;
    CURL *curl;
    long i;

    curl_global_init(CURL_GLOBAL_ALL);
    b.octets = body_of(w.size);
    curl = prepare(&w, &b);
    if (strcmp(w.mode, "keep") == 0) { /* a first one, for the connection */
        b.len = 2;
        send_one(curl, &b);
        b.len = w.size;
    }
    start = cost_now();
    for (i = 0; i < w.count; i++)
        send_one(curl, &b);
    print_cost(cost_since(start));
    curl_easy_cleanup(curl);
    return 0;
}
