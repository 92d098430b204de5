# Servers that are broken or hostile: every call ends within its Timeout, in
# bounded memory, and says what happened.
use strict;
use warnings;
use lib 't/lib';

use Net::SMTP::XS;
use Socket;
use Test::More;
use Time::HiRes qw(time);
use NSX::Test::Attack;

use constant TIMEOUT => 0.25;
use constant SLACK   => 1.5;     # for a busy machine
use constant MEMORY  => 24_000;  # kB a reply may cost

my $slow = $ENV{NSX_TEST_SLOW} || 1;

sub memory {
    open my $in, '<', '/proc/self/status' or return 0;
    my ($size) = join('', <$in>) =~ /^VmRSS:\s+(\d+)/m;
    return $size || 0;
}

# Ends within the Timeout, not true, with a status of the object's own.
sub fails_in_time {
    my ($t, $s, $call) = @_;
    my $before = memory();
    my $from   = time;
    $@ = "";
    my $ok     = $call->($s);
    my $took   = time - $from;
    $t->ok(!$ok, 'it succeeded');
    $t->ok($took < TIMEOUT + SLACK * $slow, "it took $took s");
    $t->ok(memory() - $before < MEMORY, 'memory: ' . (memory() - $before) . ' kB') if $slow == 1;
    $t->ok($s->code >= 400, 'code ' . $s->code);
    $t->ok(length $s->message || $@, 'no word of why');
    return;
}

my %answer = (
    'silence'                => [ [ delay => 2 ] ],
    'half a line'            => [ [ send => '250 o' ], [ delay => 2 ] ],
    'half a reply'           => [ [ send => "250-one\r\n250-two\r\n" ], [ delay => 2 ] ],
    'drops of a line'        => [ [ drip => 'x', 0.02, 60 ] ],
    'drops of a reply'       => [ [ drip => "250-x\r\n", 0.02, 60 ] ],
    'the end of file'        => [ ['close'] ],
    'half a line, then the end' => [ [ send => '250 o' ], ['close'] ],
    'half a reply, then the end' => [ [ send => "250-one\r\n250-" ], ['close'] ],
    'a reset'                => [ ['reset'] ],
    'binary garbage'         => [ [ send => join '', map { chr($_ * 37 % 256) } 1 .. 5000 ], ['close'] ],
    'NULs'                   => [ [ send => "\0" x 100_000 ], [ delay => 2 ] ],
    'a line of 64 KB'        => [ [ send => '250 ' . 'x' x 66_000 . "\r\n" ], [ delay => 2 ] ],
    'a line without end'     => [ sub { my $c = shift; $c->send('x' x 100_000) for 1 .. 300; $c->delay(2) } ],
    'continuation without end' => [ sub { my $c = shift; $c->send("250-x\r\n" x 20_000) for 1 .. 60; $c->delay(2) } ],
    'empty lines without end'  => [ [ send => "250-\r\n" x 300_000 ], [ delay => 2 ] ],
    'bare line feeds'        => [ [ send => "\n" x 1000 ], [ delay => 2 ] ],
    'a refusal'              => [ '550 no' ],
    'codes in other digits'  => [ [ send => "\xd9\xa2\xd9\xa5\xd9\xa0 ok\r\n" ], [ delay => 2 ] ],
    'a code alone'           => [ [ send => "25\r\n" ], [ delay => 2 ] ],
    'a sign'                 => [ [ send => "-250 ok\r\n" ], [ delay => 2 ] ],
);
my %call = (
    command => sub { $_[0]->mail('a@test') },
    getline => sub { my $l = $_[0]->getline; $l = $_[0]->getline while defined $l; $l },
);

for my $answer (sort keys %answer) {
    attack "$answer in reply to a command", sub {
        my $t = shift;
        my $s = $t->connect(Timeout => 5 * $slow);
        $s->timeout(TIMEOUT);
        fails_in_time($t, $s, $call{command});
        my $from = time;
        $s->$_ for qw(reset quit);
        $t->ok(time - $from < 2 * TIMEOUT + SLACK * $slow, 'what follows is slow');
    }, script => dialogue(qr/^MAIL/, @{ $answer{$answer} });
    next if $answer eq 'a refusal';
    attack "$answer for a greeting", sub {
        my $t = shift;
        my $from = time;
        my $s = Net::SMTP::XS->new($t->server->host, Port => $t->port, Timeout => TIMEOUT);
        $t->ok(!$s, 'a session');
        $t->ok(time - $from < TIMEOUT + SLACK * $slow, 'slow: ' . (time - $from));
        $t->ok($@, 'no reason');
    }, script => $answer{$answer};
    attack "$answer in answer to DATA's end", sub {
        my $t = shift;
        my $s = $t->connect;
        $s->mail('a') && $s->to('b') && $s->data && $s->datasend("text\n") or die 'envelope';
        $s->timeout(TIMEOUT);
        fails_in_time($t, $s, sub { $_[0]->dataend });
    }, script => dialogue(qr/^MAIL/, '250 ok', qr/^RCPT/, '250 ok', qr/^DATA/, '354 go on',
        ['body'], @{ $answer{$answer} });
}

