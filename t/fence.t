# The two shared objects tell when they are not of one build. The base one's table of
# functions begins with a stamp: a name, its version, the sizes of what both use. Here
# copies of the base with another stamp are loaded below the other's feet.
use strict;
use warnings;

use Config;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(mkpath);
use File::Spec;
use File::Temp ();
use Test::More;

use constant {
    BASE  => 'auto/Net/SMTP/XS/XS.' . $Config{dlext},
    OTHER => 'auto/Net/SMTP/XS/OpenSSL/OpenSSL.' . $Config{dlext},
    NAME  => "NSX api\0",
};

sub found {
    my $file = shift;
    my ($at) = grep { !ref && -f "$_/$file" } @INC;
    return defined $at ? File::Spec->rel2abs("$at/$file") : undef;
}

sub octets_of {
    my $file = shift;
    open my $in, '<:raw', $file or die "$file: $!";
    local $/;
    return scalar <$in>;
}

my ($base, $loader) = map { found($_) } BASE, 'Net/SMTP/XS/Cmd.pm';
plan skip_all => 'the shared objects are not where they can be copied' if !$base || !found(OTHER);
plan skip_all => 'a changed library is not loaded here' if $^O eq 'darwin';
my $octets = octets_of($base);
my $at = index $octets, NAME;
ok $at >= 0, 'the base has a stamp' or BAIL_OUT('no stamp');
is index($octets, NAME, $at + 1), -1, 'and one only';

my $dir = File::Temp->newdir;
copy($loader, (map { mkpath(dirname($_)); $_ } "$dir/Net/SMTP/XS/Cmd.pm")) or die "copy: $!";
mkpath(dirname("$dir/" . BASE));

# What a program says that loads TLS on a base with so much added to a field of its stamp.
sub loading {
    my ($field, $added) = @_;
    my $changed = $octets;
    my $place = $at + length(NAME) + 4 * $field;
    substr $changed, $place, 4, pack 'L', $added + unpack 'L', substr $changed, $place, 4;
    substr $changed, $at, 1, 'n' if $field < 0;
    unlink "$dir/" . BASE;
    open my $out, '>:raw', "$dir/" . BASE or die "open: $!";
    print {$out} $changed;
    close $out or die "close: $!";
    my @paths = ("$dir", map { File::Spec->rel2abs($_) } grep { !ref } @INC);
    open my $said, '-|', $^X, (map {"-I$_"} @paths), '-e',
        'require Net::SMTP::XS; eval { require Net::SMTP::XS::TLS } or print $@; print "lives\n"'
        or die "open: $!";
    local $/;
    return scalar <$said>;
}

my $misfit = 'Net::SMTP::XS::OpenSSL does not fit the loaded Net::SMTP::XS: ';
is loading(0, 0), "lives\n", 'two of one build fit';
for (
    [ 'another version',      0, 1, 'its table of functions is of another version' ],
    [ 'an older version',     0, -1, 'its table of functions is of another version' ],
    [ 'a longer table',       1, 8, 'its table of functions has another size' ],
    [ 'a shorter table',      1, -8, 'its table of functions has another size' ],
    [ 'another call',         2, 8, 'its structures have another size' ],
    [ 'another channel',      3, -8, 'its structures have another size' ],
    [ 'no table at all',      -1, 0, 'it offers no table of functions' ],
) {
    my ($name, $field, $added, $why) = @$_;
    my $said = loading($field, $added);
    like $said, qr/\A\Q$misfit$why\E\. Install both from one build at /, $name;
    like $said, qr/^lives$/m, "$name: the program lives";
}
done_testing;
