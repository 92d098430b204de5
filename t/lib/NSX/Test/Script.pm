package NSX::Test::Script;

# The same little program run with the core Net::SMTP and with ours in its
# place, each in a perl of its own, and what they did compared: what was
# printed, how it ended, and the octets the server got.
#
#   use NSX::Test::Script;
#   scripts(
#       {   name => 'ref and isa',
#           code => q{ use Net::SMTP; my $s = Net::SMTP->new($host, Port => $port); out(ref $s) },
#           says => qr/^Net::SMTP$/m,
#       },
#   );
#
# The code has strict, warnings, $host, $port, $ENV{NSX_STOCK} (true with stock), out(LIST), which prints a line, and
# parts($scalar), which is a deep copy as text. An entry:
#   name, code
#   smtp, ehlo, replies, script, scripts, server   the server, as in NSX::Test::Oracle; smtp => {} otherwise
#   as        the ways ours is run: 'replace' (the default): -MNet::SMTP::XS=:replace
#             'after': the core module is loaded first; 'env': PERL5OPT; 'use': a line
#             at the top of the script; 'plain': as it stands; 'direct': each Net::SMTP in the script
#             reads Net::SMTP::XS, each Net::Cmd Net::SMTP::XS::Cmd
#   stock     0: ours alone, and only says counts
#   switches  further switches of perl
#   tls       1: IO::Socket::SSL can be loaded, where it is installed. Stock does that
#             first of all, and it takes longer than the rest of the program
#   says      a pattern, or a list of them, for what is printed (by stock, too)
#   wire      0: the octets on the wire are not compared
#   differs   { stock => PATTERN, ours => PATTERN } instead of equal output
#   skip      a reason, or false
#
# NSX_SCRIPT_ONLY  a pattern: only these
# NSX_SCRIPT_SHOW  1: what was printed, even when all is well

use strict;
use warnings;

use File::Path ();
use File::Spec ();
use File::Temp ();
use POSIX ();
use Test::More;

use NSX::Test::Runner;
use NSX::Test::Server;

our @EXPORT = qw(scripts without);
use Exporter 'import';

use constant LIMIT => 180;             # seconds for one program
use constant AT_A_TIME => 3;           # entries
use constant OLDEST_COMPARED => 3.08;

my $prelude = <<'PERL';
use strict; use warnings; no warnings 'once';
our ($host, $port) = map { /(.*)/ } @ARGV; $| = 1;
sub out { print join(' ', map { defined $_ ? $_ : 'undef' } @_), "\n" }
sub parts { require Data::Dumper; no warnings 'once'; local $Data::Dumper::Indent = 0; local $Data::Dumper::Terse = 1;
    local $Data::Dumper::Sortkeys = 1; local $Data::Dumper::Useqq = 1; return Data::Dumper::Dumper($_[0]) }
PERL

my $dir = File::Temp->newdir;
my $count = 0;

# The reason why a test needs a module this perl has not, or nothing.
sub without {
    for my $module (@_) {
        (my $file = "$module.pm") =~ s{::}{/}g;
        return "$module is not here" if !eval { require $file; 1 };
    }
    return;
}

sub scripts {
    my @entries = @_;
    if (defined(my $only = $ENV{NSX_SCRIPT_ONLY})) {
        @entries = grep { $_->{name} =~ /$only/ } @entries;
    }
    my $reason = _too_old();
    plan skip_all => $reason if $reason;
    plan tests => scalar @entries;
    while (my @some = splice @entries, 0, AT_A_TIME) {
        my @runs = map { $_->{skip} ? {} : _start_all($_) } @some;
        my @left = map { $_->{process} } map { values %$_ } @runs;
        while (@left) {
            my %over = map { $_ => 1 } NSX::Test::Runner->over(@left);
            @left = grep { !$over{$_} } @left;
        }
        _judge($some[$_], $runs[$_]) for 0 .. $#some;
    }
    return;
}

sub _too_old {
    my $lib = _no_tls();
    my $version = `"$^X" "-I$lib" -MNet::SMTP -e "print Net::SMTP->VERSION"`;
    return 'the core Net::SMTP is not here' if $?;
    return $version < OLDEST_COMPARED ? "the core Net::SMTP is an old one, $version" : undef;
}

# A directory where IO::Socket::SSL is not.
sub _no_tls {
    my $lib = "$dir/no-tls";
    return $lib if -d $lib;
    File::Path::mkpath("$lib/IO/Socket");
    open my $out, '>', "$lib/IO/Socket/SSL.pm" or die "$lib: $!";
    print {$out} "die qq{IO::Socket::SSL is kept away\\n};\n";
    close $out or die "$lib: $!";
    return $lib;
}

sub _start_all {
    my $entry = shift;
    my @ways = ref $entry->{as} ? @{ $entry->{as} } : $entry->{as} || 'replace';
    push @ways, 'stock' if _compared($entry);
    return { map { $_ => _start($entry, $_) } @ways };
}

sub _compared { my $entry = shift; return !exists $entry->{stock} || $entry->{stock} }

