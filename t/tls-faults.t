# TLS on a bad line and with bad servers: what the plain connection promises
# holds, and what is not vouched for is not believed.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Errno qw(ETIMEDOUT);
use Net::SMTP::XS;
use POSIX ();
use Time::HiRes qw(time);

use constant SHORT => 0.5;    # seconds, where a timeout is waited for
use constant LONG  => 60;     # seconds, where one would be a failure

my %ca = (SSL_ca_file => NSX::Test::TLS::cert('ca.pem'));

$SIG{PIPE} = sub { fail('SIGPIPE') };

sub server { NSX::Test::TLS->start(script => @_) }

sub client {
    my ($server, %arg) = @_;
    return Net::SMTP::XS->new('127.0.0.1', Port => $server->port, Timeout => LONG, %ca, %arg);
}

# TLS at once, EHLO answered, then the script.
sub established {
    my ($script, %arg) = @_;
    my %server_arg = %{ delete $arg{server} || {} };
    my $server = server(sub {
        my ($c) = @_;
        $c->start_tls;
        $c->say('220 mail.nsx.example');
        $c->line;
        $c->say('250 mail.nsx.example');
        $script->($c);
    }, %server_arg);
    my $timeout = delete $arg{Timeout};    # for what comes after the greeting
    my $smtp = client($server, SSL => 1, %arg) or die "new: $@";
    $smtp->timeout($timeout) if $timeout;
    return ($smtp, $server);
}

sub took_about {
    my ($start, $seconds, $name) = @_;
    my $took = time - $start;
    ok($took > $seconds * 0.7 && $took < LONG / 2, $name) or diag("took $took s");
}

sub has_room {
    my ($smtp) = @_;
    vec(my $bits = '', fileno $smtp, 1) = 1;
    return select undef, $bits, undef, 0;
}

# --- what a network does to records -----------------------------------------

subtest 'replies split over records, and many in one' => sub {
    my ($smtp) = my @keep = established(sub {
        my ($c) = @_;
        $c->line;
        $c->send($_), Time::HiRes::sleep(0.002) for split //, "250-one\r\n250 two\r\n";
        $c->line;
        $c->send("250 a\r\n250 b\r\n250 c\r\n");
        $c->line for 1 .. 3;
        $c->send('250 ' . 'x' x 40_000 . "\r\n");
        $c->line;
    });
    ok($smtp->_NOOP, 'an octet a record');
    is(join('', $smtp->message), "one\ntwo\n", 'whole');
    ok($smtp->_NOOP, 'the first of three in one record');
    is($smtp->message, "a\n", 'it');
    ok($smtp->_NOOP, 'the second');
    is($smtp->message, "b\n", 'it');
    ok($smtp->_NOOP, 'the third');
    is($smtp->message, "c\n", 'it');
    ok($smtp->_NOOP, 'a line of many records');
    is(length $smtp->message, 40_001, 'whole');
};

subtest 'records in pieces' => sub {
    my ($smtp) = my @keep = established(sub { my ($c) = @_; $c->relay('split'); $c->smtp });
    ok($smtp->_NOOP, 'a command') for 1 .. 5;
};

subtest 'half a record, then silence' => sub {
    my ($smtp) = my @keep = established(
        sub { my ($c) = @_; $c->line; $c->relay('half'); $c->say('250 ok'); sleep LONG },
        Timeout => SHORT);
    my $start = time;
    ok(!$smtp->_NOOP, 'false');
    took_about($start, SHORT, 'after the Timeout');
    is($smtp->code, 421, 'code');
    like($smtp->message, qr/Timeout/, 'Timeout');
    ok(!$smtp->_NOOP, 'the session is over');
    ok(!defined fileno $smtp, 'closed');
};

subtest 'silence' => sub {
    my ($smtp) = my @keep = established(sub { my ($c) = @_; $c->line; sleep LONG }, Timeout => SHORT);
    my $start = time;
    ok(!$smtp->_NOOP, 'false');
    took_about($start, SHORT, 'after the Timeout');
};

subtest 'a reply that comes too slowly' => sub {
    my ($smtp) = my @keep = established(
        sub { my ($c) = @_; $c->line; $c->relay('drip'); $c->say('250 ok'); sleep LONG },
        Timeout => SHORT);
    my $start = time;
    ok(!$smtp->_NOOP, 'false');
    took_about($start, SHORT, 'after the Timeout');
};

