#include "nsx_tls_verify.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define IPV4_OCTETS 4u
#define IPV6_OCTETS 16u
#define IPV6_TEXT 64u /* longer than any IPv6 address in text */

/* A wildcard must be followed by at least a domain somebody registered. */
#define LABELS_WITH_WILDCARD 3u

static const struct nsx_tls_name_rules rules_none = {
    0, NSX_TLS_WILDCARD_NONE, NSX_TLS_WILDCARD_NONE, NSX_TLS_CN_NEVER, 0, 0
};
static const struct nsx_tls_name_rules rules_default = {
    1,
    NSX_TLS_WILDCARD_ANYWHERE,
    NSX_TLS_WILDCARD_ANYWHERE,
    NSX_TLS_CN_ALWAYS,
    1,
    0
};
static const struct nsx_tls_name_rules rules_rfc2818 = {
    1,
    NSX_TLS_WILDCARD_ANYWHERE,
    NSX_TLS_WILDCARD_ANYWHERE,
    NSX_TLS_CN_WHEN_ONLY,
    0,
    0
};
static const struct nsx_tls_name_rules rules_http = { 1,
                                                      NSX_TLS_WILDCARD_ANYWHERE,
                                                      NSX_TLS_WILDCARD_ANYWHERE,
                                                      NSX_TLS_CN_WHEN_ONLY,
                                                      4,
                                                      0 };
static const struct nsx_tls_name_rules rules_ldap = {
    1, NSX_TLS_WILDCARD_NONE, NSX_TLS_WILDCARD_FULL_LABEL, NSX_TLS_CN_ALWAYS, 0,
    0
};
static const struct nsx_tls_name_rules rules_mail = {
    1,
    NSX_TLS_WILDCARD_FULL_LABEL,
    NSX_TLS_WILDCARD_FULL_LABEL,
    NSX_TLS_CN_ALWAYS,
    0,
    0
};
/* RFC 6125 6.4.4: the CN is for certificates without a name of the kind. */
static const struct nsx_tls_name_rules rules_smtp = {
    1,
    NSX_TLS_WILDCARD_FULL_LABEL,
    NSX_TLS_WILDCARD_FULL_LABEL,
    NSX_TLS_CN_WHEN_ONLY,
    0,
    0
};
static const struct nsx_tls_name_rules rules_gist = {
    1,
    NSX_TLS_WILDCARD_FULL_LABEL,
    NSX_TLS_WILDCARD_FULL_LABEL,
    NSX_TLS_CN_WHEN_ONLY,
    0,
    0
};
static const struct nsx_tls_name_rules rules_sip = {
    1, NSX_TLS_WILDCARD_NONE, NSX_TLS_WILDCARD_NONE, NSX_TLS_CN_ALWAYS, 0, 0
};

static const struct scheme {
    const char *name;
    const struct nsx_tls_name_rules *rules;
} schemes[] = { { "none", &rules_none },       { "default", &rules_default },
                { "smtp", &rules_smtp },       { "rfc2595", &rules_mail },
                { "imap", &rules_mail },       { "pop3", &rules_mail },
                { "acap", &rules_mail },       { "rfc4642", &rules_mail },
                { "nntp", &rules_mail },       { "rfc5539", &rules_mail },
                { "netconf", &rules_mail },    { "rfc5538", &rules_mail },
                { "syslog", &rules_mail },     { "rfc5425", &rules_mail },
                { "snmp", &rules_mail },       { "rfc5953", &rules_mail },
                { "rfc2818", &rules_rfc2818 }, { "xmpp", &rules_rfc2818 },
                { "rfc3920", &rules_rfc2818 }, { "ftp", &rules_rfc2818 },
                { "rfc4217", &rules_rfc2818 }, { "www", &rules_http },
                { "http", &rules_http },       { "ldap", &rules_ldap },
                { "rfc4513", &rules_ldap },    { "gist", &rules_gist },
                { "rfc5971", &rules_gist },    { "sip", &rules_sip },
                { "rfc5922", &rules_sip },     { NULL, NULL } };

int
nsx_tls_scheme(const char *name, struct nsx_tls_name_rules *out)
{
    const struct scheme *s;

    for (s = schemes; s->name; s++)
        if (strcmp(s->name, name) == 0) {
            *out = *s->rules;
            return 1;
        }
    return 0;
}

static int
is_off(const char *word)
{
    return word[0] == '\0' || strcmp(word, "0") == 0;
}

int
nsx_tls_wildcard_word(const char *word, enum nsx_tls_wildcard *out)
{
    if (is_off(word))
        *out = NSX_TLS_WILDCARD_NONE;
    else if (strcmp(word, "anywhere") == 0)
        *out = NSX_TLS_WILDCARD_ANYWHERE;
    else if (strcmp(word, "full_label") == 0 || strcmp(word, "leftmost") == 0)
        *out = NSX_TLS_WILDCARD_FULL_LABEL;
    else
        return 0;
    return 1;
}

int
nsx_tls_check_cn_word(const char *word, enum nsx_tls_check_cn *out)
{
    if (is_off(word))
        *out = NSX_TLS_CN_NEVER;
    else if (strcmp(word, "always") == 0)
        *out = NSX_TLS_CN_ALWAYS;
    else if (strcmp(word, "when_only") == 0)
        *out = NSX_TLS_CN_WHEN_ONLY;
    else
        return 0;
    return 1;
}

