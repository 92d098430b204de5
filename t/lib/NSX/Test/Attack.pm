package NSX::Test::Attack;

# Hostile pieces of code, a few at a time, each in a process of its own, so that
# a crash or a hang is one failed test.
#
#   attack 'name', sub { my $t = shift; ... }, server arguments;
#   finished();          settle() awaits those under way
#
# Server arguments are those of NSX::Test::Server (smtp => {}, connections =>
# [...]), or script => [steps] for one connection; without any there is none.
# after => sub { my ($t, $log) = @_; ... } checks in the server's transcript.
# limit => SECS until the process counts as hanging (10).
#
# NSX_ATTACK_ONLY  a pattern: only these attacks
#
# $t->connect(ARGS)   a connected object (Timeout 5); class => CLASS
# $t->ok(TRUTH, WHAT), $t->is(GOT, WANTED, WHAT)   say WHAT is wrong
# $t->soon(SECS, sub) runs the code as SIGALRM's handler that much later
# $t->wired(REPLY...)  an object on one end of a pair of sockets, and the other
#                      end, which has said all these lines already
# $t->heard(PEER)      what the object sent there
# $t->server, $t->port

use strict;
use warnings;

use IO::Handle;
use Socket;
use Test::More ();
use Time::HiRes ();

use NSX::Test::Runner;
use NSX::Test::Server;

our @EXPORT = qw(attack finished dialogue stalled wire_body SNDBUF);
use Exporter 'import';

use constant LIMIT   => 10;
use constant AT_ONCE => 6;
use constant SNDBUF  => 32_768;

# Sanitizers and checkers take their time.
my $patience = $ENV{NSX_TEST_SLOW} || 1;

my @running;

sub attack {
    my ($name, $code, %arg) = @_;
    return if defined $ENV{NSX_ATTACK_ONLY} && $name !~ /$ENV{NSX_ATTACK_ONLY}/;
    my %run = (name => $name, after => delete $arg{after});
    my $script = delete $arg{script};
    my $limit = (delete $arg{limit} || LIMIT) * $patience;
    $arg{connections} = [$script] if $script;
    _await(shift @running) if @running == AT_ONCE;
    my $server = $run{server} =
        %arg ? NSX::Test::Server->start(limit => $limit + 5, %arg) : undef;
    open $run{said}, '+>', undef or die "temporary file: $!";
    $run{process} = NSX::Test::Runner->start(
        sub { _attacker($code, $server, $run{said}) },
        limit  => $limit,
        forget => [ $server, map { $_->{server} } @running ]
    );
    push @running, \%run;
    return;
}

# The attacks under way are awaited; finished: and there are no more.
sub settle {
    _await(shift @running) while @running;
    return;
}

sub finished {
    settle();
    Test::More::done_testing();
    return;
}

sub _await {
    my $run = shift;
    my @wrong = _seen_wrong($run);
    if ($run->{server}) {
        my $log = $run->{server}->finish;
        my $t = bless { wrong => \@wrong }, __PACKAGE__;
        $run->{after}->($t, $log) if $run->{after};
    }
    local $Test::Builder::Level = $Test::Builder::Level + 2;
    Test::More::ok(!@wrong, $run->{name});
    Test::More::diag("  $_") for @wrong;
    return;
}

# Ends as a script does: objects destroyed, END blocks run.
sub _attacker {
    my ($code, $server, $to) = @_;
    my $t = bless { server => $server, to => $to, pid => $$ }, __PACKAGE__;
    @running = ();
    Test::More->builder->no_ending(1);
    Test::More->builder->output(\my $nowhere);
    local $SIG{__WARN__} = sub { $t->{warned} .= $_[0] };
    my $done = eval { $code->($t); 1 };
    $t->ok(0, "died: $@") unless $done;
    $t->_say('end');
    exit 0;
}

# What it says is what is wrong; the last word is "end".
sub _seen_wrong {
    my $run = shift;
    NSX::Test::Runner->over($run->{process});
    seek $run->{said}, 0, 0;
    chomp(my @said = readline $run->{said});
    my $end = $run->{process}->end;
    my @wrong = ((grep { $_ ne 'end' } @said), length $end ? $end : ());
    push @wrong, 'left before its end' if @said == @wrong && !@wrong;
    return @wrong;
}

sub _say {
    my ($t, $text) = @_;
    $text =~ s/\s*\n\s*/ | /g;
    syswrite $t->{to}, "$text\n";
    return;
}

sub server { return $_[0]{server} }
sub port   { return $_[0]{server}->port }
sub warned { return delete $_[0]{warned} }

sub connect {
    my ($t, %arg) = @_;
    require Net::SMTP::XS;
    my $class = delete $arg{class} || 'Net::SMTP::XS';
    my $s = $class->new($t->server->host, Port => $t->port, Timeout => 5 * $patience, %arg)
        or die "no connection: $@";
    return $s;
}

sub wired {
    my ($t, @replies) = @_;
    require Net::SMTP::XS;
    socketpair my $s, my $peer, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    syswrite $peer, join '', map {"$_\r\n"} @replies;
    bless $s, 'Net::SMTP::XS';
    ${*$s}{io_socket_timeout} = 5 * $patience;
    return ($s, $peer);
}

sub heard {
    my ($t, $peer) = @_;
    $peer->blocking(0);
    my $octets = '';
    1 while sysread $peer, $octets, 65536, length $octets;
    return $octets;
}

sub ok {
    my ($t, $truth, $what) = @_;
    return 1 if $truth;
    if   ($t->{to}) { $t->_say($what) }
    else            { push @{ $t->{wrong} }, $what }
    return 0;
}

sub is {
    my ($t, $got, $wanted, $what) = @_;
    return 1 if defined $got ? defined $wanted && $got eq $wanted : !defined $wanted;
    return $t->ok(0, "$what: " . _show($got) . ', not ' . _show($wanted));
}

sub _show {
    my $text = shift;
    return 'undef' if !defined $text;
    my $length = length $text;
    $text =~ s/([^ -~])/sprintf '\x{%x}', ord $1/ge;
    return $length > 200 ? substr($text, 0, 200) . "... ($length)" : "'$text'";
}

sub soon {
    my ($t, $secs, $code) = @_;
    $SIG{ALRM} = $code;
    Time::HiRes::ualarm($secs * 1e6);
    return;
}

# A connection that greets, takes EHLO, and goes on with these steps.
sub dialogue {
    return [ '220 mx.test ready', qr/^EHLO /, '250-mx.test', '250-CHUNKING',
        '250-BINARYMIME', '250 8BITMIME', @_ ];
}

# The same up to DATA's 354, whose body is read only after a while.
sub stalled {
    my ($secs, @steps) = @_;
    return dialogue(
        qr/^MAIL/, '250 ok', qr/^RCPT/, '250 ok', qr/^DATA/, '354 go on', [ stall => $secs ],
        ['body'], '250 queued', @steps
    );
}

# A body as it goes over the wire, its end included; plain code to compare with.
sub wire_body {
    my $text = join '', @_;
    utf8::downgrade($text);
    $text =~ s/(?<!\015)\012/\015\012/g;
    $text =~ s/^\./../;
    $text =~ s/\012\./\012../g;
    $text .= "\015\012" if length $text && $text !~ /\015\012\z/;
    return "$text.\015\012";
}

1;
