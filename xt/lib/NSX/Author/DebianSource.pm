package NSX::Author::DebianSource;

# The upstream sources of Debian packages, without Debian's patches, fetched
# and unpacked into a cache of our own.
#
#   my $dir = NSX::Author::DebianSource->unpacked('libmime-lite-perl');
#   my $dir = NSX::Author::DebianSource->unpacked('perl', '*/cpan/libnet/*');
#
# The optional pattern unpacks only what it matches.  apt works with lists of
# its own; the system's sources and package state stay as they are.

use strict;
use warnings;

use File::Path qw(make_path);

sub cache {
    my $base = $ENV{XDG_CACHE_HOME} || "$ENV{HOME}/.cache";
    return "$base/net-smtp-xs-author";
}

sub unpacked {
    my ($class, $package, $pattern) = @_;
    my $dir = cache() . "/source/$package";
    return $dir if -e "$dir/.complete";
    make_path($dir);
    my $archive = $class->download($package, $dir);
    run($dir, 'tar', '-xf', $archive, defined $pattern ? ('--wildcards', $pattern) : ());
    open my $fh, '>', "$dir/.complete" or die "$dir: $!";
    return $dir;
}

# A mirror may hold the upstream archive and not the rest of the package.
sub download {
    my ($class, $package, $dir) = @_;
    my @option = $class->apt_options;
    my $fetched = eval { run($dir, 'apt-get', @option, 'source', '--download-only', $package) };
    my $why = $@;
    my ($archive) = grep { /\.orig\.tar\.\w+\z/ } glob "$dir/*.orig.tar.*";
    return $archive || die $why || "no upstream archive of $package: $fetched";
}

# Lists with the source index in them, made once.
sub apt_options {
    my ($class) = @_;
    my $apt = cache() . '/apt';
    my @option = map { ('-o', $_) } "Dir::Etc::sourcelist=$apt/sources.list",
        'Dir::Etc::sourceparts=/dev/null', "Dir::State::lists=$apt/lists",
        "Dir::Cache=$apt/cache", 'APT::Sandbox::User=root';
    return @option if -e "$apt/.complete";
    make_path("$apt/lists/partial", "$apt/cache/archives/partial");
    open my $list, '>', "$apt/sources.list" or die "sources.list: $!";
    printf $list "deb-src [signed-by=%s] %s %s main\n",
        '/usr/share/keyrings/debian-archive-keyring.gpg', mirror(), codename();
    close $list or die "sources.list: $!";
    run($apt, 'apt-get', @option, '-qq', 'update');
    open my $done, '>', "$apt/.complete" or die "$apt: $!";
    return @option;
}

# The mirror this machine's own packages come from.
sub mirror {
    for my $file ('/etc/apt/sources.list', glob '/etc/apt/sources.list.d/*.{list,sources}') {
        open my $fh, '<', $file or next;
        for (<$fh>) {
            next if /^\s*#/;
            return $1 if m{(\w+://\S+/debian)/?(?:\s|\z)};
        }
    }
    die "no Debian mirror among the apt sources\n";
}

sub codename {
    open my $fh, '<', '/etc/os-release' or die "not a Debian system\n";
    my ($name) = map {/^VERSION_CODENAME=(\w+)/} <$fh>;
    return $name || die "no VERSION_CODENAME in /etc/os-release\n";
}

sub run {
    my ($dir, @command) = @_;
    my $pid = open my $out, '-|';
    defined $pid or die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        chdir $dir or die "$dir: $!";
        exec @command or die "$command[0]: $!";
    }
    my $said = join '', <$out>;
    close $out or die "@command:\n$said";
    return $said;
}

1;
