#!perl
# SECURITY.md promises; each promise names a test, which is there: its file, and
# words of its name or of what the file says it is about.
#
#   prove xt/security.t
use strict;
use warnings;
use Test::More;

sub slurp {
    my $file = shift;
    open my $in, '<', $file or return;
    local $/;
    return scalar <$in>;
}

my @promises = grep { /^\|/ && !/^\|(?:---| promise )/ } split /\n/, slurp('SECURITY.md');
cmp_ok(scalar @promises, '>', 30, 'there are promises');
for my $promise (@promises) {
    my ($what, $file, $words) = $promise =~ /^\| (.+) \| `(x?t\/[\w-]+\.t)` "(.+)" \|$/;
    ok($file, "it names a test: $promise") or next;
    my $text = slurp($file) // '';
    $text =~ s/\n#? +/ /g;
    ok(index($text, $words) >= 0, "$file has: $words");
}

done_testing;
