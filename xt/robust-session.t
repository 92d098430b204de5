# Sessions cut anywhere by an alarm; forks; threads; descriptors; the end of the
# program: nothing crashes, no part of a message passes for the whole.
use strict;
use warnings;
use lib 't/lib';

use Config;
use IO::Handle;
use Net::SMTP::XS;
use POSIX ();
use Socket;
use Test::More;
use Time::HiRes qw(time);
use NSX::Test::Attack;

my $slow = $ENV{NSX_TEST_SLOW} || 1;

# ---- an alarm that dies, at many points of a session

my $body = join '', map {"line $_ of the message\n"} 1 .. 12_000;

# A server that takes its time for everything.
sub sluggish {
    return (
        smtp => {
            extensions => ['8BITMIME'],
            on         => { map { $_ => sub { select undef, undef, undef, 0.01; undef } }
                    qw(MAIL RCPT DATA . RSET QUIT) },
        },
        rcvbuf => SNDBUF
    );
}

for my $at (map { 0.006 * $_ } 1 .. 16) {
    attack "an alarm dies after $at s", sub {
        my $t = shift;
        my $s = $t->connect;
        setsockopt $s, SOL_SOCKET, SO_SNDBUF, pack 'i', SNDBUF;
        $t->soon($at, sub { die "alarm\n" });
        my $delivered = eval {
            $s->mail('a@test') && $s->to('b@test') && $s->data($body);
        };
        Time::HiRes::ualarm(0);
        # On with the object, as if nothing had happened.
        if ($s->reset) {
            my $ok = $s->to('early@test');
            $t->ok(!$ok && $s->code == 503, 'RCPT without MAIL was answered by ' . $s->code);
            $t->ok($s->mail('second@test') && $s->to('b@test') && $s->data("second\n"), 'second');
        }
        $s->quit;
    }, sluggish(), after => sub {
        my ($t, $log) = @_;
        for my $message (@{ $log->{messages} }) {
            my $wanted = $message->{from} eq 'second@test' ? "second\r\n" : $body =~ s/\n/\r\n/gr;
            $t->ok($message->{data} eq $wanted, 'cut: ' . length $message->{data});
        }
    };
}

attack 'an alarm dies in the wait for 354, and the body is sent all the same', sub {
    my $t = shift;
    my $s = $t->connect;
    $s->mail('a') && $s->to('b') or die;
    $t->soon(0.03, sub { die "alarm\n" });
    eval { $s->data; 1 } and $t->ok(0, 'no die');
    $t->ok(!$s->datasend("RSET\nVRFY x\n"), 'datasend');
    $t->is($s->code, 451, 'the code of DATA');
    $t->ok($s->to('c'), 'to');
}, script => dialogue(qr/^MAIL/, '250 ok', qr/^RCPT/, '250 ok', qr/^DATA/, [ delay => 0.1 ],
    '451 later', qr/^RCPT/, '250 ok');

attack 'an alarm dies in the wait for the end of data, and dataend is asked again', sub {
    my $t = shift;
    my $s = $t->connect;
    $s->mail('a') && $s->to('b') && $s->data && $s->datasend("x\n") or die;
    $t->soon(0.03, sub { die "alarm\n" });
    eval { $s->dataend; 1 } and $t->ok(0, 'no die');
    $t->ok(!$s->dataend, 'dataend, for a refused message');
    $t->is($s->code, 554, 'the code of the end of data');
    $t->ok($s->reset, 'reset');
}, script => dialogue(qr/^MAIL/, '250 ok', qr/^RCPT/, '250 ok', qr/^DATA/, '354 go',
    ['body'], [ delay => 0.1 ], '554 no', qr/^RSET/, '250 ok');

# ---- forks

attack 'a child that ends says nothing on the session', sub {
    my $t = shift;
    my $s = $t->connect;
    for my $end (sub { exit 0 }, sub { undef $s; exit 0 }, sub { close $s; exit 0 }, sub { exec $^X, '-e', 1 }) {
        my $pid = fork;
        if (!$pid) { close STDERR; $end->() }
        waitpid $pid, 0;
    }
    $t->ok($s->mail('a'), 'mail');
    $t->ok($s->quit, 'quit');
}, smtp => {}, after => sub {
    my ($t, $log) = @_;
    my @quits = $log->{connections}[0]{in} =~ /^QUIT/mg;
    $t->is(scalar @quits, 1, 'QUITs');
};