sub _judge {
    my ($entry, $runs) = @_;
SKIP: {
        skip "$entry->{name}: $entry->{skip}", 1 if $entry->{skip};
        _compare($entry, map { $_ => _result($entry, $runs->{$_}) } keys %$runs);
    }
    return;
}

sub _compare {
    my ($entry, %saw) = @_;
    my $compared = _compared($entry);
    my @wrong;
    for my $way (sort keys %saw) {
        push @wrong, _said_wrong($entry, $way, $saw{$way});
        push @wrong, "with $way, not as with stock"
            if $compared && !$entry->{differs} && $saw{$way} ne $saw{stock};
    }
    ok !@wrong, $entry->{name};
    my @shown = @wrong;
    push @shown, map {"---- $_\n$saw{$_}"} sort keys %saw if @wrong or $ENV{NSX_SCRIPT_SHOW};
    diag join "\n", @shown if @shown;
    return;
}

sub _said_wrong {
    my ($entry, $way, $saw) = @_;
    my $says = $entry->{says};
    if ($entry->{differs}) {
        $says = $entry->{differs}{ $way eq 'stock' ? 'stock' : 'ours' };
    }
    my @wrong = map {"with $way, not said: $_"}
        grep { $saw !~ $_ } ref $says eq 'ARRAY' ? @$says : defined $says ? $says : ();
    push @wrong, "with $way, nothing said" if $saw !~ /\A(?!==)./;
    push @wrong, "with $way, the end was not good"
        if $saw !~ /^== end 0$/m && !$entry->{differs};
    return @wrong;
}

# ---- one run

sub _start {
    my ($entry, $way) = @_;
    my $stem = "$dir/" . $count++;
    my $server = NSX::Test::Server->start_for($entry, LIMIT + 5);
    my $code = $entry->{code};
    if ($way eq 'direct') {
        $code =~ s/\bNet::Cmd\b/Net::SMTP::XS::Cmd/g;
        $code =~ s/\bNet::SMTP\b(?!::XS\b)/Net::SMTP::XS/g;
    }
    $code = "use Net::SMTP::XS ':replace';\n$code" if $way eq 'use';
    open my $fh, '>', "$stem.pl" or die "$stem.pl: $!";
    print {$fh} "$prelude#line 1 \"script\"\n$code";
    close $fh or die "$stem.pl: $!";

    my @switches = @{ $entry->{switches} || [] };
    unshift @switches, '-MNet::SMTP::XS=:replace' if $way eq 'replace';
    unshift @switches, '-MNet::SMTP', '-MNet::SMTP::XS=:replace' if $way eq 'after';
    my $process = NSX::Test::Runner->start(sub {
        $ENV{PERL5OPT} = '-MNet::SMTP::XS=:replace' if $way eq 'env';
        local $ENV{NSX_STOCK} = $way eq 'stock';
        delete $ENV{PERL5OPT} if ($ENV{PERL5OPT} || '') =~ /Net::SMTP::XS/ && $way ne 'env';
        open STDIN, '<', File::Spec->devnull;
        open STDOUT, '>', "$stem.out" or die "$stem.out: $!";
        open STDERR, '>&STDOUT' or die "dup: $!";
        exec $^X, (map {"-I$_"} $entry->{tls} ? () : _no_tls(), _includes()), @switches, "$stem.pl", $server->host, $server->port
            or POSIX::_exit(127);
    }, limit => LIMIT, forget => [$server]);
    return { process => $process, server => $server, out => "$stem.out", way => $way, file => "$stem.pl" };
}

sub _includes {
    return grep { -e "$_/Net/SMTP/XS.pm" or -d "$_/auto/Net/SMTP/XS" }
        map { File::Spec->rel2abs($_) } grep { !ref } @INC;
}

sub _result {
    my ($entry, $run) = @_;
    my $log = $run->{server}->finish;
    open my $fh, '<', $run->{out} or die "$run->{out}: $!";
    my $text = do { local $/; <$fh> };
    $text = _normal($run, defined $text ? $text : '');
    $text .= "\n" if length $text && $text !~ /\n\z/;
    $text .= '== end ' . ($run->{process}->end || 0) . "\n";
    return $text if exists $entry->{wire} && !$entry->{wire};
    return $text . join '', map { "== connection\n" . _shown($_->{in}) } @{ $log->{connections} };
}

sub _normal {
    my ($run, $text) = @_;
    my $port = $run->{server}->port;
    if ($run->{way} eq 'direct') {
        $text =~ s/\bNet::SMTP::XS::Cmd\b/Net::Cmd/g;
        $text =~ s/\bNet::SMTP::XS\b/Net::SMTP/g;
    }
    $text =~ s/\b$port\b/PORT/g;
    $text =~ s/\bNet::(SMTP|Cmd)\(\d+\.\d+\)/Net::$1(VERSION)/g;
    $text =~ s/\(0x[0-9a-f]+\)/(ADDRESS)/g;
    $text =~ s{at \S*\bNet/(?:SMTP|Cmd)(?:/XS\S*)?\.pm line \d+}{at MODULE line N}g;
    return $text;
}

sub _shown {
    my $octets = shift;
    $octets =~ s/([^\n\x20-\x7e])/sprintf '\x%02x', ord $1/ge;
    return $octets;
}

1;
