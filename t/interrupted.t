# Code that dies or gives commands while a method is at work: tied STDERR,
# overridden methods, signal handlers. No part of a message passes for the whole,
# no reply answers another command, and one that was taken is not waited for.
use strict;
use warnings;
use lib 't/lib';

use Net::SMTP::XS;
use Socket;
use Test::More;
use Time::HiRes ();

# An object on one end of a pair of sockets; the other end has said all this.
sub wired {
    my ($class, @replies) = @_;
    socketpair my $s, my $peer, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    syswrite $peer, join '', map {"$_\r\n"} @replies;
    bless $s, $class;
    ${*$s}{io_socket_timeout} = 10;
    return ($s, $peer);
}

sub heard {
    my $peer = shift;
    $peer->blocking(0);
    my $octets = '';
    1 while sysread $peer, $octets, 65536, length $octets;
    return $octets;
}

sub dies(&) { my $code = shift; return eval { $code->(); 1 } ? '' : $@ }

$SIG{__WARN__} = sub { };    # Debug's

our ($at, $deed) = ('');    # what to do when that is printed or called

sub reached {
    my ($what, @args) = @_;
    return if !length $at || $what !~ $at;
    $at = '';
    return $deed->(@args);
}

{
    package Printed;
    sub TIEHANDLE { return bless [], shift }
    sub PRINT { my $self = shift; main::reached(join '', @_); return 1 }

    package Watched;
    our @ISA = ('Net::SMTP::XS');
    sub _is_closed { my $s = shift; main::reached('_is_closed', $s); return $s->SUPER::_is_closed }

    package Shown;
    our @ISA = ('Net::SMTP::XS');
    sub debug_print { my ($s, $out, $text) = @_; main::reached($text, $s); return }

    package Reading;
    our @ISA = ('Net::SMTP::XS');
    sub getline {
        my $s    = shift;
        my $line = $s->SUPER::getline;
        main::reached("getline $line", $s);
        return $line;
    }

    package Parsing;
    our @ISA = ('Net::SMTP::XS');
    sub parse_response { my $s = shift; main::reached("parse $_[0]", $s); return $s->SUPER::parse_response(@_) }

    package Status;
    our @ISA = ('Net::SMTP::XS');
    sub set_status { my $s = shift; main::reached('set_status', $s); return $s->SUPER::set_status(@_) }

    package Written;
    our @ISA = ('Net::SMTP::XS');
    sub _syswrite_with_timeout {
        my ($s, $text) = @_;
        my $ok = $s->SUPER::_syswrite_with_timeout($text);
        main::reached("wrote $text", $s);
        return $ok;
    }

    package Tied::Code;
    sub TIESCALAR { my ($class, $value) = @_; return bless [$value], $class }
    sub FETCH { my $self = shift; main::reached('FETCH'); return $self->[0] }
    sub STORE { $_[0][0] = $_[1] }
}

sub debugged { my ($s) = @_; ${*$s}{net_cmd_debug} = 1; return $s }

sub die_at {
    ($at, $deed) = (shift, sub { die "enough\n" });
    return;
}

# Runs with a STDERR whose print does the deed.
sub printing(&) {
    my $code = shift;
    local *STDERR;
    tie *STDERR, 'Printed';
    return $code->();
}

# ---- a die leaves a message in the middle

for my $by ([ 'a tied STDERR', 'Net::SMTP::XS' ], [ 'an overridden debug_print', 'Shown' ]) {
    my ($what, $class) = @$by;
    my ($s, $peer) = wired($class, '354 go', ('250 ok') x 3);
    printing {
        $s->data && $s->datasend("first\n") or die;
        debugged($s);
        die_at(qr/second/);
        is dies { $s->datasend("half\nsecond\n") }, "enough\n", "datasend dies by $what";
        ${*$s}{net_cmd_debug} = 0;
        ok !$s->reset, '... and the next command fails';
    };
    ok !defined fileno $s, '... the session is closed';
    is heard($peer), "DATA\r\nfirst\r\n", '... the message has no end';

    ($s, $peer) = wired($class, ('250 ok') x 3);
    ${*$s}{net_smtp_chunking} = 1;
    printing {
        debugged($s);
        die_at($class eq 'Shown' ? qr/BDAT/ : qr/chunk/);
        is dies { $s->bdatlast("chunk\r\n") }, "enough\n", "bdatlast dies by $what";
        ${*$s}{net_cmd_debug} = 0;
        if ($class eq 'Shown') {    # before anything was written
            ok $s->reset, '... and the session goes on';
            is heard($peer), "RSET\r\n", '... with the next command';
        }
        else {
            ok !$s->reset, '... and the next command fails';
            is heard($peer), "BDAT 7 LAST\r\n", '... and is not taken for the chunk';
        }
    };
}

