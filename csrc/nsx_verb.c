/*
 * nsx_verb.c - the table of commands.
 */
#include "nsx_verb.h"

#include "nsx_ascii.h"

/* Name, digit, ends a flight, takes words, ends a message. */
static const struct nsx_verb_facts table[NSX_VERB_COUNT_] = {
    [NSX_VERB_NONE] = { "", '2', 0, 0, 0 },
    [NSX_VERB_GREETING] = { "", '2', 1, 0, 0 },
    [NSX_VERB_EHLO] = { "EHLO", '2', 1, 1, 0 },
    [NSX_VERB_HELO] = { "HELO", '2', 1, 1, 0 },
    [NSX_VERB_LHLO] = { "LHLO", '2', 1, 1, 0 },
    [NSX_VERB_MAIL] = { "MAIL", '2', 0, 1, 0 },
    [NSX_VERB_RCPT] = { "RCPT", '2', 0, 1, 0 },
    [NSX_VERB_SEND] = { "SEND", '2', 0, 1, 0 },
    [NSX_VERB_SAML] = { "SAML", '2', 0, 1, 0 },
    [NSX_VERB_SOML] = { "SOML", '2', 0, 1, 0 },
    [NSX_VERB_VRFY] = { "VRFY", '2', 1, 1, 0 },
    [NSX_VERB_EXPN] = { "EXPN", '2', 1, 1, 0 },
    [NSX_VERB_HELP] = { "HELP", '2', 1, 1, 0 },
    [NSX_VERB_RSET] = { "RSET", '2', 0, 0, 0 },
    [NSX_VERB_NOOP] = { "NOOP", '2', 1, 0, 0 },
    [NSX_VERB_QUIT] = { "QUIT", '2', 1, 0, 0 },
    [NSX_VERB_TURN] = { "TURN", '2', 1, 0, 0 },
    [NSX_VERB_ETRN] = { "ETRN", '2', 1, 1, 0 },
    [NSX_VERB_DATA] = { "DATA", '3', 1, 0, 0 },
    [NSX_VERB_BDAT] = { "BDAT", '2', 0, 1, 0 },
    [NSX_VERB_BDAT_LAST] = { "BDAT", '2', 0, 1, 1 },
    [NSX_VERB_AUTH] = { "AUTH", '2', 1, 1, 0 },
    [NSX_VERB_STARTTLS] = { "STARTTLS", '2', 1, 0, 0 },
    [NSX_VERB_ANSWER] = { "", '2', 1, 1, 0 },
    [NSX_VERB_END] = { "", '2', 0, 0, 1 },
    [NSX_VERB_OTHER] = { "", '2', 1, 1, 0 },
};

const struct nsx_verb_facts *
nsx_verb_facts(enum nsx_verb verb)
{
    return &table[(size_t)verb < NSX_VERB_COUNT_ ? verb : NSX_VERB_OTHER];
}

static int
ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t
word_length(const char *line, size_t len)
{
    size_t n = 0;

    while (n < len && !ends_word(line[n]))
        n++;
    return n;
}

static int
last_word_is(const char *line, size_t len, const char *word)
{
    size_t start;

    while (len > 0 && ends_word(line[len - 1]))
        len--;
    start = len;
    while (start > 0 && !ends_word(line[start - 1]))
        start--;
    return nsx_is_word(line + start, len - start, word);
}

enum nsx_verb
nsx_verb_find(const char *line, size_t len)
{
    size_t n = word_length(line, len);
    enum nsx_verb v;

    if (n == 0)
        return NSX_VERB_OTHER;
    for (v = NSX_VERB_EHLO; v < NSX_VERB_OTHER; v++)
        if (nsx_is_word(line, n, table[v].name))
            return v == NSX_VERB_BDAT && last_word_is(line, len, "LAST")
                ? NSX_VERB_BDAT_LAST
                : v;
    return NSX_VERB_OTHER;
}
