# Perl's own input and output on a handle with TLS sees plain text.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Errno qw(EAGAIN EBADF);
use Net::SMTP::XS;
use Time::HiRes ();

# After the greeting the server's script goes on as given.
sub connected {
    my ($script, %arg) = @_;
    my $server = NSX::Test::TLS->start(script => sub {
        my ($c) = @_;
        $c->start_tls;
        $c->say('220 mail.nsx.example');
        $script->($c);
    });
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => 60,
        SendHello => 0, SSL_ca_file => NSX::Test::TLS::cert('ca.pem'), %arg);
    $smtp or do { diag($@); return };
    ${*$smtp}{test_server} = $server;    # lives as long
    return ($smtp, $server);
}

sub echo {
    my ($c) = @_;
    while (defined(my $line = $c->line)) { $c->note($line); $c->say("250 $line") }
}

subtest 'writing' => sub {
    my ($smtp, $server) = connected(\&echo);
    ok((print $smtp "PRINT\r\n"), 'print');
    is(scalar <$smtp>, "250 PRINT\r\n", 'and readline');
    ok((print {$smtp} 'A', "B\r\n"), 'print a list');
    is(scalar <$smtp>, "250 AB\r\n", 'all of it');
    { local ($,, $\) = ('-', "\r\n"); print $smtp 'A', 'B' }
    is(scalar <$smtp>, "250 A-B\r\n", 'with $, and $\\');
    ok((printf $smtp "%s %d\r\n", 'PRINTF', 7), 'printf');
    is(scalar <$smtp>, "250 PRINTF 7\r\n", 'arrives');
    is(syswrite($smtp, "xxSYSWRITE\r\nyy", 10, 2), 10, 'syswrite');
    is(scalar <$smtp>, "250 SYSWRITE\r\n", 'arrives');
    is(syswrite($smtp, "WHOLE\r\n"), 7, 'syswrite of all');
    is($smtp->getline, "250 WHOLE\n", "the object's getline goes on in the same stream");
    my $upgraded = "caf\xe9\r\n";
    utf8::upgrade($upgraded);
    ok((print $smtp $upgraded), 'an upgraded string');
    is(scalar <$smtp>, "250 caf\xe9\r\n", 'arrives as octets');
    ok(!eval { print $smtp "\x{263a}\r\n"; 1 }, 'a wide character dies');
    like($@, qr/^Wide character/, 'in words');
    $smtp->print("METHOD\r\n");
    is(scalar <$smtp>, "250 METHOD\r\n", 'the method print');
    ok($smtp->command('NOOP'), 'a command goes between');
    is($smtp->response, 2, 'and its reply');
    print $smtp '';
    ok(close $smtp, 'close');
    ok(!defined fileno $smtp, 'no descriptor');
    ok(!tied *$smtp, 'no tie');
    my ($seen) = $server->finish;
    is($seen, "PRINT\nAB\nA-B\nPRINTF 7\nSYSWRITE\nWHOLE\ncaf\xe9\nMETHOD\nNOOP\n", 'what the server got');
};

subtest 'reading' => sub {
    my ($smtp) = connected(sub {
        my ($c) = @_;
        $c->send("one\ntwo\nthree\n");
        $c->line;
        $c->send("abcdefghij");
        $c->line;
        $c->send("p1a\np1b\n\n\n\np2\n\n");
        $c->line;
        $c->send("x--y--z");
        $c->end;
    });
    is(scalar <$smtp>, "one\n", 'a line');
    is($smtp->getline, "two\n", 'the next by the method');
    is(getc $smtp, 't', 'getc');
    my $buffer = 'xyz';
    is(sysread($smtp, $buffer, 2, 5), 2, 'sysread with an offset');
    is($buffer, "xyz\0\0hr", 'fills up');
    is(read($smtp, $buffer, 10, -2), 3, 'read with a negative one, as much as there is');
    is($buffer, "xyz\0\0ee\n", 'right');
    ok(!$smtp->pending, 'nothing pending');

    print $smtp "\n";
    { local $/ = \4; is(scalar <$smtp>, 'abcd', 'a record') }
    is($smtp->peek(my $seen, 3), 3, 'peek');
    is($seen, 'efg', 'sees');
    is($smtp->pending, 6, 'pending');
    is(sysread($smtp, $buffer, 100), 6, 'and takes nothing');

    print $smtp "\n";
    { local $/ = ''; is(scalar <$smtp>, "p1a\np1b\n\n", 'a paragraph'); is(scalar <$smtp>, "p2\n\n", 'another') }
    print $smtp "\n";
    { local $/ = '--'; is(scalar <$smtp>, 'x--', 'up to a mark') }
    ok(!eof $smtp, 'not yet the end');
    { local $/ = '--'; is_deeply([<$smtp>], ['y--', 'z'], 'a list of the rest') }
    ok(eof $smtp, 'the end');
    SKIP: {
        skip 'this openssl s_server sends no close_notify', 2
            if !NSX::Test::TLS->says_goodbye;
        is(sysread($smtp, $buffer, 10), 0, 'for sysread too');
        is($buffer, '', 'empty');
    }
    is(scalar <$smtp>, undef, 'and readline');
};