for my $call (qw(datasend rawdatasend)) {
    my ($s, $peer) = wired('Watched', '354 go', ('250 ok') x 3);
    $s->data && $s->datasend("first\n") or die;
    die_at(qr/_is_closed/);
    is dies { $s->$call("second\n") }, "enough\n", "$call dies in an overridden _is_closed";
    ok !$s->quit, '... and the next command fails';
    is heard($peer), "DATA\r\nfirst\r\n", '... the message has no end';
}

{
    my ($s, $peer) = wired('Written', '354 go', ('250 ok') x 3);
    $s->data && $s->datasend("text\n") or die;
    die_at(qr/wrote \.\r/);
    is dies { $s->dataend }, "enough\n", 'dataend dies behind the end it wrote';
    ok !$s->reset, '... and the next command fails';
    is heard($peer), "DATA\r\ntext\r\n.\r\n", '... the end went once';

    ($s, $peer) = wired('Net::SMTP::XS', '354 go', ('250 ok') x 3);
    $s->data && $s->datasend("text\n") or die;
    printing {
        debugged($s);
        die_at(qr/\.\n/);
        is dies { $s->dataend }, "enough\n", 'dataend dies as its dot is shown';
        ok $s->dataend, '... nothing went, and it may be called again';
    };
    is heard($peer), "DATA\r\ntext\r\n.\r\n", '... the end went once';
}

# ---- a command in the middle of a message

{
    my ($s, $peer) = wired('Shown', '354 go', ('250 ok') x 3);
    $s->data && $s->datasend("first\n") or die;
    debugged($s);
    ($at, $deed) = (qr/second/, sub { shift->reset });
    ok !$s->datasend("second\nVRFY x\n"), 'a command while a part is shown: datasend fails';
    ok !$s->dataend, '... and dataend';
    is heard($peer), "DATA\r\nfirst\r\n", '... and neither goes';
}

{
    # The buffers are full as the end is to be written, and a handler runs then:
    # another process sends the signal until it has.
    my ($s, $peer) = wired('Net::SMTP::XS', '354 go', ('250 ok') x 3);
    ${*$s}{io_socket_timeout} = 120;
    $s->data && $s->datasend("text\n") or die;
    $s->blocking(0);
    1 while syswrite $s, 'x' x 1000;
    1 while syswrite $s, 'x';
    pipe my $told, my $tell or die "pipe: $!";
    my ($inside, $ran) = (0, 0);
    local $SIG{USR1} = sub {
        my ($depth, $frame) = (0, '');
        $frame .= (caller $depth++)[3] while defined caller $depth;
        return if !$inside || $ran || $frame =~ /FETCH/;
        $ran = 1;
        $s->reset;
        syswrite $tell, 'x';
    };
    tie ${*$s}{net_cmd_debug}, 'Tied::Code', 0;    # which dataend looks at
    my $parent = $$;
    my $pid    = fork;
    if (!$pid) {
        require POSIX;
        $SIG{USR1} = 'IGNORE';
        close $tell;
        CORE::close($s);
        vec(my $wait = '', fileno $told, 1) = 1;
        for (1 .. 6000) {
            kill 'USR1', $parent or last;
            select my $now = $wait, undef, undef, 0.01 and last;
        }
        my $octets = '';
        1 while sysread $peer, $octets, 65536, length $octets;
        POSIX::_exit(scalar(() = $octets =~ /\.\r\n/g));
    }
    close $peer;
    ($at, $deed) = (qr/FETCH/, sub { $inside = 1 });
    my $ended = $s->dataend;
    $inside = 0;
    $s->close;
    waitpid $pid, 0;
    ok $ran, 'a command while the end waits for room: it is given';
    ok !$ended, '... dataend fails';
    ok $? >> 8 <= 1, '... the end goes once at most';
}

# ---- a reply that was taken is not owed

for my $by (
    [ 'printed', 'Net::SMTP::XS', qr/one/ ],
    [ 'read by an overridden getline', 'Reading', qr/getline .*one/ ],
    [ 'parsed by an overridden parse_response', 'Parsing', qr/parse .*one/ ],
) {
    my ($what, $class, $where) = @$by;
    my ($s, $peer) = wired($class, '250 one', '550 two', '251 three');
    printing {
        debugged($s) if $what eq 'printed';
        die_at($where);
        is dies { $s->mail('a') }, "enough\n", "dies as a reply is $what";
        ok !$s->to('b'), '... the next command';
        is $s->code, 550, '... has its own reply';
        ok $s->to('c'), '... and so the one after it';
    };
    ok defined fileno $s, '... in the same session';

    ($s, $peer) = wired($class, '250-one', '250 more', '550 two');
    printing {
        debugged($s) if $what eq 'printed';
        die_at($where);
        is dies { $s->mail('a') }, "enough\n", "dies as the first of two lines is $what";
        ok !$s->to('b'), '... the next command';
        is $s->code, 550, '... has its own reply';
    };
}

