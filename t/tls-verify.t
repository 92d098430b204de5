# Who is let in and who is not: every option that decides about trust, both
# ways.
use strict;
use warnings;
use lib 't/lib';
use File::Temp ();
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Net::SMTP::XS;

sub cert { NSX::Test::TLS::cert(@_) }

sub slurp {
    open my $in, '<', $_[0] or die "$_[0]: $!";
    local $/;
    return scalar <$in>;
}

my $pem = slurp(cert('ca.pem'));
my ($leaf_pem) = slurp(cert('server.pem')) =~ /(-----BEGIN CERT.*?-----END CERT[^\n]*\n)/s;
my %print;    # fingerprints of the server's certificate
for my $of (qw(cert pub)) {
    my $server = NSX::Test::TLS->implicit;
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1,
        SSL_verify_mode => 0) or BAIL_OUT("no connection without verification: $@");
    $print{$of} = $smtp->get_fingerprint('sha256', undef, $of eq 'pub');
    $smtp->quit;
}
my $wrong_print = 'sha256$' . '00' x 32;

# A connection; the server's arguments come first.
sub attempt {
    my ($server_arg, %arg) = @_;
    my $server = NSX::Test::TLS->implicit(%$server_arg);
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => 60, %arg);
    return ($smtp, $smtp ? '' : $@, $server);
}

sub accepted {
    my ($name, $server_arg, %arg) = @_;
    my ($smtp, $why, $server) = attempt($server_arg, %arg);
    ok($smtp && $smtp->mail('a@b.example'), $name) or diag($why);
    return ($smtp, $server);
}

sub refused {
    my ($name, $like, $server_arg, %arg) = @_;
    my ($smtp, $why, $server) = attempt($server_arg, %arg);
    subtest $name => sub {
        ok(!$smtp, 'no object');
        like($why, $like, 'why, in $@');
        no warnings 'once';
        is("$IO::Socket::SSL::SSL_ERROR", $why, 'and in $SSL_ERROR');
        is(Net::SMTP::XS->errstr, $why, 'and in errstr');
        my ($seen) = $server->finish;
        is($seen, '', 'nothing was said to the server');
    };
}

my %ca = (SSL_ca_file => cert('ca.pem'));
my $unknown_ca = qr/certificate verify failed for 127\.0\.0\.1: .*certificate/;

# --- trust anchors ---

accepted('SSL_ca_file', {}, %ca);
refused('another CA', $unknown_ca, {}, SSL_ca_file => cert('other-ca.pem'));
{
    local $ENV{SSL_CERT_FILE} = cert('ca.pem');
    accepted('SSL_CERT_FILE', {});
    $ENV{SSL_CERT_FILE} = cert('other-ca.pem');
    local $ENV{SSL_CERT_DIR} = '/nonexistent';
    refused('SSL_CERT_FILE of another CA', $unknown_ca, {});
}
accepted('SSL_ca with PEM text', {}, SSL_ca => $pem);
accepted('SSL_ca with a list', {}, SSL_ca => [cert('other-ca.pem'), $pem]);
refused('SSL_ca of another CA', $unknown_ca, {}, SSL_ca => cert('other-ca.pem'));
refused('no CA at all', $unknown_ca, {}, SSL_ca_file => \'');
accepted('a leaf as trust anchor', {}, SSL_ca => $leaf_pem);
{
    my $dir = File::Temp->newdir;
    my $hash = `openssl x509 -hash -noout -in "${\cert('ca.pem')}"`;
    chomp $hash;
    symlink cert('ca.pem'), "$dir/$hash.0";
    accepted('SSL_ca_path', {}, SSL_ca_path => "$dir");
    accepted('SSL_ca_path with a list', {}, SSL_ca_path => ['/nonexistent', "$dir"]);
    local $ENV{SSL_CERT_FILE} = '/nonexistent';
    local $ENV{SSL_CERT_DIR} = "$dir";
    accepted('SSL_CERT_DIR', {});
}
accepted('SSL_verify_mode 0', { cert => 'self-signed.pem' }, SSL_verify_mode => 0);
refused('self-signed', $unknown_ca, { cert => 'self-signed.pem' }, %ca);
refused('undef is not given: SSL_verify_mode', $unknown_ca,
    { cert => 'self-signed.pem' }, %ca, SSL_verify_mode => undef);
refused('expired', qr/certificate has expired .*depth 0, certificate .*nsx\.example/,
    { cert => 'expired.pem' }, %ca);

# --- names ---

refused('another host', qr/hostname verification failed: the certificate is not for 127\.0\.0\.1 but for elsewhere\.nsx\.example/,
    { cert => 'elsewhere.pem' }, %ca);
