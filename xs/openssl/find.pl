# Where OpenSSL is: { cflags, libs }; dies with the packages to install.
use strict;
use warnings;
use Config;

my $missing = <<'END';
The OpenSSL headers (1.1.1 or later) are missing.  Install libssl-dev (Debian, Ubuntu),
openssl-devel (Fedora, RHEL), openssl-dev (Alpine) or openssl@3 (Homebrew on macOS),
or set OPENSSL_PREFIX to the directory OpenSSL is installed in.
END

my @usual_places = qw(/usr /usr/local /opt/homebrew/opt/openssl@3
    /usr/local/opt/openssl@3 /opt/homebrew /opt/local /usr/pkg);

my $in_directory = sub {
    my ($dir) = @_;
    return { cflags => "-I$dir/include", libs => "-L$dir/lib -lssl -lcrypto" };
};

my $from_pkg_config = sub {
    my $tool = $ENV{PKG_CONFIG} || 'pkg-config';
    my %found;
    for my $what (qw(cflags libs)) {
        $found{$what} = `$tool --$what openssl 2>/dev/null`;
        return if $? || !defined $found{$what};
        chomp $found{$what};
    }
    return \%found;
};

my $has_header = sub {
    my ($found) = @_;
    my @dirs = ($found->{cflags} =~ /-I(\S+)/g,
        split(' ', $Config{incpth} || ''), '/usr/include', '/usr/local/include');
    return grep { -f "$_/openssl/ssl.h" } @dirs;
};

my @candidates = (
    ($ENV{OPENSSL_PREFIX} ? $in_directory->($ENV{OPENSSL_PREFIX}) : ()),
    $from_pkg_config->(),
    { cflags => '', libs => '-lssl -lcrypto' },
    (map { $in_directory->($_) } @usual_places),
);
my ($found) = grep { $has_header->($_) } @candidates;
$found or die $missing;
$found;