subtest 'a server that does not read' => sub {
    my ($smtp) = my @keep = established(sub {
        my ($c) = @_;
        $c->line;
        $c->relay('deaf');
        $c->say('354 go');
        sleep LONG;
    });
    ok($smtp->_DATA, 'DATA');
    $smtp->timeout(SHORT);
    my $start = time;
    my $sent = 1;
    $sent = $smtp->datasend(('y' x 998 . "\n") x 1000) for 1 .. 40;
    ok(!$sent, 'datasend fails in the end');
    ok(time - $start < LONG, 'after the Timeout');
    ok(!$smtp->dataend, 'dataend too');
};

subtest 'a command that waits for room when a handler dies' => sub {
    pipe my $over, my $tell or die "pipe: $!";
    my ($smtp) = my @keep = established(sub {
        my ($c) = @_;
        $c->line;
        kill STOP => $c->{relay};
        sysread $over, my $octet, 1;
        kill CONT => $c->{relay};
        while (defined(my $line = $c->line)) { $c->note(substr $line, 0, 20) }
    });
    my $server = $keep[1];
    ok($smtp->command('NOOP'), 'a command');
    # Twice in one command: the first may be before it is tried.
    my ($inside, $ran) = (0, 0);
    local $SIG{ALRM} = sub { die "handler\n" if $inside && !has_room($smtp) && $ran++ };
    Time::HiRes::ualarm(100_000, 100_000);
    ok(!eval {
        for (1 .. 10_000) { ($inside, $ran) = (1, 0); $smtp->command('NOOP', 'x' x 8_000); $inside = 0 }
        1;
    }, 'commands, until there is no room');
    Time::HiRes::ualarm(0);
    is($@, "handler\n", 'and the handler dies');
    # OpenSSL would send the rest of the one in place of the other's beginning.
    $smtp->command('HELP', 'y' x 9_000);
    ok(!defined fileno $smtp, 'another command is not sent');
    like($smtp->message, qr/closed/, 'as the session is over');
    syswrite $tell, '.';
    my ($seen) = $server->finish;
    unlike($seen, qr/^(?!NOOP)./m, 'the server saw nothing of it');
};

# --- the end of the stream ------------------------------------------------------

subtest 'the stream ends without close_notify' => sub {
    my ($smtp) = my @keep = established(sub { my ($c) = @_; $c->line; $c->send('250 o'); $c->relay('cut') });
    ok(!$smtp->_NOOP, 'half a reply is none');
    like($smtp->message, qr/close_notify/, 'the reason');
    ok(!defined fileno $smtp, 'closed');
    like($smtp->errstr, qr/close_notify/, 'errstr');
    no warnings 'once';
    like($IO::Socket::SSL::SSL_ERROR, qr/close_notify/, '$SSL_ERROR');
};

subtest 'the stream ends with one' => sub {
    plan skip_all => 'this openssl s_server sends no close_notify'
        if !NSX::Test::TLS->says_goodbye;
    my ($smtp) = my @keep = established(sub { my ($c) = @_; $c->line; $c->send('250 o'); $c->end });
    ok(!$smtp->_NOOP, 'half a reply is none');
    like($smtp->message, qr/Connection closed/, 'the reason');
    ok(!defined fileno $smtp, 'closed');
};

# --- the handshake ----------------------------------------------------------------