# What came before the end still counts; a reply more than asked for answers
# nothing, once the session is closed.
my $session = "220 hi\r\n250-mx\r\n250 SIZE\r\n250 sender\r\n550 no\r\n354 go\r\n250 queued\r\n";
for my $cut (grep { $_ % 3 == 0 || substr($session, $_ - 2, 2) eq "\r\n" } 1 .. length $session) {
    attack "a session that ends after $cut octets", sub {
        my $t = shift;
        my $s = Net::SMTP::XS->new($t->server->host, Port => $t->port, Timeout => 3 * $slow);
        my $text = substr $session, 0, $cut;
        my $replies = () = $text =~ /^\d\d\d [^\n]*\n/mg;
        $t->ok(!$s == ($replies < 2), "a session with $replies replies");
        return if !$s;
        $t->ok(!$s->mail('a') == ($replies < 3), 'mail');
        $t->ok(!$s->to('b'), 'to');
        my $data = $s->data("text\n");
        $t->ok(!$data == ($replies < 6), 'data');
        $s->quit;
    }, script => [ sub { my $c = shift; $c->send(substr $session, 0, $cut); $c->shut } ];
}

attack 'a reply too many is not read for another command after a close', sub {
    my $t = shift;
    my ($s, $peer) = $t->wired('250 one', '250 two', '250 three');
    $s->command('A')->response;
    close $s;
    my $n = fileno $peer;
    socketpair $s, my $other, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
    syswrite $other, "550 other\r\n";
    $t->is($s->command('B')->response, 5, 'the status');
    $t->is($s->message, "other\n", 'the message');
};

attack 'a refusal that came before the connection broke is told', sub {
    my $t = shift;
    my $s = $t->connect;
    setsockopt $s, SOL_SOCKET, SO_SNDBUF, pack 'i', SNDBUF;
    $s->mail('a') && $s->to('b') && $s->data or die 'envelope';
    my $ok = 1;
    for (1 .. 400) { $ok = $s->datasend('x' x 60 . "\n" x 200) or last }
    $t->ok(!$ok, 'all was sent');
    $t->is($s->code, 552, 'the code');
    $t->ok(!$s->dataend, 'dataend is true');
}, script => dialogue(qr/^MAIL/, '250 ok', qr/^RCPT/, '250 ok', qr/^DATA/, '354 go on',
    [ octets => 5000 ], '552 too much', [ delay => 0.05 ], ['reset']), rcvbuf => SNDBUF;

attack 'writing to a connection that was reset raises no SIGPIPE', sub {
    my $t = shift;
    my $s = $t->connect;
    $SIG{PIPE} = 'DEFAULT';
    select undef, undef, undef, 0.1;
    $s->command('NOOP') for 1 .. 3;
    $t->ok(!$s->mail('a'), 'mail');
    $t->ok(!$s->datasend("x\n" x 1000), 'datasend');
    $t->ok(!$s->rawdatasend("x\n"), 'rawdatasend');
    $s->quit;
}, script => dialogue(['reset']);

for my $timeout (0, undef, '', '0', '0.2', 0.2, '2e-1', 'abc', -1, '0 but true', 1e308, 9**9**9, -sin(9**9**9)) {
    my $limited = defined $timeout && $timeout =~ /^(?:0\.2|2e-1)$/;
    attack 'Timeout ' . (defined $timeout ? "'$timeout'" : 'undef'), sub {
        my $t = shift;
        local $SIG{__WARN__} = sub { };
        my $s = $t->connect;
        $s->timeout($timeout);
        my $from = time;
        my $ok   = $s->mail('a');
        $t->ok($limited ? !$ok && time - $from < 0.2 + SLACK * $slow : $ok, 'after ' . (time - $from));
    }, script => dialogue(qr/^MAIL/, [ delay => $limited ? 2 : 0.3 ], '250 ok');
}

# What a server says of AUTH is looked through once, however often it says it.
attack 'AUTH a thousand times over', sub {
    my $t = shift;
    my $s = $t->connect(SendHello => 0);
    my $from = time;
    $t->ok($s->hello('x'), 'hello');
    $t->ok(time - $from < SLACK * $slow, 'after ' . (time - $from));
    my @offered = split ' ', $s->supports('AUTH');
    $t->ok(@offered < 100, scalar(@offered) . ' mechanisms');
    $t->is($offered[0], 'M0', 'the first');
}, script => [
    '220 mx.test ready', qr/^EHLO /, '250-mx.test',
    (map { my $n = $_; '250-AUTH ' . join ' ', map { sprintf 'M%x', 1200 * $n + $_ } 0 .. 1199 } 0 .. 125),
    '250 AUTH=LOGIN',
];

# A stalled reader takes no more than the Timeout, however small the steps.
attack 'a reader that takes nothing', sub {
    my $t = shift;
    my $s = $t->connect;
    setsockopt $s, SOL_SOCKET, SO_SNDBUF, pack 'i', SNDBUF;
    $s->mail('a') && $s->to('b') && $s->data or die 'envelope';
    $s->timeout(TIMEOUT);
    my $from = time;
    $t->ok(!$s->datasend('x' x 3e6), 'it was sent');
    $t->ok(time - $from < TIMEOUT + SLACK * $slow, 'after ' . (time - $from));
    $t->ok(!$s->dataend, 'dataend');
    $t->ok(time - $from < TIMEOUT + SLACK * $slow, 'after ' . (time - $from));
}, script => dialogue(qr/^MAIL/, '250 ok', qr/^RCPT/, '250 ok', qr/^DATA/, '354 go on',
    [ stall => 1 ]), rcvbuf => SNDBUF, after => sub {
    my ($t, $log) = @_;
    $t->ok($log->{connections}[0]{in} !~ /\r\n\.\r\n/, 'a truncated message');
};

finished();
