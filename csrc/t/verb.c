/* The table of commands. */
#include "tap.h"
#include "nsx_verb.h"

static struct arena arena;

static enum nsx_verb
find(const char *line)
{
    size_t n = strlen(line);

    return nsx_verb_find(arena_put(&arena, line, n, 1), n);
}

static void
names(void)
{
    int v, bad = 0;

    for (v = 0; v < NSX_VERB_COUNT_; v++) {
        const char *name = nsx_verb_facts((enum nsx_verb)v)->name;

        if (*name != '\0' && v != NSX_VERB_BDAT_LAST)
            bad += (int)find(name) != v;
    }
    is_num(bad, 0, "each name is found");
    is_num(find("mail FROM:<a@b>\r\n"), NSX_VERB_MAIL, "without case");
    is_num(find("Quit\r\n"), NSX_VERB_QUIT, "before CRLF");
    is_num(find("BDAT 10\r\n"), NSX_VERB_BDAT, "a chunk");
    is_num(find("BDAT 10 last \r\n"), NSX_VERB_BDAT_LAST, "the last chunk");
    is_num(find("BDAT 10LAST"), NSX_VERB_BDAT, "LAST is a word");
    is_num(find("MAILX"), NSX_VERB_OTHER, "whole words");
    is_num(find("MAI"), NSX_VERB_OTHER, "no prefixes");
    is_num(find(""), NSX_VERB_OTHER, "nothing");
    is_num(find(" MAIL"), NSX_VERB_OTHER, "a blank first");
}

static int
ends(enum nsx_verb v)
{
    return nsx_verb_facts(v)->ends_flight;
}

/* RFC 2920 3.1 and the RFCs of the extensions. */
static void
facts(void)
{
    ok(!ends(NSX_VERB_MAIL) && !ends(NSX_VERB_RCPT) && !ends(NSX_VERB_RSET)
           && !ends(NSX_VERB_BDAT) && !ends(NSX_VERB_BDAT_LAST),
       "may stand anywhere in a flight");
    ok(ends(NSX_VERB_EHLO) && ends(NSX_VERB_DATA) && ends(NSX_VERB_VRFY)
           && ends(NSX_VERB_EXPN) && ends(NSX_VERB_TURN) && ends(NSX_VERB_QUIT)
           && ends(NSX_VERB_NOOP),
       "only last");
    ok(ends(NSX_VERB_STARTTLS) && ends(NSX_VERB_AUTH) && ends(NSX_VERB_OTHER),
       "what changes the session, and what is not known, too");
    is_num(nsx_verb_facts(NSX_VERB_DATA)->wanted, '3', "DATA wants 3xx");
    is_num(nsx_verb_facts(NSX_VERB_RCPT)->wanted, '2', "others 2xx");
    ok(nsx_verb_facts(NSX_VERB_END)->ends_message
           && nsx_verb_facts(NSX_VERB_BDAT_LAST)->ends_message
           && !nsx_verb_facts(NSX_VERB_BDAT)->ends_message,
       "what ends a message");
    ok(nsx_verb_facts((enum nsx_verb)99) == nsx_verb_facts(NSX_VERB_OTHER),
       "no verb at all");
}

int
main(void)
{
    arena_init(&arena, 4096);
    names();
    facts();
    return done_testing();
}