for my $way ('SSL => 1', 'starttls') {
    my $handshake = sub {
        my ($script) = @_;
        return server(sub {
            my ($c) = @_;
            if ($way eq 'starttls') { $c->say('220 here'); $c->smtp(esmtp => ['STARTTLS']) }
            $script->($c);
        });
    };
    # (truth, reason, object for starttls)
    my $attempt = sub {
        my ($server, %arg) = @_;
        return do { my $smtp = client($server, SSL => 1, %arg); ($smtp, $@) } if $way ne 'starttls';
        my $timeout = delete $arg{Timeout};
        my $smtp = client($server, %arg) or return (undef, "new: $@");
        $smtp->timeout($timeout) if $timeout;
        my $ok = $smtp->starttls;
        return ($ok, $@, $smtp);
    };

    subtest "$way: silence in the handshake" => sub {
        my $server = $handshake->(sub { sleep LONG });
        my $start = time;
        my ($ok, $why, $smtp) = $attempt->($server, Timeout => SHORT);
        is($! + 0, ETIMEDOUT, '$!');
        ok(!$ok, 'false');
        took_about($start, SHORT, 'after the Timeout');
        like($why, qr/^SSL connect attempt failed: 127\.0\.0\.1 did not finish the handshake within the Timeout/, 'the reason');
        ok(!defined fileno $smtp, 'closed') if $smtp;
        is($smtp->code, 421, 'code') if $smtp;
    };

    subtest "$way: a handshake that comes too slowly" => sub {
        my $server = server(sub {
            my ($c) = @_;
            if ($way eq 'starttls') { $c->say('220 here'); $c->smtp(esmtp => ['STARTTLS']) }
            $c->start_tls;
            sleep LONG;
        }, early => 'drip');
        my $start = time;
        my ($ok, $why) = $attempt->($server, Timeout => SHORT);
        ok(!$ok, 'false');
        took_about($start, SHORT, 'after the Timeout');
        like($why, qr/within the Timeout/, 'the reason');
    };

    subtest "$way: no TLS on the other side" => sub {
        my $server = $handshake->(sub {
            my ($c) = @_;
            sysread $c->{fh}, my $hello, NSX::Test::TLS::READ_SIZE();    # or they could come with "220 go"
            $c->say('220 I speak in the clear') for 1 .. 3;
            $c->line;
        });
        my ($ok, $why, $smtp) = $attempt->($server);
        ok(!$ok, 'false');
        like($why, qr/^SSL connect attempt failed/, 'the reason');
        ok(!defined fileno $smtp, 'closed') if $smtp;
        ok(!$smtp->mail('a@b.example'), 'nothing follows in the clear') if $smtp;
        undef $smtp;
        my ($seen) = $server->finish;
        unlike($seen, qr/MAIL/, 'the server got nothing');
    };

    subtest "$way: hung up in the handshake" => sub {
        my $server = $handshake->(sub { my ($c) = @_; sysread $c->{fh}, my $hello, 1000; $c->close });
        my ($ok, $why) = $attempt->($server);
        ok(!$ok, 'false');
        like($why, qr/127\.0\.0\.1 closed the connection during the handshake|reset/, 'the reason');
    };

    subtest "$way: a signal in the handshake" => sub {
        pipe my $heard, my $tell or die "pipe: $!";
        my $server = server(sub {
            my ($c) = @_;
            close $tell;
            if ($way eq 'starttls') { $c->say('220 here'); $c->smtp(esmtp => ['STARTTLS']) }
            sysread $heard, my $three_times, 1;
            $c->start_tls;
            $c->say('220 here') if $way ne 'starttls';
            $c->smtp;
        });
        my $ran = 0;
        local $SIG{ALRM} = sub { syswrite $tell, '.' if ++$ran == 3 };
        Time::HiRes::ualarm(100_000, 100_000);
        my ($ok, $why) = my @keep = $attempt->($server);
        Time::HiRes::ualarm(0);
        ok($ran >= 3, 'its handler runs') or diag("$ran times");
        ok($ok, 'the handshake goes on') or diag($why);
    };

    subtest "$way: die in a handler in the handshake" => sub {
        pipe my $heard, my $tell or die "pipe: $!";
        my $server = $handshake->(sub {
            my ($c) = @_;
            sysread $c->{fh}, my $client_hello, 1;
            syswrite $tell, '.';
            sleep LONG;
        });
        my $smtp;
        $smtp = client($server) if $way eq 'starttls';
        local $SIG{ALRM} = sub {
            vec(my $bits = '', fileno $heard, 1) = 1;
            die "enough\n" if select $bits, undef, undef, 0;
        };
        my $start = time;
        Time::HiRes::ualarm(100_000, 100_000);
        my $lived = eval { $smtp ? $smtp->starttls : client($server, SSL => 1); 1 };
        my $why = $@;
        Time::HiRes::ualarm(0);
        ok(!$lived, 'leaves');
        is($why, "enough\n", 'with its own words');
        ok(time - $start < LONG / 2, 'at once');
        ok(!defined fileno $smtp, 'closed') if $smtp;
        ok(!$smtp->_NOOP, 'nothing follows') if $smtp;
    };
}

# --- STARTTLS ------------------------------------------------------------------------

