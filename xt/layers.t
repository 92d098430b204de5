#!perl
# The layers: csrc/ knows no Perl, only its TLS and digest files know OpenSSL,
# only nsx_io.c makes system calls on sockets, and only one file of the glue
# knows the names of the keys in the object's hash.
use strict;
use warnings;

use Config;
use File::Basename qw(basename dirname);
use File::Spec;
use File::Temp qw(tempdir);
use Test::More;

my $root = File::Spec->rel2abs(dirname(dirname(__FILE__)));
my @core = sort glob "$root/csrc/*.[ch]";
my @glue = sort glob "$root/xs/*.[ch]";

my $perl_header  = qr{ (?: perl | EXTERN | XSUB | ppport ) \.h \b }x;
my $openssl_file = qr{ \A nsx_ (?: tls | digest ) }x;
my $socket_call  = qr{ \A (?:
    recv | recvfrom | recvmsg | send | sendto | sendmsg | read | readv |
    write | writev | poll | ppoll | select | pselect | connect | accept |
    bind | listen | socket | pipe | shutdown | setsockopt | getsockopt
) \z }x;
my $hash_key = qr{ " net_ (?: cmd | smtp ) _ \w+ " }x;

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!";
    local $/;
    return scalar <$in>;
}

sub without_comments {
    my ($text) = @_;
    $text =~ s{/\*.*?\*/}{ }gs;
    return $text;
}

sub included {
    my ($path) = @_;
    return without_comments(slurp($path)) =~ /^\s*\#\s*include\s*[<"]([^>"]+)/mg;
}

# Names of the functions an object file wants from elsewhere, as the source
# spells them: macOS puts a _ before, glibc's fortified calls are __x_chk.
sub wanted_by {
    my ($object) = @_;
    my %wanted;
    for my $line (qx{nm -u "$object"}) {
        my ($name) = $line =~ /(\w+)(?:@\S*)?\s*\z/ or next;
        $name =~ s/\A_// if $^O eq 'darwin';
        $name =~ s/\A__(\w+)_chk\z/$1/;
        $wanted{$name} = 1;
    }
    return sort keys %wanted;
}

ok(@core > 20, 'the core is where it is looked for');

subtest 'csrc/ includes no Perl header' => sub {
    for my $file (@core) {
        my @bad = grep { /$perl_header/ } included($file);
        is("@bad", '', basename $file);
    }
};

subtest 'OpenSSL headers only in the TLS and digest files' => sub {
    my $users = 0;
    for my $file (@core) {
        my @headers = grep { m{\Aopenssl/} } included($file);
        if (basename($file) =~ $openssl_file) {
            $users += @headers > 0;
            next;
        }
        is("@headers", '', basename $file);
    }
    ok($users, 'and there they are');
};

subtest 'system calls on sockets only in nsx_io.c' => sub {
    my $cc = $ENV{CC} || $Config{cc};
    plan skip_all => "no $cc" if system("$cc --version >/dev/null 2>&1");
    plan skip_all => 'no nm'  if system('nm --version >/dev/null 2>&1');
    my $dir   = tempdir(CLEANUP => 1);
    my $flags = qx{pkg-config --cflags openssl 2>/dev/null};
    chomp $flags;
    my %made;
    for my $source (grep { /\.c\z/ } @core) {
        my $name   = basename $source;
        my $object = "$dir/$name.o";
        if (system "$cc -std=c99 -O1 $flags -c -o '$object' '$source' 2>'$dir/log'") {
            fail("$name compiles");
            diag(slurp("$dir/log"));
            next;
        }
        $made{$name} = [grep { /$socket_call/ } wanted_by($object)];
        is("@{$made{$name}}", '', $name) unless $name eq 'nsx_io.c';
    }
    my %io = map { $_ => 1 } @{$made{'nsx_io.c'} || []};
    ok($io{recv} && $io{send} && $io{poll} && $io{connect}, 'nsx_io.c does make them');
};

subtest 'names of hash keys in one file of the glue' => sub {
    plan skip_all => 'no glue yet' unless @glue;
    my %in;
    for my $file (@glue) {
        my @keys = without_comments(slurp($file)) =~ /($hash_key)/g;
        $in{basename $file} = \@keys if @keys;
    }
    is(join(' ', sort keys %in) =~ /\Akeys\.[ch]\z/ ? 'keys' : join(' ', sort keys %in),
        'keys', 'only xs/keys.c or xs/keys.h');
};

subtest 'the files of the glue: warnings, circles, sizes' => sub {
    my $cc = $Config{cc};
    plan skip_all => "no $cc" if system("$cc --version >/dev/null 2>&1");
    plan skip_all => 'no nm'  if system('nm --version >/dev/null 2>&1');
    require ExtUtils::Embed;
    my $dir   = tempdir(CLEANUP => 1);
    my $flags = ExtUtils::Embed::ccopts();
    chomp $flags;
    $flags =~ s/-I(\S*CORE)/-isystem $1/;    # its headers are not ours to mend
    my (%owner, %wanted);
    for my $source (grep { /\.c\z/ } @glue) {
        my $name   = basename $source, '.c';
        my $object = "$dir/$name.o";
        system "$cc $flags -I$root/csrc -I$root/xs -O1 -Wall -Wextra -Wshadow"
            . " -c -o '$object' '$source' 2>'$dir/log'";
        is(slurp("$dir/log"), '', "$name compiles without a warning");
        my $lines = () = slurp($source) =~ /\n/g;
        cmp_ok($lines, '<=', 350, "$name is no longer than 350 lines");
        $owner{$_} = $name for map { / [TDRB] (\w+)$/ ? $1 : () } qx{nm "$object"};
        $wanted{$name} = [wanted_by($object)];
    }
    my %uses;
    for my $name (keys %wanted) {
        my %files = map { defined && $_ ne $name ? ($_ => 1) : () } @owner{ @{ $wanted{$name} } };
        $uses{$name} = [sort keys %files];
    }
    # Files that use nothing that is left are taken away until none is left.
    while (my @leaves = grep { !grep { $uses{$_} } @{ $uses{$_} } } keys %uses) {
        delete @uses{@leaves};
    }
    is(join(' ', sort keys %uses), '', 'no circle among them');
};

subtest 'SMTP.xs speaks no protocol' => sub {
    my $text = without_comments(slurp("$root/SMTP.xs"));
    my @calls = $text =~ /\b(nsx_(?:channel|io|reply|session|dot|ehlo|sasl|tls)_\w+)\s*\(/g;
    is("@calls", '', 'it calls none of the engine that does');
};

done_testing();
