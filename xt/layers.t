#!perl
# The layers, and that every arrow between them points one way:
#
#   SMTP.xs --> xs/ --> csrc/ without TLS and SASL
#   xs/openssl/ --> csrc/, and of xs/ the call on an object and the table (op.h, api.h)
#
# csrc/ knows no Perl, only its TLS and digest files know OpenSSL, only nsx_io.c makes
# system calls on sockets; what an object is made of is known in xs/ alone, and one file
# there knows the names of the keys in the object's hash.
use strict;
use warnings;

use Config;
use File::Basename qw(basename dirname);
use File::Spec;
use File::Temp qw(tempdir);
use Test::More;

use constant MOST_LINES => 350;     # of a file of the glue
use constant XSUB_LINES => 40;      # of an XSUB: a screen

my $root = File::Spec->rel2abs(dirname(dirname(__FILE__)));
my $dir  = tempdir(CLEANUP => 1);

my %files = (
    core => [ glob "$root/csrc/*.[ch]" ],
    glue => [ glob "$root/xs/*.[ch]" ],
    tls  => [ grep { !m{/OpenSSL\.c\z} } glob "$root/xs/openssl/*.[ch]" ],
    xsub => [ "$root/SMTP.xs", glob "$root/xs/openssl/*.{xs,xsi}" ],
);

my $tls_core = qr{ \A nsx_ (?: tls | sasl | auth | digest | base64 ) }x;
my $of_core  = qr{ \A nsx_\w+\.h \z }x;
my $of_perl  = qr{ \A (?: EXTERN | perl | perlio\w* | XSUB ) \.h \z }x;
my $openssl_file = qr{ \A nsx_ (?: tls | digest ) }x;
my $socket_call  = qr{ \A (?:
    recv | recvfrom | recvmsg | send | sendto | sendmsg | read | readv |
    write | writev | poll | ppoll | select | pselect | connect | accept |
    bind | listen | socket | pipe | shutdown | setsockopt | getsockopt
) \z }x;
my $hash_key = qr{ " net_ (?: cmd | smtp ) _ \w+ " }x;

# What each may include of the project and of Perl; system headers are free.
my %of_glue = map { basename($_) => 1 } @{ $files{glue} };
my %may_include = (
    core => sub { /$of_core/ },
    glue => sub { /$of_perl/ || $of_glue{$_} || /$of_core/ && !/$tls_core/ },
    tls  => sub { /\A(?:api|constant|op|openssl_glue)\.h\z/ || /$of_core/ },
    xsub => sub { $of_glue{$_} || $_ eq 'openssl_glue.h' },
);

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

