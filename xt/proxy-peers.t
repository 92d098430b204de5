#!perl

# Proxies of others: microsocks (SOCKS5) and tinyproxy (CONNECT), with Postfix
# behind them, in the clear, with TLS, and with STARTTLS and AUTH.
#
#   prove -b xt/proxy-peers.t

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use IO::Socket::INET;
use NSX::Author::Postfix;
use NSX::Author::Process;
use Test::More;

use Net::SMTP::XS;

use constant { TIMEOUT => 30, START_SECONDS => 20 };

BEGIN {
    my $missing = NSX::Author::Postfix->missing;
    plan skip_all => $missing if $missing;
}

my $dir = File::Temp->newdir('nsx-XXXXXXXX', TMPDIR => 1);

sub program {
    my ($name) = @_;
    return (grep { -x } map {"$_/$name"} split(/:/, $ENV{PATH}), '/usr/sbin')[0];
}

sub wait_until_up {
    my ($port, $process) = @_;
    for (1 .. START_SECONDS * 20) {
        return 1 if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        die "it ended: " . `cat $dir/log` if !$process->alive;
        select undef, undef, undef, 0.05;
    }
    die 'it does not start';
}

sub start {
    my (@command) = @_;
    my $port    = NSX::Author::Server::free_port();
    my $process = NSX::Author::Process->start([ map { s/PORT/$port/r } @command ], log => "$dir/log");
    wait_until_up($port, $process);
    return ($process, $port);
}

sub tinyproxy {
    my ($program, $login, @allowed) = @_;
    my $port = NSX::Author::Server::free_port();
    open my $out, '>', "$dir/tiny-$port" or die $!;
    print {$out} "Port $port\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogFile \"$dir/tiny-$port.log\"\n",
        $login ? "BasicAuth $login\n" : '', map {"ConnectPort $_\n"} @allowed;
    close $out or die $!;
    my $process = NSX::Author::Process->start([ $program, '-d', '-c', "$dir/tiny-$port" ], log => "$dir/log");
    wait_until_up($port, $process);
    return ($process, $port);
}

my $server = NSX::Author::Postfix->start;
my @login  = ($server->user, $server->password);
my $closed = NSX::Author::Server::free_port();
my @ports  = map { $server->port($_) } qw(smtp smtps submission);
my $count  = 0;

# The blocking call, and the same in steps.
sub blocking { return Net::SMTP::XS->new(@_) }

sub stepped {
    my $op = Net::SMTP::XS->start_session(@_);
    until ($op->step) {
        my ($want, $seconds) = ($op->want, $op->timeout);
        my $bits = '';
        vec($bits, fileno $op->handle, 1) = 1 if $op->handle;
        select my $in = $want eq 'write' ? undef : $bits, my $out = $want eq 'read' ? undef : $bits, undef, $seconds;
    }
    return $op->result;
}

sub delivers {
    my ($name, %arg) = @_;
    for my $way (\&blocking, \&stepped) {
        my $box  = 'proxy-' . ++$count;
        my $smtp = $way->('localhost', Timeout => TIMEOUT, SSL_ca_file => $server->ca_file, %arg);
        ok $smtp, "$name: a session" or do { diag $@; next };
        my $result = $smtp->send_message(From => 'a@nsx.test', To => $server->address($box), Data => "Subject: $box\r\n\r\nhello\r\n");
        ok $result, "$name: a message" or diag $result;
        ok $smtp->quit, "$name: quit";
        is scalar(my @mail = $server->delivered($box)), 1, "$name: it is delivered";
    }
    return;
}

sub everything {
    my ($name, $url) = @_;
    delivers("$name, in the clear", Proxy => $url, Port => $ports[0]);
    delivers("$name, TLS", Proxy => $url, Port => $ports[1], SSL => 1, Auth => [@login]);
    delivers("$name, STARTTLS", Proxy => $url, Port => $ports[2], StartTLS => 'required', Auth => [@login]);
}

sub refuses {
    my ($name, $why, @arg) = @_;
    for my $way (\&blocking, \&stepped) {
        ok !defined $way->('localhost', Timeout => TIMEOUT, @arg), $name;
        like $@, qr/\ANet::SMTP::XS: proxy: $why/, "$name: \$\@";
        unlike $@, qr/wr0ng/, "$name: no password";
    }
}

SKIP: {
    my $program = program('microsocks') or skip 'no microsocks', 1;
    my ($open, $port) = start($program, '-i', '127.0.0.1', '-p', 'PORT');
    everything('microsocks', "socks5://127.0.0.1:$port");
    everything('microsocks, a login that it does not want', "socks5://me:pw\@127.0.0.1:$port");
    refuses('nobody there', qr/connection refused to the proxy/, Proxy => "socks5://localhost:$port", Port => $closed);
    my ($guarded, $with) = start($program, '-i', '127.0.0.1', '-p', 'PORT', '-u', 'me', '-P', 'p@ss:word');
    everything('microsocks with a password', "socks5://me:p%40ss%3aword\@127.0.0.1:$with");
    refuses('a wrong password', qr/the proxy (?:refused user and password|closed the connection)/,
        Proxy => "socks5://me:wr0ng\@127.0.0.1:$with", Port => $ports[0]);
    refuses('no password', qr/the proxy wants authentication/, Proxy => "socks5://127.0.0.1:$with", Port => $ports[0]);
    refuses('not HTTP', qr/the proxy closed the connection|it does not speak HTTP|Connection reset/,
        Proxy => "http://127.0.0.1:$port", Port => $ports[0], Timeout => 5);
    $_->stop for $open, $guarded;
}

SKIP: {
    my $program = program('tinyproxy') or skip 'no tinyproxy', 1;
    my ($open, $port) = tinyproxy($program, '', @ports, $closed);
    everything('tinyproxy', "http://127.0.0.1:$port");
    refuses('nobody there', qr/the proxy refused: 5\d\d/, Proxy => "http://localhost:$port", Port => $closed);
    refuses('a port that is not allowed', qr/the proxy refused: 403/, Proxy => "http://localhost:$port", Port => $server->port('lenient'));
    refuses('not SOCKS5', qr/it does not speak SOCKS5|the proxy closed the connection|.*timed out|Connection reset/,
        Proxy => "socks5://127.0.0.1:$port", Port => $ports[0], Timeout => 2);
    my ($guarded, $with) = tinyproxy($program, 'me passw0rd', @ports);
    everything('tinyproxy with a password', "http://me:passw0rd\@127.0.0.1:$with");
    refuses('a wrong password', qr/the proxy refused(?: user and password)?: 40[17]/, Proxy => "http://me:wr0ng\@127.0.0.1:$with", Port => $ports[0]);
    refuses('no password', qr/the proxy wants authentication: 407/, Proxy => "http://127.0.0.1:$with", Port => $ports[0]);
    $_->stop for $open, $guarded;
}

$server->stop;
done_testing();