accepted('SSL_verifycn_name', { cert => 'elsewhere.pem' }, %ca,
    SSL_verifycn_name => 'elsewhere.nsx.example');
accepted('SSL_verifycn_name with a port', {}, %ca, SSL_verifycn_name => 'localhost:smtps(465)');
accepted('SSL_verifycn_name with an IPv6 address', {}, %ca, SSL_verifycn_name => '::1');
accepted('in full', {}, %ca, SSL_verifycn_name => '0:0:0:0:0:0:0:1');
accepted('in brackets, with a port', {}, %ca, SSL_verifycn_name => '[::1]:465');
refused('another IPv6 address', qr/not for 2001:db8:0:0:0:0:0:25 /, {}, %ca,
    SSL_verifycn_name => '2001:db8:0:0:0:0:0:25');
accepted('a wildcard', {}, %ca, SSL_verifycn_name => 'mx.wild.nsx.example');
refused('a wildcard for two labels', qr/hostname verification failed/, {}, %ca,
    SSL_verifycn_name => 'a.mx.wild.nsx.example');
accepted('SSL_verifycn_scheme none', { cert => 'elsewhere.pem' }, %ca, SSL_verifycn_scheme => 'none');
accepted('the same as an empty hash', { cert => 'elsewhere.pem' }, %ca, SSL_verifycn_scheme => {});
accepted('SSL_verify_scheme', { cert => 'elsewhere.pem' }, %ca, SSL_verify_scheme => 'none');
accepted('the common name', { cert => 'cn-only.pem' }, %ca, SSL_verifycn_name => 'cn.nsx.example');
refused('a scheme without it', qr/hostname verification failed/, { cert => 'cn-only.pem' }, %ca,
    SSL_verifycn_name => 'cn.nsx.example', SSL_verifycn_scheme => { wildcards_in_alt => 'full_label' });
accepted('a scheme with it', { cert => 'cn-only.pem' }, %ca,
    SSL_verifycn_name => 'cn.nsx.example', SSL_verifycn_scheme => { check_cn => 'when_only' });
{
    my @got;
    accepted('a scheme with a callback', { cert => 'elsewhere.pem' }, %ca,
        SSL_verifycn_scheme => { callback => sub { @got = @_; 1 } });
    is_deeply(\@got, ['127.0.0.1', 'elsewhere.nsx.example', 2, 'elsewhere.nsx.example'],
        'it is given the names');
    refused('a callback that says no', qr/SSL_verify_callback refused|hostname/, {}, %ca,
        SSL_verifycn_scheme => { callback => sub {0} });
}
{
    my ($smtp) = accepted('SSL_hostname', {}, %ca, SSL_hostname => 'other.example');
    is($smtp->get_servername, 'other.example', 'is what the server is told') if $smtp;
    ($smtp) = accepted('SSL_hostname empty', {}, %ca, SSL_verifycn_name => 'localhost', SSL_hostname => '');
    is($smtp->get_servername, undef, 'tells nothing') if $smtp;
}

# --- pins ---

accepted('SSL_fingerprint', { }, SSL_fingerprint => $print{cert}, SSL_ca_file => \'');
accepted('of the key', {}, SSL_fingerprint => $print{pub}, SSL_ca_file => \'');
accepted('in a list', {}, SSL_fingerprint => [$wrong_print, $print{cert}], SSL_ca_file => \'');
refused('SSL_fingerprint that does not fit', qr/no SSL_fingerprint fits/, {},
    SSL_fingerprint => $wrong_print, SSL_ca_file => \'');

# --- revocation ---

accepted('SSL_check_crl', {}, %ca, SSL_check_crl => 1, SSL_crl_file => cert('crl.pem'));
refused('revoked', qr/certificate revoked/, { cert => 'revoked.pem' }, %ca,
    SSL_check_crl => 1, SSL_crl_file => cert('crl.pem'));
accepted('revoked, but nobody asks', { cert => 'revoked.pem' }, %ca);
refused('no CRL to be had', qr/unable to get certificate CRL/, {}, %ca, SSL_check_crl => 1);
refused('a stapled answer that must be there', qr/OCSP/, {}, %ca, SSL_ocsp_mode => 2);
accepted('and one that may be missing', {}, %ca, SSL_ocsp_mode => 16);

# --- callbacks ---