for my $case (
    [ 'in the same segment', sub { $_[0]->send("220 go\r\n250 injected\r\n") } ],
    [ 'half a line', sub { $_[0]->send("220 go\r\n250-inj") } ],
) {
    my ($name, $answer) = @$case;
    subtest "words in the clear after the 220: $name" => sub {
        my $server = server(sub {
            my ($c) = @_;
            $c->say('220 here');
            $c->line;
            $c->send("250-here\r\n250 STARTTLS\r\n");
            $c->line;
            $answer->($c);
            $c->start_tls;
            $c->smtp;
        });
        my $smtp = client($server);
        ok(!$smtp->starttls, 'false');
        like($@, qr/in the clear/, 'the reason');
        ok(!defined fileno $smtp, 'closed');
        is($smtp->code, 421, 'code');
        ok(!$smtp->reset, 'the session is over');
    };
}

subtest 'lines put back before' => sub {
    my $server = NSX::Test::TLS->starttls;
    my $smtp = client($server);
    my $put = 0;
    no warnings 'redefine';
    {
        package Putting::Back;
        our @ISA = ('Net::SMTP::XS');
        sub _STARTTLS { my $self = shift; my $ok = $self->SUPER::_STARTTLS(@_); $self->ungetline("250 forged\n"); $ok }
    }
    bless $smtp, 'Putting::Back';
    ok(!$smtp->starttls, 'false');
    like($@, qr/in the clear/, 'the reason');
    ok(!defined fileno $smtp, 'closed');
};

# --- forks and the end --------------------------------------------------------------

subtest 'a forked child says nothing on the session' => sub {
    my ($smtp, $server) = established(sub { $_[0]->smtp });
    for my $way (sub { exit 0 }, sub { undef $smtp; POSIX::_exit(0) }, sub { $smtp->close; POSIX::_exit(0) }) {
        my $pid = fork;
        die "fork: $!" if !defined $pid;
        if (!$pid) {
            Test::More->builder->no_ending(1);
            $server->{owner} = 0;
            $way->();
        }
        waitpid $pid, 0;
        ok($smtp->_NOOP, 'the parent goes on');
    }
    $smtp->quit;
    my ($seen) = $server->finish;
    is($seen, "NOOP\nNOOP\nNOOP\nQUIT\n", 'the server heard the parent only');
};

subtest 'ends with a close_notify' => sub {
    for my $way (sub { $_[0]->quit }, sub { $_[0]->close }, sub { close $_[0] }, sub { undef $_[0] }) {
        my ($smtp, $server) = established(sub {
            my ($c) = @_;
            my $why = $c->smtp;
            waitpid delete $c->{s_server}, 0;
            $c->note("s_server ended by $?");
        }, server => { s_server => ['-state'] });
        $way->($smtp);
        undef $smtp;
        $server->finish;
        open my $in, '<', "$server->{dir}/errors1" or die "errors: $!";
        local $/;
        like(scalar <$in>, qr/read:warning:close notify/, 'the server saw it');
    }
};

subtest 'a handler that closes the object during a wait' => sub {
    my $client = $$;
    my ($smtp) = my @keep = established(
        sub { my ($c) = @_; $c->line; kill ALRM => $client; sleep LONG });
    local $SIG{ALRM} = sub { $smtp->close };
    ok(!$smtp->_NOOP, 'false');
    is($smtp->code, 421, 'code');
};

subtest 'a handler that drops the object during a read' => sub {
    my ($smtp) = my @keep = established(sub { my ($c) = @_; $c->line; sleep LONG });
    @keep = ($keep[1]);
    local $SIG{ALRM} = sub { undef $smtp; die "gone\n" };
    ok(!eval { Time::HiRes::ualarm(200_000); my $line = <$smtp>; 1 }, 'readline dies');
    is($@, "gone\n", 'with the handler');
};

subtest 'many handshakes leave nothing behind' => sub {
    plan skip_all => '/proc is not there' if !-r '/proc/self/fd';
    my $fds = sub { my @fds = glob '/proc/self/fd/*'; scalar @fds };
    my $count = 5;
    my $server = NSX::Test::TLS->implicit(connections => $count, cert => 'elsewhere.pem');
    my $before = $fds->();
    ok(!client($server, SSL => 1), 'refused') for 1 .. $count;
    is($fds->(), $before, 'no descriptor');
};

done_testing;