attack 'a child goes on where its parent stopped', sub {
    my $t = shift;
    my $s = $t->connect;
    $s->mail('a') && $s->to('b') && $s->data or die;
    $s->datasend("parent\n.");
    my $pid = fork;
    if (!$pid) {
        my $ok = $s->datasend("child\n") && $s->dataend && $s->quit;
        POSIX::_exit($ok ? 0 : 1);
    }
    waitpid $pid, 0;
    $t->is($?, 0, 'the child');
}, smtp => {}, after => sub {
    my ($t, $log) = @_;
    $t->is($log->{messages}[0]{data}, "parent\r\n.child\r\n", 'the message');
};

# ---- descriptors

attack 'a descriptor beyond 1024', sub {
    my $t = shift;
    my @fill;
    for (1 .. 1100) { open my $fh, '<', '/dev/null' or last; push @fill, $fh }
    return if @fill < 1030;
    my $s = $t->connect;
    $t->ok(fileno $s > 1024, 'fileno ' . fileno $s);
    $t->ok($s->mail('a') && $s->to('b') && $s->data("x\n"), 'mail');
    $s->quit;
}, smtp => {};

attack 'descriptor 0', sub {
    my $t = shift;
    close STDIN;
    my $s = $t->connect;
    $t->is(fileno $s, 0, 'fileno');
    $t->ok($s->mail('a') && $s->to('b') && $s->data("x\n"), 'mail');
    $s->quit;
}, smtp => {};

attack 'a socket that does not block', sub {
    my $t = shift;
    my $s = $t->connect;
    $s->blocking(0);
    $t->ok($s->mail('a') && $s->to('b') && $s->data('x' x 2_000_000), 'mail');
    $t->ok(!$s->blocking, 'it blocks now');
    $s->quit;
}, smtp => {}, rcvbuf => SNDBUF;

attack 'the descriptor is closed behind perl, and is another file then', sub {
    my $t = shift;
    my ($s, $peer) = $t->wired('250 one', '250 two');
    $s->response;
    my $fd = fileno $s;
    POSIX::close($fd);
    open my $file, '<', $0 or die;
    $t->is(fileno $file, $fd, 'the number');
    $t->ok(($s->command('NOOP')->response || 0) ne '2', 'a response');
    $s->$_ for qw(reset quit);
};

attack 'closed, and connected again', sub {
    my $t = shift;
    my $s = $t->connect;
    for my $turn (1 .. 3) {
        $s->mail("turn$turn") && $s->to('b') && $s->data("turn $turn\n") or $t->ok(0, "turn $turn");
        $s->quit;
        last if $turn == 3;
        $s->configure({ PeerAddr => $t->server->host, PeerPort => $t->port, Proto => 'tcp' })
            or die "configure: $@";
        $t->is($s->response, 2, 'the greeting');
        $s->hello('x');
    }
}, smtp => {}, after => sub {
    my ($t, $log) = @_;
    $t->is(join('|', map { $_->{data} } @{ $log->{messages} }),
        "turn 1\r\n|turn 2\r\n|turn 3\r\n", 'messages');
};

attack "Perl's own input and output on the handle, in between", sub {
    my $t = shift;
    my ($s, $peer) = $t->wired();
    $s->autoflush(1);
    print $s "NOOP\r\n";
    syswrite $peer, "250 one\r\n";
    $t->is(scalar readline $s, "250 one\r\n", 'a line');
    syswrite $peer, "250 two\r\n250 three\r\n";
    $t->is($s->response, 2, 'a response');
    $t->is($s->message, "two\n", 'its text');
    $t->is($s->response, 2, 'a response');
    $s->command('RSET');
    printf $s "%s\r\n", 'NOOP';
    $t->is($t->heard($peer), "NOOP\r\nRSET\r\nNOOP\r\n", 'what was written');
};

# ---- many