{
    my @calls;
    accepted('SSL_verify_callback', {}, %ca, SSL_verify_callback => sub { push @calls, [@_]; $_[0] });
    is_deeply([map { @$_ > 6 ? 'more' : $_->[5] } @calls], [1, 0], 'called from the root to the leaf');
    is($calls[1][2], '/CN=Net-SMTP-XS test CA/CN=mail.nsx.example/O=Net-SMTP-XS tests', 'with the names');
    is($calls[1][4]->common_name, 'mail.nsx.example', 'and the certificate');
    ok(!$calls[1][3], 'no error');

    @calls = ();
    accepted('a callback that overrules', { cert => 'self-signed.pem' }, %ca,
        SSL_verify_callback => sub { push @calls, [@_]; 1 });
    my ($bad) = grep { !$_->[0] } @calls;
    is($bad->[3] + 0, 18, 'the error as a number');
    like("$bad->[3]", qr/self.signed certificate/, 'and in words');
    refused('a callback that refuses', qr/SSL_verify_callback refused the certificate at depth 1/,
        {}, %ca, SSL_verify_callback => sub {0});

    my $server = NSX::Test::TLS->starttls;
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, Timeout => 60);
    ok(!eval { $smtp->starttls(%ca, SSL_verify_callback => sub { die "no\n" }); 1 },
        'a callback that dies');
    is($@, "no\n", 'its words');
    ok(!defined fileno $smtp, 'ends the connection');
    ok(!$smtp->reset, 'for good');
}
{
    my @trapped;
    my $trap = sub { @trapped = (ref $_[0], $_[1], defined fileno $_[0]) };
    refused('SSL_error_trap', $unknown_ca, { cert => 'self-signed.pem' }, %ca, SSL_error_trap => $trap);
    is($trapped[0], 'Net::SMTP::XS', 'is called with the object');
    like($trapped[1], $unknown_ca, 'and the reason');
    ok($trapped[2], 'before the connection is closed');
}

# --- our own certificate ---

my @ask = ('-Verify', 1, '-verify_return_error', '-CAfile', cert('ca.pem'));
my $asks = { s_server => [@ask, '-tls1_2'] };
refused('a server that asks for a certificate', qr/handshake failure|certificate required|closed the connection/,
    $asks, %ca);
{
    my ($smtp) = accepted('SSL_cert_file', $asks, %ca, SSL_cert_file => cert('client.pem'));
    is($smtp->sock_certificate('cn'), 'A client', 'sock_certificate') if $smtp;
    accepted('SSL_key_file', $asks, %ca, SSL_cert_file => cert('client.pem'), SSL_key_file => cert('client.pem'));
    my @asked;
    accepted('SSL_passwd_cb', $asks, %ca, SSL_cert_file => cert('client.pem'),
        SSL_key_file => cert('client-secret.key'),
        SSL_passwd_cb => sub { push @asked, @_; 'sesame' });
    is_deeply(\@asked, [0], 'asked once');
    accepted('PKCS#12', $asks, %ca, SSL_cert_file => cert('client.p12'), SSL_passwd_cb => sub {'sesame'});
    @asked = ();
    accepted('a key that is not encrypted', $asks, %ca, SSL_cert_file => cert('client.pem'),
        SSL_passwd_cb => sub { push @asked, 1; 'x' });
    is(@asked, 0, 'is not asked for');
    ($smtp) = accepted('SSL_use_cert => 0', {}, %ca, SSL_cert_file => cert('client.pem'), SSL_use_cert => 0);
    is($smtp->sock_certificate, undef, 'keeps it') if $smtp;
}

# --- what cannot work is told before anything is sent ---

sub unusable {
    my ($name, $like, %arg) = @_;
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => 1, SSL => 1, %ca, %arg);
    ok(!$smtp, $name);
    like($@, $like, 'why');
}

unusable('a wrong passphrase', qr/client-secret\.key|passphrase/, SSL_cert_file => cert('client.pem'),
    SSL_key_file => cert('client-secret.key'), SSL_passwd_cb => sub {'wrong'});
unusable('no passphrase', qr/SSL_passwd_cb gave no passphrase for .*client-secret/, SSL_cert_file => cert('client.pem'),
    SSL_key_file => cert('client-secret.key'), SSL_passwd_cb => sub {undef});
unusable('no callback for one', qr/SSL_key_file|passphrase/, SSL_cert_file => cert('client.pem'),
    SSL_key_file => cert('client-secret.key'));
unusable('a key that does not fit', qr/SSL_key_file/, SSL_cert_file => cert('client.pem'),
    SSL_key_file => cert('server.pem'));
unusable('a fingerprint that is none', qr/invalid fingerprint 'xyz'/, SSL_fingerprint => 'xyz');
unusable('a CRL that is none', qr/SSL_crl_file/, SSL_check_crl => 1, SSL_crl_file => cert('ca.pem'));
unusable('a CA file without certificates', qr/SSL_ca_file/, SSL_ca_file => cert('client-secret.key'));
unusable('a cipher list of nothing', qr/SSL_cipher_list/, SSL_cipher_list => 'NO-SUCH-CIPHER');

done_testing;
