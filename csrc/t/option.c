/* Options: their names, what each needs, the values that are and are not
 * theirs. */
#include "tap.h"
#include "nsx_caps.h"
#include "nsx_option.h"

/* How many of the values, separated by '|', are judged otherwise. */
static int
misjudged(const struct nsx_option_facts *f, const char *at, int good)
{
    int wrong = 0;

    for (;;) {
        size_t n = strcspn(at, "|");

        wrong += f->is_valid(at, n) != good;
        if (at[n] == '\0')
            return wrong;
        at += n + 1;
    }
}

static void
values(void)
{
    static const struct {
        const char *option, *good, *bad; /* separated by '|' */
    } rows[] = { { "Size", "0|12|18446744073709551615", "|-1|1k|1 2" },
                 { "Return", "FULL|hdrs|Full", "|ALL|FULL " },
                 { "Bits", "7|8|binary", "|9|78|BINARY" },
                 { "Envelope", "x|a b+c=\x80", "" },
                 { "ENVID", "x|a+20b", "|a b|a=b|a+2|a+g0" },
                 { "AUTH", "|<>|a+40b", "a b|a=b" },
                 { "DeliverBy", "120;R|-5;N|+1;NT|0;N|1;rt",
                   "|120|;R|0;R|-1;R|120;X|120;RX|1234567890;R|1 ;R|120;RTT" },
                 { "HoldFor", "0|999999999", "|-1|1234567890|x" },
                 { "HoldUntil",
                   "2026-01-31T18:30:00Z|2026-01-31t18:30:00.5+02:00",
                   "|2026-01-31|2026-13-31T18:30:00Z|2026-01-31T18:30:00"
                   "|2026-01-31T18:30:00.Z|2026-01-31 18:30:00Z"
                   "|2026-01-31T18:30:00+0200|2026-01-31T25:30:00Z" },
                 { "Priority", "0|-9|9", "|10|-0|+3|x" },
                 { "Notify", "NEVER|success,failure|DELAY",
                   "|NEVER,DELAY|DELAY,DELAY|OFTEN|DELAY,|DELAY, SUCCESS" },
                 { "ORcpt", "rfc822;a@b|x;", "|rfc822|;a|rfc822;a b" } };
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct nsx_option_facts *f = nsx_option_facts(
            nsx_option_find(rows[i].option, strlen(rows[i].option)));

        ok(misjudged(f, rows[i].good, 1) == 0, "%s: right values", f->name);
        ok(misjudged(f, rows[i].bad, 0) == 0, "%s: wrong values", f->name);
    }
}

static void
names(void)
{
    int o;

    for (o = 0; o < NSX_OPT_COUNT_; o++) {
        const struct nsx_option_facts *f = nsx_option_facts((enum nsx_option)o);

        is_num(nsx_option_find(f->name, strlen(f->name)), o, f->name);
        is_str(nsx_option_name((enum nsx_option)o), f->name, "its name");
        is_str(nsx_option_extension((enum nsx_option)o), f->extension,
               "what it needs");
        ok(f->cap != 0 && f->takes[0] != '\0', "and all else");
    }
    is_num(nsx_option_find("size", 4), NSX_OPT_COUNT_, "in its own case alone");
    is_num(nsx_option_find("Siz", 3), NSX_OPT_COUNT_, "whole");
    is_num(nsx_option_find("Sizes", 5), NSX_OPT_COUNT_, "and no longer");
    is_num(nsx_option_find("", 0), NSX_OPT_COUNT_, "none");
}

int
main(void)
{
    names();
    values();
    return done_testing();
}