attack '2000 objects', sub {
    my $t = shift;
    my @all;
    for (1 .. 2000) {
        my ($s, $peer) = eval { $t->wired('250 ok') } or last;
        push @all, [ $s, $peer ];
    }
    $t->ok(@all > 100, 'only ' . @all);
    $t->ok(scalar(grep { $_->[0]->command('NOOP')->response == 2 } @all) == @all, 'responses');
    @all = @all[ grep { $_ % 2 } 0 .. $#all ];
    $t->ok(!(grep { $t->heard($_->[1]) ne "NOOP\r\n" } @all), 'commands');
};

# ---- threads

SKIP: {
    last SKIP if !$Config{useithreads} || $^V lt v5.14;
    require threads;

    attack 'a thread made in mid-session goes on with it', sub {
        my $t = shift;
        my $s = $t->connect;
        $s->mail('a') && $s->to('b') && $s->data && $s->datasend("main\n.") or die;
        my $ok = threads->create(sub { $s->datasend("thread\n") })->join;
        $t->ok($ok, 'datasend');
        ${*$s}{net_cmd_last_ch} = "\n";
        $t->ok($s->dataend, 'dataend');
        $t->ok(threads->create(sub { $s->quit })->join, 'quit in a thread');
    }, smtp => {}, after => sub {
        my ($t, $log) = @_;
        $t->is($log->{messages}[0]{data}, "main\r\n.thread\r\n", 'the message');
    };

    attack 'threads that come and go', sub {
        my $t = shift;
        my ($s, $peer) = $t->wired(('250 ok') x 50);
        $s->response;
        for my $n (1 .. 15) {
            my $thread = threads->create(sub { $s->code; $s->command('X'); $s->message; undef $s if $n % 2; 1 });
            $t->ok($thread->join, 'thread');
        }
        threads->create(sub { $s->response for 1 .. 5; 1 })->detach;
        $t->ok(threads->create(sub { threads->create(sub { $s->response })->join })->join, 'inner');
        $t->is($s->code, 250, 'code');
        select undef, undef, undef, 0.1;
    }, limit => 20;

    attack 'a thread made within a method', sub {
        my $t = shift;
        my ($s, $peer) = $t->wired('250 ok');
        @Within::ISA = ('Net::SMTP::XS');
        my $depth = 0;
        no warnings 'once';
        *Within::getline = sub {
            my $s = shift;
            if (!$depth++) {
                threads->create(sub { $s->command('X'); $s->response; 1 })->join;
                syswrite $peer, "250 ok\r\n";
            }
            return $s->Net::SMTP::XS::Cmd::getline;
        };
        bless $s, 'Within';
        $t->is($s->command('Y')->response, 2, 'response');
    };

    attack 'an object that a thread made is destroyed with it', sub {
        my $t = shift;
        my $got = threads->create(sub {
            my ($s, $peer) = $t->wired(('250 ok') x 3);
            $s->command('X')->response;
        })->join;
        $t->is($got, 2, 'response');
    };

    attack 'a session of which a part was written is not continued in a thread', sub {
        my $t = shift;
        my $s = $t->connect;
        setsockopt $s, SOL_SOCKET, SO_SNDBUF, pack 'i', SNDBUF;
        $s->mail('a') && $s->to('b') && $s->data or die;
        $t->soon(0.03, sub { die "alarm\n" });
        eval { $s->datasend('x' x 3_000_000) };
        my $ok = threads->create(sub { $s->dataend })->join;
        $t->ok(!$ok, 'dataend');
    }, script => stalled(0.15), rcvbuf => SNDBUF, after => sub {
        my ($t, $log) = @_;
        $t->ok($log->{connections}[0]{in} !~ /\r\n\.\r\n/, 'a truncated message');
    };
}

# ---- the end

attack 'calls from DESTROY, END and global destruction', sub {
    my $t = shift;
    my $code = <<'PERL';
        use strict; use warnings; use Net::SMTP::XS; use Socket;
        $SIG{__WARN__} = sub { };
        open STDERR, '>', '/dev/null';
        { package Late; our @ISA = 'Net::SMTP::XS';
          sub DESTROY { my $s = shift; local ($@, $?);
              eval { $s->$_ } for qw(reset quit dataend message code);
              eval { $s->command('LATE', 1); $s->datasend("x\n", undef, [1]); $s->data("x"); };
              eval { $s->mail('x', Size => 1); $s->to('y', {}); $s->hello; $s->supports('X'); } } }
        sub one { socketpair my $s, my $p, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
            syswrite $p, "250 ok\r\n" x 30; shutdown $p, 1; bless $s, $_[0];
            ${*$s}{io_socket_timeout} = 1; ${*$s}{peer} = $p; $s->response; return $s }
        { my $s = one('Late'); }
        our $global = one('Late');
        our $plain = one('Net::SMTP::XS');
        my $cycle = one('Late'); ${*$cycle}{self} = $cycle;
        our @list = map { one('Late') } 1 .. 3;
        END { $main::plain->command('END')->response; $main::global->quit; }
        { package Holder; sub new { bless { s => main::one('Late') } } sub DESTROY { $_[0]{s}->quit if $_[0]{s} } }
        our $holder = Holder->new; $holder->{loop} = $holder;
        delete $Net::SMTP::XS::Cmd::{_carp} if $ARGV[0];
        undef %Net::SMTP::XS:: if ($ARGV[0] || 0) > 1;
PERL
    for my $how (0, 1, 2) {
        for my $level (0, 2) {
            local $ENV{PERL_DESTRUCT_LEVEL} = $level;
            open my $out, '-|', $^X, (map {"-I$_"} @INC), '-e', $code, $how or die;
            my $said = join '', <$out>;
            close $out;
            $t->is($? & 127, 0, "signal, $how, $level");
        }
    }
}, limit => 20;

finished();