# The names of the project's and of Perl's headers among them.
sub included_of_ours {
    my ($path) = @_;
    return grep { /$of_core|$of_perl|\Aopenssl_glue\.h\z/ || $of_glue{$_} } included($path);
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

sub offered_by {
    my ($object) = @_;
    return map { / [TDRB] _?(\w+)$/ ? $1 : () } qx{nm "$object"};
}

# Every C file, compiled: name => { layer, log, wanted, offered }.
sub compiled {
    my $cc = $ENV{CC} || $Config{cc};
    return if system("$cc --version >/dev/null 2>&1") || system('nm --version >/dev/null 2>&1');
    require ExtUtils::Embed;
    my $perl = ExtUtils::Embed::ccopts();
    chomp $perl;
    $perl =~ s/-I(\S*CORE)/-isystem $1/;    # its headers are not ours to mend
    chomp(my $openssl = qx{pkg-config --cflags openssl 2>/dev/null});
    my %flags = (
        core => "-std=c99 $openssl",
        glue => "$perl -I$root/xs",
        tls  => "$perl $openssl -I$root/xs -I$root/xs/openssl",
    );
    my %object;
    for my $layer (sort keys %flags) {
        for my $source (grep { /\.c\z/ } @{ $files{$layer} }) {
            my $name = basename $source, '.c';
            my $made = "$dir/$layer-$name.o";
            system "$cc $flags{$layer} -I$root/csrc -O1 -Wall -Wextra -Wshadow"
                . " -c -o '$made' '$source' 2>'$dir/log'";
            $object{"$layer/$name"} = {
                layer   => $layer,
                log     => slurp("$dir/log"),
                wanted  => [ wanted_by($made) ],
                offered => [ offered_by($made) ],
            };
        }
    }
    return \%object;
}

# The files that stand in circles. A run of a message is one noun in three files.
sub circles {
    my ($all) = @_;
    my $one = sub { my $name = shift; $name =~ s{\A(core/nsx_message)_\w+\z}{$1}; $name };
    my %uses;
    for my $name (keys %$all) {
        $uses{ $one->($name) }{$_} = 1
            for grep { $_ ne $one->($name) } map { $one->($_) } @{ $all->{$name} };
    }
    # What uses nothing that is left, or is used by nothing, is taken away.
    while (1) {
        my %used = map { $_ => 1 } map { keys %$_ } values %uses;
        my @ends = grep {
            my $name = $_;
            !$used{$name} || !grep { $uses{$_} } keys %{ $uses{$name} }
        } keys %uses;
        last if !@ends;
        delete @uses{@ends};
    }
    return sort keys %uses;
}

my $object = compiled();

for my $layer (sort keys %files) {
    ok(@{ $files{$layer} } > 2, "files of $layer are where they are looked for");
}

for my $layer (sort keys %may_include) {
    subtest "$layer includes nothing of a layer above" => sub {
        for my $file (@{ $files{$layer} }) {
            my @bad = grep { !$may_include{$layer}->() } included_of_ours($file);
            is("@bad", '', basename $file);
        }
    };
}

subtest 'OpenSSL headers only in the TLS and digest files' => sub {
    my $users = 0;
    for my $file (map {@$_} values %files) {
        my @headers = grep { m{\Aopenssl/} } included($file);
        if (basename($file) =~ $openssl_file) {
            $users += @headers > 0;
            next;
        }
        is("@headers", '', basename $file);
    }
    ok($users, 'and there they are');
};

subtest 'nobody beyond the fence sees into an object' => sub {
    for my $file (@{ $files{tls} }, grep { !/SMTP\.xs\z/ } @{ $files{xsub} }) {
        my @bad = without_comments(slurp($file)) =~ /(\bobj\s*->\s*\w+)/g;
        is("@bad", '', basename $file);
    }
    my %seen;
    my @next = "$root/xs/openssl/openssl_glue.h";
    while (defined(my $file = shift @next)) {
        next if $seen{ basename $file }++;
        push @next, grep {-f} map {"$root/xs/$_"} included($file);
    }
    ok($seen{'api.h'} && !$seen{'glue.h'}, 'nor is its structure included');
};

subtest 'names of hash keys in one file of the glue' => sub {
    my %in;
    for my $file (map {@$_} @files{qw(glue tls xsub)}) {
        (my $name = basename $file) =~ s/\.[ch]\z//;
        $in{$name} = 1 if without_comments(slurp($file)) =~ /$hash_key/;
    }
    is(join(' ', sort keys %in), 'keys', 'only xs/keys.c or xs/keys.h');
};

subtest 'sizes' => sub {
    for my $file (@{ $files{glue} }, @{ $files{tls} }, grep { /xsi\z/ } @{ $files{xsub} }) {
        my $lines = () = slurp($file) =~ /\n/g;
        cmp_ok($lines, '<=', MOST_LINES, basename($file) . ' is short');
    }
    for my $file (@{ $files{xsub} }) {
        my ($xs) = slurp($file) =~ /(^MODULE\b.*)/ms;
        my @long = grep { (() = /\n/g) > XSUB_LINES } split /\n\n+/, defined $xs ? $xs : slurp($file);
        is(join('', map { (split /\n/)[1] . ' ' } @long), '', basename($file) . ': XSUBs are a screen');
    }
};

subtest 'one wait: what waits for a descriptor is called in one file' => sub {
    for my $file (map { @{ $files{$_} } } qw(glue tls xsub)) {
        my $name  = basename $file;
        my $waits = without_comments(slurp($file)) =~ /\bnsx_io_wait/;
        is($waits ? 1 : 0, $name eq 'quiet.c' ? 1 : 0, $name);
    }
};

subtest 'SMTP.xs speaks no protocol' => sub {
    my $text = without_comments(slurp("$root/SMTP.xs"));
    my @calls = $text =~ /\b(nsx_(?:channel|io|reply|session|dot|ehlo|sasl|tls)_\w+)\s*\(/g;
    is("@calls", '', 'it calls none of the engine that does');
};

subtest 'system calls on sockets only in nsx_io.c' => sub {
    plan skip_all => 'no compiler, or no nm' if !$object;
    for my $name (sort keys %$object) {
        my @calls = grep { /$socket_call/ } @{ $object->{$name}{wanted} };
        is("@calls", '', $name) if $name ne 'core/nsx_io';
        ok(4 == grep({/\A(?:recv|send|poll|connect)\z/} @calls), "$name does make them")
            if $name eq 'core/nsx_io';
    }
};

subtest 'no warnings' => sub {
    plan skip_all => 'no compiler, or no nm' if !$object;
    is($object->{$_}{log}, '', $_) for sort keys %$object;
};

subtest 'what is linked, and circles' => sub {
    plan skip_all => 'no compiler, or no nm' if !$object;
    my (%owner, %uses);
    for my $name (sort keys %$object) {
        $owner{$_} = $name for @{ $object->{$name}{offered} };
    }
    for my $name (keys %$object) {
        my %files = map { $_ => 1 } grep { defined && $_ ne $name }
            @owner{ @{ $object->{$name}{wanted} } };
        $uses{$name} = [ sort keys %files ];
    }
    my %may_use = (
        core => sub {m{\Acore/}},
        glue => sub { m{\Aglue/} || m{\Acore/(.*)} && $1 !~ $tls_core },
        tls  => sub {m{\A(?:tls|core)/}},
    );
    for my $name (sort keys %uses) {
        my ($layer) = $name =~ m{\A(\w+)/};
        my @bad = grep { !$may_use{$layer}->() } @{ $uses{$name} };
        is("@bad", '', "$name uses what it may");
    }
    is(join(' ', circles(\%uses)), '', 'no circle among them');
};

done_testing();