subtest 'slurp' => sub {
    my $text = join '', map {"line $_\n"} 1 .. 5000;
    my ($smtp) = connected(sub { my ($c) = @_; $c->line; $c->send($text); $c->end });
    print $smtp "\n";
    local $/;
    my $got = <$smtp>;
    ok($got eq $text, 'all of it') or diag(length $got, ' octets of ', length $text);
};

subtest 'replies are read whatever $/ is' => sub {
    my ($smtp) = connected(\&echo);
    for my $separator (undef, '', \1, '0') {
        local $/ = $separator;
        ok($smtp->_NOOP, 'a command');
        is($smtp->message, "NOOP\n", 'and its reply');
    }
};

subtest 'the handle' => sub {
    my ($smtp) = connected(\&echo);
    ok(defined fileno $smtp, 'fileno');
    is($smtp->fileno, fileno $smtp, 'as a method');
    ok($smtp->opened, 'opened');
    ok($smtp->connected, 'connected');
    is($smtp->peerhost, '127.0.0.1', 'peerhost');
    is($smtp->timeout, 60, 'timeout');
    ok(binmode $smtp, 'binmode');
    is(tell $smtp, -1, 'tell');
    vec(my $bits = '', fileno $smtp, 1) = 1;
    print $smtp "NOOP\r\n";
    is(select($bits, undef, undef, 60), 1, 'select');
    is(scalar <$smtp>, "250 NOOP\r\n", 'finds what came');
    ok(IO::Handle::sync($smtp) || 1, 'sync does not crash');
    ok($smtp->autoflush(1), 'autoflush');
    my $old = select $smtp;
    print "NOOP\r\n";
    select $old;
    is($smtp->response, 2, 'as the selected handle');
};

subtest 'without blocking' => sub {
    my ($smtp) = connected(\&echo);
    $smtp->blocking(0);
    ok($smtp->_NOOP, "the object's methods wait by themselves");
    is(sysread($smtp, my $buffer, 10), undef, 'sysread does not');
    is($! + 0, EAGAIN, 'EAGAIN');
    ok($smtp->want_read, 'want_read');
    ok(!$smtp->want_write, 'want_write');
    ok($smtp->blocking(1) || 1, 'back');
    ok($smtp->_NOOP, 'goes on');
};

subtest 'stop_SSL' => sub {
    my $server = NSX::Test::TLS->implicit;
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => 60,
        SSL_ca_file => NSX::Test::TLS::cert('ca.pem'));
    ok($smtp->stop_SSL, 'true');
    ok(!$smtp->is_SSL, 'no TLS any more');
    ok(!tied *$smtp, 'no tie');
    ok(defined fileno $smtp, 'the connection is there');
    ok($smtp->stop_SSL, 'a second time is harmless');
};

subtest 'after the end' => sub {
    my ($smtp) = connected(\&echo);
    my $handle = tied *$smtp;
    $smtp->close;
    { no warnings; ok(!defined sysread($smtp, my $buffer, 1), 'sysread') }
    { no warnings; ok(!print($smtp 'x'), 'print') }
    ok(!$smtp->_NOOP, 'a command');
    is($smtp->get_cipher, undef, 'no cipher');
    is($smtp->is_SSL, undef, 'no TLS');
    is($handle->FILENO, undef, 'what is left of the tie knows');
    undef $smtp;
    ok(!eval { $handle->PRINT('x'); 1 }, 'and does no harm without the object');
};

done_testing;
