# Resumption: a session of an earlier connection is used again, and vouches for
# no more than it did.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use File::Spec;
use IO::Socket::INET;
use Net::SMTP::XS;
use Net::SMTP::XS::TLS;

# One openssl s_server for all: it alone can read the tickets it gave.  It
# answers each line with the line reversed.
my ($pid, $out, $port);

sub start_server {
    open my $errors, '>&', \*STDERR or return;
    open STDERR, '>', File::Spec->devnull;
    $pid = open $out, '-|', 'openssl', 's_server', '-rev', '-accept', '127.0.0.1:0',
        '-cert', NSX::Test::TLS::cert('server.pem'), '-alpn', 'smtp';
    open STDERR, '>&', $errors;
    return if !$pid;
    local $SIG{ALRM} = sub { die "openssl does not start\n" };
    alarm 120;
    eval { while (<$out>) { last if ($port) = /^ACCEPT .*:(\d+)\s*$/ } };
    alarm 0;
}

END { if ($pid) { local $?; kill KILL => $pid; waitpid $pid, 0 } }

start_server();
plan skip_all => 'openssl s_server tells no port' if !$port;

# The object is one that a script blessed itself: that server greets nobody.
sub connected {
    my (%arg) = @_;
    my $smtp = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 60)
        or return diag("connect: $!");
    bless $smtp, 'Net::SMTP::XS';
    my $ok = Net::SMTP::XS::TLS->start_SSL($smtp,
        SSL_ca_file => NSX::Test::TLS::cert('ca.pem'), SSL_verifycn_name => 'localhost', %arg);
    return $ok if !$ok;
    print $smtp "abc\n";    # TLS 1.3 gives tickets after the handshake
    is(scalar <$smtp>, "cba\n", 'connected');
    return $smtp;
}

sub reused {
    my $smtp = connected(@_) or return diag($@);
    my $reused = $smtp->get_session_reused;
    $smtp->close;
    return $reused;
}

for my $version (qw(TLSv1_2 TLSv1_3)) {
    subtest $version => sub {
        my @way = (SSL_version => $version);
        is(reused(@way), 0, 'without a cache');
        is(reused(@way), 0, 'nothing is kept');

        push @way, SSL_session_cache => Net::SMTP::XS::TLS::SessionCache->new(50);
        is(reused(@way), 0, 'the first with a cache');
        is(reused(@way), 1, 'the second');
        is(reused(@way), 1, 'the third');

        is(reused(@way, SSL_session_key => 'x'), 0, 'another key');
        is(reused(@way, SSL_verifycn_name => 'mail.nsx.example'), 0, 'another name');
        is(reused(@way, SSL_verifycn_scheme => 'http'), 0, 'other rules');
        is(reused(@way, SSL_alpn_protocols => ['smtp']), 0, 'other protocols');
        is(reused(@way, SSL_verify_callback => sub {1}), 0, 'a callback');
        is(reused(@way, SSL_verify_callback => sub { my $other = 1 }), 0, 'another callback');
        is(reused(@way), 1, 'and the old ones');
    };
}

subtest 'what was never verified is not taken for verified' => sub {
    my @way = (SSL_session_cache => Net::SMTP::XS::TLS::SessionCache->new(10));
    is(reused(@way, SSL_verify_mode => 0), 0, 'no verification');
    is(reused(@way, SSL_verify_mode => 0), 1, 'again');
    is(reused(@way), 0, 'with verification');
    ok(!connected(@way, SSL_ca_file => NSX::Test::TLS::cert('other-ca.pem')), 'another CA');
    ok(!connected(@way, SSL_verifycn_name => 'elsewhere.example'), 'another host');
    ok(!connected(@way, SSL_verifycn_name => 'elsewhere.example'), 'a refused one leaves nothing');
};

subtest 'by size' => sub {
    is(reused(SSL_session_cache_size => 3), 0, 'the first');
    is(reused(SSL_session_cache_size => 3), 1, 'the second: one cache for the process');
};

subtest 'by context' => sub {
    my $first = connected(SSL_session_cache => Net::SMTP::XS::TLS::SessionCache->new(2));
    ok($first, 'a context with a cache');
    $first->close;
    is(reused(SSL_reuse_ctx => $first), 1, 'in another connection');
};

done_testing;