{
    my ($s, $peer) = wired('Status', '250 one', '550 two');
    die_at(qr/set_status/);
    is dies { $s->mail('a') }, "enough\n", 'dies before the reply is read';
    $s->to('b');
    is $s->code, 550, '... which answers no other command';
}

{
    my ($s, $peer) = wired('Net::SMTP::XS', '354 go', ('250 ok') x 2);
    $s->command('DATA');
    {
        no warnings 'once';
        bless $s, 'Status';
        die_at(qr/set_status/);
        dies { $s->response };
        bless $s, 'Net::SMTP::XS';
    }
    ok !$s->reset, 'a command behind DATA whose reply was not read fails';
    is heard($peer), "DATA\r\n", '... and is not sent as text';
}

# ---- a command is sent, and shown, as it was given

for my $key (qw(net_cmd_code net_cmd_debug net_smtp_debug_secrets)) {
    my ($s, $peer) = wired('Net::SMTP::XS', ('250 ok') x 4);
    $s->response;
    debugged($s);
    tie ${*$s}{$key}, 'Tied::Code', $key eq 'net_cmd_debug' ? 1 : '250';
    my $text = '';
    ($at, $deed) = (qr/FETCH/, sub { $s->command('INNER ' . 'x' x 5000) });
    {
        local *STDERR;
        open STDERR, '>', \$text or die;
        $s->command('OUTER');
    }
    like $text, qr/>>> OUTER\r?\n/, "$key is tied to code that gives a command: what is shown";
    is join('', heard($peer) =~ /^(OUTER\r\n)/mg), "OUTER\r\n", '... and what is sent';
}

# ---- what a terminal would obey

{
    my ($s, $peer) = wired('Net::SMTP::XS', "\e[2J no reply\a");
    debugged($s);
    my $text = '';
    local $SIG{__WARN__} = sub { $text .= $_[0] };
    local *STDERR;
    open STDERR, '>>', \$text or die;
    $s->response;
    like $text, qr/parse error in '\\x1b\[2J no reply\\x07/, 'a line that is no reply is escaped';
    unlike $text, qr/[\x00-\x08\x0b-\x1f]/, '... wherever it is shown';
}

# ---- octets, and how many

for my $bad ("\xc3", "\x80", "abc\xc3", "\xc0\x80", "\xc3\x41") {
    my $text = $bad;
    require Encode;
    Encode::_utf8_on($text);
    my ($s, $peer) = wired('Net::SMTP::XS', ('250 ok') x 3);
    ${*$s}{net_smtp_chunking} = 1;
    no warnings 'utf8';
    like dies { $s->bdatlast($text) }, qr/^Wide character in syswrite/,
        'bdat of malformed ' . unpack 'H*', $bad;
    is heard($peer), '', '... announces nothing';
}

for my $debug (0, 1) {
    my $most = 64 * 1024;
    for my $more (0, 1) {
        my ($s, $peer) = wired('Net::SMTP::XS');
        setsockopt $_, SOL_SOCKET, SO_SNDBUF, pack 'i', 1 << 20 for $peer;
        my $line = '250 ' . 'x' x ($most - 4 + $more);
        my $pid = fork;
        if (!$pid) {
            $peer->blocking(1);
            my $octets = "$line\r\n";
            while (length $octets) { my $n = syswrite $peer, $octets or last; substr $octets, 0, $n, '' }
            require POSIX;
            POSIX::_exit(0);
        }
        close $peer;
        local *STDERR;
        open STDERR, '>', \my $shown or die;
        debugged($s) if $debug;
        is $s->response, $more ? 5 : 2, 'a reply line of ' . ($most + $more) . ($debug ? ', Debug' : '');
        is $s->code, $more ? 421 : 250, '... its code';
        waitpid $pid, 0;
    }
}

{
    my ($s) = wired('Net::SMTP::XS');
    my $line = "250\n\n";
    my @got = $s->parse_response($line);
    is $got[0], 250, 'a code and two line ends';
    is $line, "\n\n", '... both are left';
}

# A file takes all at once: nobody ever waits.
{
    open my $s, '+>', undef or die "temporary file: $!";
    bless $s, 'Net::SMTP::XS';
    my $body = ('x' x 71 . "\n") x 500_000;
    my $died = dies {
        local $SIG{ALRM} = sub { die "enough\n" };
        Time::HiRes::ualarm(1000);
        $s->datasend($body);
    };
    is $died, "enough\n", 'a handler that dies between two blocks of a body';
    cmp_ok -s $s, '<', length $body, '... ends it there';
    ok !$s->datasend("more\n"), '... and nothing goes behind it';
}

done_testing;
