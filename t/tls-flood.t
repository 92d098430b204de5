# Servers that never stop talking under TLS: the Timeout holds all the same,
# and signal handlers run.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Net::SMTP::XS;
use POSIX ();
use Time::HiRes qw(time);

use constant {
    SHORT => 0.5,    # seconds, where a timeout is waited for
    LONG  => 10,     # seconds, where none is
    LIMIT => 20,     # seconds, after which a part that hangs is killed
};

my %ca = (SSL_ca_file => NSX::Test::TLS::cert('ca.pem'));

# Runs code in a process of its own, because what hangs here lets no handler
# run: what it returns, or 'hangs'.
sub apart {
    my ($code) = @_;
    pipe my $from, my $to or die "pipe: $!";
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        close $from;
        my $said = eval { $code->() } // "died: $@";
        syswrite $to, $said;
        POSIX::_exit(0);
    }
    close $to;
    my $said;
    vec(my $bits = '', fileno $from, 1) = 1;
    sysread $from, $said, 1000 if select $bits, undef, undef, LIMIT;
    kill KILL => $pid;
    waitpid $pid, 0;
    return $said // 'hangs';
}

sub pour {
    my ($c, $octets) = @_;
    my $block = $octets x (65_536 / length $octets);
    1 while $c->send($block);
}

# A HelloRequest is passed over in a handshake (RFC 5246 7.4.1.1).
my $hello_request = pack 'C*', 22, 3, 3, 0, 4, 0, 0, 0, 0;

sub asks_for_hello {
    return NSX::Test::TLS->start(script => sub {
        my ($c) = @_;
        $c->say('220 mail.nsx.example');
        $c->smtp(esmtp => ['STARTTLS']);
        sysread $c->{fh}, my $client_hello, 1;    # before it nothing may come
        pour($c, $hello_request);
    });
}

like(apart(sub {
    my $server = asks_for_hello();
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, Timeout => LONG, %ca)
        or return "new: $@";
    $smtp->timeout(SHORT);
    my $start = time;
    my $answer = $smtp->starttls ? 'true' : "false: $@";
    my $took = time - $start;
    return $took < LIMIT / 2 ? $answer : "took $took s";
}), qr/^false: .*did not finish the handshake within the Timeout/, 'a handshake');

like(apart(sub {
    my $server = asks_for_hello();
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, Timeout => LIMIT, %ca)
        or return "new: $@";
    local $SIG{ALRM} = sub { die "handler\n" };
    Time::HiRes::alarm(SHORT);
    return $smtp->starttls ? 'true' : "false: $@";
}), qr/^died: handler/, 'a signal handler in a handshake');

is(apart(sub {
    my $server = NSX::Test::TLS->start(script => sub {
        my ($c) = @_;
        $c->start_tls;
        $c->say('220 mail.nsx.example');
        $c->line;
        $c->say('250 mail.nsx.example');
        $c->line;
        pour($c, 'x');
    });
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1,
        Timeout => LONG, %ca) or return "new: $@";
    $smtp->command('NOOP');
    Time::HiRes::sleep(SHORT);    # the line fills
    $smtp->timeout(SHORT);
    my $start = time;
    $smtp->stop_SSL;
    my $took = time - $start;
    return $took < LIMIT / 2 ? 'in time' : "took $took s";
}), 'in time', 'stop_SSL');

done_testing;