static int
is_label_octet(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static size_t
label_run(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && is_label_octet(s[i]))
        i++;
    return i;
}

static size_t
without_dots(const char *s, size_t n)
{
    while (n > 0 && s[n - 1] == '.')
        n--;
    return n;
}

/* memcmp, not strncasecmp alone: a NUL inside must not end the comparison. */
static int
same_name(const char *a, size_t an, const char *b, size_t bn)
{
    return an == bn && memchr(a, '\0', an) == NULL
        && strncasecmp(a, b, an) == 0;
}

static size_t
count_labels(const char *host, size_t n)
{
    size_t labels = n > 0, i;

    for (i = 1; i < n; i++)
        labels += host[i] == '.' && host[i - 1] != '.';
    return labels;
}

/* The start of the last-but-one label, for a name of two labels or more. */
static size_t
second_level(const char *host, size_t n)
{
    size_t i = n, dots = 0;

    while (i > 0) {
        if (host[i - 1] == '.' && ++dots == 2)
            return i;
        i--;
    }
    return 0;
}

/* Below a country's domain these stand for a registry, not for an owner. */
static int
is_registry(const char *host, size_t n)
{
    static const char *const words[] = { "ac",  "co",   "com", "edu",  "go",
                                         "gob", "gouv", "gov", "govt", "ltd",
                                         "mil", "ne",   "net", "nhs",  "or",
                                         "org", "plc",  "sch", NULL };
    const char *label = host + second_level(host, n);
    size_t len = label_run(label, (size_t)(host + n - label));
    size_t tld = (size_t)(host + n - label) - len;
    size_t i;

    if (tld != 3) /* a dot and two letters */
        return 0;
    for (i = 0; words[i]; i++)
        if (strlen(words[i]) == len && strncasecmp(words[i], label, len) == 0)
            return 1;
    return 0;
}

static int
wildcard_is_narrow(const char *host, size_t n)
{
    return count_labels(host, n) >= LABELS_WITH_WILDCARD
        + (size_t)(count_labels(host, n) > 1 && is_registry(host, n));
}

/* name = prefix '*' suffix, the star within the first label. */
static int
wildcard_match(const char *name, size_t name_len, size_t prefix,
               const char *host, size_t host_len)
{
    const char *suffix = name + prefix + 1;
    size_t suffix_len = name_len - prefix - 1;
    size_t middle;

    if (host_len < prefix + 1 + suffix_len)
        return 0;
    middle = host_len - prefix - suffix_len;
    return same_name(name, prefix, host, prefix)
        && label_run(host + prefix, middle) == middle
        && same_name(suffix, suffix_len, host + prefix + middle, suffix_len)
        && wildcard_is_narrow(host, host_len);
}

static int
is_a_label(const char *host, size_t n)
{
    return n >= 4 && strncasecmp(host, "xn--", 4) == 0;
}

int
nsx_tls_name_match(const char *name, size_t name_len, const char *host,
                   size_t host_len, enum nsx_tls_wildcard rule)
{
    size_t star;

    host_len = without_dots(host, host_len);
    if (name_len == 0 || host_len == 0)
        return 0;
    star = label_run(name, name_len);
    if (star + 1 >= name_len || name[star] != '*')
        return same_name(name, name_len, host, host_len);
    if (rule == NSX_TLS_WILDCARD_NONE)
        return 0;
    if (rule == NSX_TLS_WILDCARD_FULL_LABEL
        && (star > 0 || name[star + 1] != '.'))
        return 0;
    if (star > 0 && is_a_label(host, host_len))
        return 0;
    return wildcard_match(name, name_len, star, host, host_len);
}

/* One decimal number below 256, without leading zeros (connect's resolver
 * takes those for octal); *pos moves behind it. */
static int
ipv4_part(const char *s, size_t n, size_t *pos, unsigned char *out)
{
    unsigned value = 0;
    size_t start = *pos;

    while (*pos < n && s[*pos] >= '0' && s[*pos] <= '9') {
        value = value * 10 + (unsigned)(s[*pos] - '0');
        if (value > 255)
            return 0;
        (*pos)++;
    }
    *out = (unsigned char)value;
    return *pos == start + 1 || (*pos > start && s[start] != '0');
}

static size_t
ipv4(const char *s, size_t n, unsigned char *out)
{
    size_t pos = 0, i;

    for (i = 0; i < IPV4_OCTETS; i++) {
        if (i > 0 && (pos >= n || s[pos++] != '.'))
            return 0;
        if (!ipv4_part(s, n, &pos, out + i))
            return 0;
    }
    return pos == n ? IPV4_OCTETS : 0;
}

static size_t
ipv6(const char *s, size_t n, unsigned char *out)
{
    char text[IPV6_TEXT];

    if (n >= sizeof text || memchr(s, '\0', n))
        return 0;
    memcpy(text, s, n);
    text[n] = '\0';
    return inet_pton(AF_INET6, text, out) == 1 ? IPV6_OCTETS : 0;
}

size_t
nsx_tls_ip_literal(const char *host, size_t len, unsigned char out[16])
{
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']')
        return ipv6(host + 1, len - 2, out);
    if (memchr(host, ':', len))
        return ipv6(host, len, out);
    return ipv4(host, len, out);
}

int
nsx_tls_is_numeric(const char *host, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if ((host[i] < '0' || host[i] > '9') && host[i] != '.')
            return 0;
    return 1;
}
