# SSL_* options that are not about trust; those that are unknown; and the
# defaults of IO::Socket::SSL when a script has loaded it.
use strict;
use warnings;
use lib 't/lib';
use File::Temp ();
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Net::SMTP::XS;

sub cert { NSX::Test::TLS::cert(@_) }
my %ca = (SSL_ca_file => cert('ca.pem'));

sub connected {
    my ($server_arg, %arg) = @_;
    my $server = NSX::Test::TLS->implicit(%$server_arg);
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1,
        Timeout => 60, %ca, %arg);
    diag($@) if !$smtp && !$server_arg->{expect_failure};
    return wantarray ? ($smtp, $server) : $smtp;
}

# --- told by name ---

sub told {
    my ($like, %arg) = @_;
    my ($name) = grep { !/^(?:SSL_cert_file|SSL_ca_file)$/ } keys %arg;
    $name ||= (keys %arg)[0];
    my $lived = eval { Net::SMTP::XS->new('127.0.0.1', Port => 1, SSL => 1, %ca, %arg); 1 };
    ok(!$lived, "$name dies in new");
    like($@, $like, 'by name') or return;
    like($@, qr/ at \Q$0\E line /, 'at the line of the script');
}

told(qr/^SSL_colour is not supported by Net::SMTP::XS/, SSL_colour => 'red');
told(qr/^SSL_cert is not supported.*SSL_cert_file/, SSL_cert => 12345);
told(qr/^SSL_key is not supported.*SSL_key_file/, SSL_key => 12345);
told(qr/^SSL_npn_protocols is not supported/, SSL_npn_protocols => ['smtp']);
told(qr/^SSL_create_ctx_callback is not supported/, SSL_create_ctx_callback => sub {1});
told(qr/^SSL_ocsp_staple_callback is not supported/, SSL_ocsp_staple_callback => sub {1});
told(qr/^SSL_verifycn_publicsuffix is not supported/, SSL_verifycn_publicsuffix => '');
told(qr/^SSL_server => 1 is not supported/, SSL_server => 1);
told(qr/^SSL_startHandshake => 0 is not supported/, SSL_startHandshake => 0);
told(qr/^SSL_keepSocketOnError => 1 is not supported/, SSL_keepSocketOnError => 1);
told(qr{^SSL_ca_file /nonexistent/ca.pem can't be used: }, SSL_ca_file => '/nonexistent/ca.pem');
told(qr/^SSL_ca_path \/nonexistent does not exist/, SSL_ca_path => '/nonexistent');
told(qr/^SSL_ca \/nonexistent can't be used: /, SSL_ca => '/nonexistent');
told(qr/^SSL_ca takes PEM text/, SSL_ca => [94201]);
told(qr/^SSL_cert_file \/nonexistent can't be used: /, SSL_cert_file => '/nonexistent');
told(qr/^SSL_key_file \/nonexistent can't be used: /, SSL_cert_file => cert('client.pem'),
    SSL_key_file => '/nonexistent');
told(qr/^SSL_verify_mode must be a number and not a string/, SSL_verify_mode => 'SSL_VERIFY_PEER');
told(qr/^$_->[0] must be a whole number and not /, $_->[0] => $_->[1])
    for ['SSL_verify_mode', 'nan'], ['SSL_verify_mode', 'inf'], ['SSL_verify_mode', 0.5],
    ['SSL_verify_mode', -1], ['SSL_verify_mode', 9**9**9], ['SSL_verify_mode', 4294967296],
    ['SSL_ocsp_mode', 'nan'], ['SSL_ocsp_mode', 2.5];
told(qr/^SSL_verify_callback must be a code reference/, SSL_verify_callback => 'name');
told(qr/^SSL_verifycn_scheme gopher is not known/, SSL_verifycn_scheme => 'gopher');
told(qr/^SSL_verifycn_scheme has a word/, SSL_verifycn_scheme => { check_cn => 'perhaps' });
told(qr/^invalid SSL_version specified: 'TLSv7'/, SSL_version => 'TLSv7');
told(qr/^cannot set multiple SSL protocols/, SSL_version => 'TLSv1_2:TLSv1_3');
told(qr/^SSL_verifycn_name holds a NUL/, SSL_verifycn_name => "good.example\0.evil.example");
told(qr/^SSL_alpn_protocols must be an array reference/, SSL_alpn_protocols => 'smtp');
told(qr/^SSL_session_cache must be a /, SSL_session_cache => {});
told(qr/^SSL_reuse_ctx must be a /, SSL_reuse_ctx => {});
told(qr/^SSL_keylog must be a file name or a handle/, SSL_keylog => sub {1});
told(qr/^SSL_use_cert needs SSL_cert_file/, SSL_use_cert => 1);

subtest 'in starttls: before anything is sent' => sub {
    my $server = NSX::Test::TLS->starttls;
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, Timeout => 60, SSL_colour => 'red');
    ok($smtp, 'new does not look at them without SSL');
    ok(!eval { $smtp->starttls; 1 }, 'starttls does');
    like($@, qr/^SSL_colour is not supported/, 'by name');
    ok(!$smtp->starttls(SSL_colour => undef, SSL_cipher_list => 'NO-SUCH-CIPHER', %ca), 'nor one without use');
    like($@, qr/SSL_cipher_list/, 'by name');
    ok($smtp->starttls(SSL_colour => undef, %ca), 'and undef is not given');
    $smtp->quit;
    my ($seen) = $server->finish;
    is(scalar(() = $seen =~ /^STARTTLS$/mg), 1, 'STARTTLS was sent once');
};

subtest 'not given, or without meaning for a client' => sub {
    my $smtp = connected({}, SSL_cert_file => '', SSL_key_file => '', SSL_ca_path => '',
        SSL_fingerprint => '', SSL_verify_callback => undef, SSL_cipher_list => undef,
        SSL_honor_cipher_order => 1, SSL_dh_file => '/nonexistent', SSL_server => 0,
        SSL_startHandshake => 1, SSL_mode_release_buffers => 1, SSL_session_id_context => 'x',
        Colour => 'red');
    ok($smtp, 'connected');
};

# --- protocol ---

is(connected({}, SSL_version => 'TLSv1_2')->get_sslversion, 'TLSv1_2', 'SSL_version');
is(connected({}, SSL_version => 'SSLv23:!TLSv1_3:!SSLv3:!SSLv2')->get_sslversion, 'TLSv1_2', 'without one');
is(connected({ s_server => ['-tls1_2'], expect_failure => 1 }, SSL_version => 'TLSv1_3'), undef, 'refused');
like($@, qr/^SSL connect attempt failed .*protocol version/, 'in words');
is(connected({}, SSL_version => 'TLSv1_2', SSL_cipher_list => 'ECDHE-ECDSA-CHACHA20-POLY1305')->get_cipher,
    'ECDHE-ECDSA-CHACHA20-POLY1305', 'SSL_cipher_list');
is(connected({}, SSL_version => 'TLSv1_3', SSL_ciphersuites => 'TLS_CHACHA20_POLY1305_SHA256')->get_cipher,
    'TLS_CHACHA20_POLY1305_SHA256', 'SSL_ciphersuites');
ok(connected({ s_server => ['-groups', 'P-384'] }, SSL_ecdh_curve => 'P-384'), 'SSL_ecdh_curve');
is(connected({ s_server => ['-groups', 'P-384'], expect_failure => 1 }, SSL_ecdh_curve => 'P-256'),
    undef, 'that the server does not have');
is(connected({ s_server => ['-alpn', 'smtp'] }, SSL_alpn_protocols => ['pop3', 'smtp'])->alpn_selected,
    'smtp', 'SSL_alpn_protocols');
is(connected({}, SSL_alpn_protocols => ['smtp'])->alpn_selected, undef, 'that the server ignores');

# --- secrets ---

subtest 'SSL_keylog' => sub {
    my $dir = File::Temp->newdir;
    my $smtp = connected({}, SSL_keylog => "$dir/keys") or return fail('connected');
    ok(-s "$dir/keys", 'a file');
    is((stat _)[2] & 0777, 0600, 'that only its owner reads');
    open my $log, '+>', "$dir/more" or die "more: $!";
    ok(connected({}, SSL_keylog => $log), 'a handle');
    close $log;
    open $log, '<', "$dir/more" or die "more: $!";
    like(scalar <$log>, qr/^[A-Z_]+ [0-9a-f]{64} [0-9a-f]+$/, 'in the usual form');
};

# --- resumption ---

sub say_one {
    my ($smtp) = @_;
    $smtp->mail('a@b.example');    # TLS 1.3 tickets come with the replies
    my $reused = $smtp->get_session_reused;
    $smtp->quit;
    return $reused;
}

# One s_server must see all connections, or it does not know its tickets.
my $ticket_key = ['-no_ticket'];
subtest 'sessions' => sub {
    require Net::SMTP::XS::TLS;
    my $cache = Net::SMTP::XS::TLS::SessionCache->new(10);
    my $smtp = connected({}, SSL_session_cache => $cache, SSL_session_key => 'one') or return;
    say_one($smtp);
    ok($cache->count > 0, 'a session was kept');
    $cache->forget('two');
    ok($cache->count > 0, 'forget forgets by key');
    $cache->forget;
    is($cache->count, 0, 'or all');
    ok(!eval { Net::SMTP::XS::TLS::SessionCache->new('many'); 1 }, 'a size is a number');
    ok(connected({}, SSL_session_cache_size => 5), 'SSL_session_cache_size');
    my $other = bless { room => 3 }, 'IO::Socket::SSL::Session_Cache';
    @IO::Socket::SSL::Session_Cache::ISA = ();
    ok(connected({}, SSL_session_cache => $other), 'a cache of IO::Socket::SSL stands for one of ours');
};

subtest 'SSL_reuse_ctx' => sub {
    my $first = connected({}, SSL_alpn_protocols => ['smtp']) or return fail('connected');
    my $server = NSX::Test::TLS->implicit(s_server => ['-alpn', 'smtp']);
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1, SSL_reuse_ctx => $first);
    ok($smtp, 'another connection') or diag($@);
    is($smtp->alpn_selected, 'smtp', 'with the same options');
    my $context = Net::SMTP::XS::TLS::Context->new(%ca, SSL_version => 'TLSv1_2');
    $smtp = connected({}, SSL_reuse_ctx => $context);
    is($smtp->get_sslversion, 'TLSv1_2', 'a context made before');
};

# --- IO::Socket::SSL's defaults ---

SKIP: {
    skip 'IO::Socket::SSL is not there', 1
        if !eval { require IO::Socket::SSL; IO::Socket::SSL->VERSION(2.007); 1 };
    subtest 'defaults of IO::Socket::SSL' => sub {
        my $new = sub {
            my ($server_arg, %arg) = @_;
            my $server = NSX::Test::TLS->implicit(%$server_arg);
            return Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => 60, %arg);
        };
        ok(!$new->({}), 'none set: refused');
        IO::Socket::SSL::set_client_defaults(SSL_ca_file => cert('ca.pem'));
        ok($new->({}), 'set_client_defaults') or diag($@);
        ok(!$new->({}, SSL_ca_file => cert('other-ca.pem')), 'options come before');
        ok($new->({}, SSL_ca_file => undef), 'undef does not');
        IO::Socket::SSL::set_client_defaults(SSL_verify_mode => 0);
        ok($new->({ cert => 'self-signed.pem' }), 'another default');
        IO::Socket::SSL::set_defaults(mode => 1, SSL_version => 'TLSv1_2');
        ok(!$new->({ cert => 'self-signed.pem' }), 'set_defaults');
        my $smtp = $new->({});
        is($smtp && $smtp->get_sslversion, 'TLSv1_2', 'in all');
        IO::Socket::SSL::set_client_defaults(SSL_colour => 1);
        ok(!eval { $new->({}); 1 }, 'unknown ones are told too');
        like($@, qr/SSL_colour/, 'by name');
    };
}

done_testing;
