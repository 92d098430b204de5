package NSX::Author::Cell;

# Runs a server whose Debian package cannot be installed beside another's: in
# a mount namespace of its own, on top of the system's files, from packages
# that are fetched but not installed.  The system itself stays as it is.
#
#   my $why = NSX::Author::Cell->missing(@package);
#   my @command = NSX::Author::Cell->command(
#       dir      => $directory,      # seen inside as well, and written to
#       packages => \@package,      # "name", or "name/suite" of another Debian
#       users    => \@user,          # system users to be made
#       run      => [ '/usr/sbin/exim4', ... ]);

use strict;
use warnings;

use File::Path qw(make_path);
use NSX::Author::DebianSource;
use NSX::Author::Server;

my $enter = <<'END';
set -e
dir=$1 packages=$2 users=$3
shift 3
cell=$dir/cell
mkdir "$cell"
mount -t tmpfs tmpfs "$cell"
mkdir "$cell/up" "$cell/work" "$cell/root"
mount -t overlay overlay "$cell/root" \
    -o "lowerdir=/,upperdir=$cell/up,workdir=$cell/work"
for package in $packages; do
    dpkg-deb --fsys-tarfile "$package" |
        tar -C "$cell/root" -x --keep-directory-symlink
done
mount --rbind /dev "$cell/root/dev"
mount -t proc proc "$cell/root/proc"
mkdir -p "$cell/root$dir"
mount --bind "$dir" "$cell/root$dir"
for user in $users; do
    id "$user" >/dev/null 2>&1 || chroot "$cell/root" useradd -r "$user"
done
chroot "$cell/root" ldconfig
exec chroot "$cell/root" "$@"
END

sub cache { NSX::Author::DebianSource->cache() . '/packages' }

# The package's file, fetched once.
sub file_of {
    my ($class, $wanted) = @_;
    my ($package, $suite) = split m{/}, $wanted;
    my $dir = $class->cache . (defined $suite ? "/$suite" : '');
    my $find = sub { (glob "$dir/${package}_*.deb")[0] };
    return $find->() || do {
        make_path($dir);
        my @option = defined $suite ? $class->other_suite($suite, $dir) : ();
        NSX::Author::DebianSource::run($dir, 'apt-get', '-qq', @option,
            '-o', 'APT::Sandbox::User=root', 'download', $package);
        $find->() || die "apt-get fetched no $package\n";
    };
}

# Lists of that suite alone, made once.
sub other_suite {
    my ($class, $suite, $dir) = @_;
    my @option = map { ('-o', $_) } "Dir::Etc::sourcelist=$dir/sources.list",
        'Dir::Etc::sourceparts=/dev/null', "Dir::State::lists=$dir/lists",
        "Dir::Cache=$dir/cache";
    return @option if -e "$dir/.complete";
    make_path("$dir/lists/partial", "$dir/cache/archives/partial");
    NSX::Author::Server::spew({ dir => $dir }, 'sources.list', sprintf
        "deb [signed-by=%s] %s %s main\n",
        '/usr/share/keyrings/debian-archive-keyring.gpg',
        NSX::Author::DebianSource::mirror(), $suite);
    NSX::Author::DebianSource::run($dir, 'apt-get', @option, '-qq',
        '-o', 'APT::Sandbox::User=root', 'update');
    NSX::Author::Server::spew({ dir => $dir }, '.complete', '');
    return @option;
}

sub missing {
    my ($class, @package) = @_;
    return 'a server in a cell is started by root only' if $> != 0;
    return 'no mount namespaces here' if system 'unshare', '-m', 'true';
    for my $package (@package) {
        next if eval { $class->file_of($package) };
        my ($why) = $@ =~ /^[EW]: (.*)/m;
        return "no $package: " . ($why || 'cannot be fetched');
    }
    return;
}

sub command {
    my ($class, %arg) = @_;
    my @file = map { $class->file_of($_) } @{ $arg{packages} };
    return ('unshare', '-m', 'sh', '-c', $enter, 'cell', $arg{dir}, "@file",
        join(' ', @{ $arg{users} }), @{ $arg{run} });
}

1;
