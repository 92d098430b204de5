# STARTTLS and SSL => 1: the dialogue, the object, its class and its methods.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Net::SMTP::XS;

my $ca = NSX::Test::TLS::cert('ca.pem');

{
    package My::SMTP;
    our @ISA = ('Net::SMTP::XS');
    our @seen;
    sub command { my $self = shift; push @seen, $_[0]; $self->SUPER::command(@_) }
}

sub connected {
    my ($server, %arg) = @_;
    my $class = delete $arg{class} || 'Net::SMTP::XS';
    my $smtp = $class->new('127.0.0.1', Port => $server->port, Timeout => 60,
        SSL_ca_file => $ca, %arg);
    diag("new: $@") if !$smtp;
    return $smtp;
}

ok(!$INC{'Net/SMTP/XS/TLS.pm'}, 'TLS is not loaded with the class');
ok(!$INC{'Net/SMTP/XS/OpenSSL.pm'}, 'nor is OpenSSL');

subtest 'SSL => 1' => sub {
    my $server = NSX::Test::TLS->implicit;
    my $smtp = connected($server, SSL => 1, class => 'My::SMTP') or return fail('connected');
    is(ref $smtp, 'My::SMTP', 'the class is kept');
    ok($smtp->is_SSL, 'is_SSL');
    is($smtp->banner, "mail.nsx.example\n", 'banner, without a CR');
    ok($smtp->mail('a@x.example'), 'mail');
    ok($smtp->to('b@x.example'), 'to');
    ok($smtp->data("one\n.two\n", "three\n"), 'data');
    ok($smtp->quit, 'quit');
    ok((grep { $_ eq 'MAIL' } @My::SMTP::seen), 'overrides are obeyed');
    ok(!defined fileno $smtp, 'closed');
    my ($seen) = $server->finish;
    like($seen, qr/^one\n\.\.two\nthree\n\.\nQUIT\n\z/m, 'what the server got');
};

subtest 'STARTTLS' => sub {
    my $server = NSX::Test::TLS->starttls;
    my $smtp = connected($server, class => 'My::SMTP') or return fail('connected');
    ok(!$smtp->is_SSL, 'not yet');
    ok(!$smtp->isa('IO::Socket::SSL'), 'and no IO::Socket::SSL');
    is($smtp->get_cipher, undef, 'no cipher');
    is($smtp->errstr, 'Undefined SSL object', 'as the error says');
    is($smtp->supports('SIZE'), '1000', 'the capabilities in the clear');
    is($smtp->starttls, "mail.nsx.example", 'starttls answers what hello does');
    ok($smtp->isa('IO::Socket::SSL'), 'an IO::Socket::SSL for who asks');
    is(ref $smtp, 'My::SMTP', 'the class is kept');
    is($smtp->supports('SIZE'), undef, 'the old capabilities are forgotten');
    is($smtp->supports('8BITMIME'), '', 'the new ones are known');
    is($smtp->supports('HELP'), '', 'to the last, without a CR');
    ok(!eval { $smtp->starttls; 1 }, 'a second starttls dies');
    like($@, qr/^SMTP connection is already in SSL mode at \Q$0\E /, 'in words');
    ok($smtp->quit, 'and the session goes on');
    my ($seen) = $server->finish;
    like($seen, qr/\AEHLO \S+\nSTARTTLS\nEHLO \S+\nQUIT\n\z/, 'what the server got');
};

subtest 'what the object knows' => sub {
    my $server = NSX::Test::TLS->implicit(s_server => ['-alpn', 'smtp']);
    my $smtp = connected($server, SSL => 1, SSL_verifycn_name => 'mail.nsx.example',
        SSL_alpn_protocols => ['smtp']) or return fail('connected');
    like($smtp->get_cipher, qr/\A[A-Z0-9_-]+\z/, 'get_cipher');
    like($smtp->get_sslversion, qr/\ATLSv1_[23]\z/, 'get_sslversion');
    is($smtp->get_sslversion_int, $smtp->get_sslversion eq 'TLSv1_3' ? 0x304 : 0x303,
        'get_sslversion_int');
    is($smtp->get_servername, 'mail.nsx.example', 'get_servername');
    is($smtp->alpn_selected, 'smtp', 'alpn_selected');
    is($smtp->get_session_reused, 0, 'get_session_reused');
    is($smtp->pending, 0, 'pending');
    is($smtp->errstr, '', 'errstr');
    for my $name (qw(subject owner)) {
        is($smtp->peer_certificate($name), '/CN=mail.nsx.example/O=Net-SMTP-XS tests', $name);
    }
    is($smtp->peer_certificate($_), '/CN=Net-SMTP-XS test CA', $_) for qw(issuer authority);
    is($smtp->peer_certificate($_), 'mail.nsx.example', $_) for qw(commonName cn);
    is_deeply([$smtp->peer_certificate('subjectAltNames')],
        [2, 'localhost', 2, 'mail.nsx.example', 2, '*.wild.nsx.example',
            7, "\x7f\0\0\1", 7, "\0" x 15 . "\1"], 'subjectAltNames');
    ok(!eval { $smtp->peer_certificate('colour'); 1 }, 'an unknown field');
    like($@, qr/^invalid argument for peer_certificate, valid are: .*subjectAltNames/, 'is an error');
    is($smtp->subject_name, $smtp->peer_certificate('subject'), 'subject_name');
    is($smtp->dump_peer_certificate, "Subject Name: /CN=mail.nsx.example/O=Net-SMTP-XS tests\n"
        . "Issuer  Name: /CN=Net-SMTP-XS test CA\n", 'dump_peer_certificate');
    is($smtp->sock_certificate, undef, 'no certificate of our own');
    is(scalar(my @chain = $smtp->peer_certificates), 1, 'peer_certificates');

    my $cert = $smtp->peer_certificate;
    ok($cert == $chain[0], 'certificates compare');
    like($cert->pem, qr/\A-----BEGIN CERTIFICATE-----\n/, 'pem');
    ok(!eval { my $pointer = $cert + 0; 1 }, 'a certificate is no number');
    like($@, qr/is no handle of Net::SSLeay/, 'in words');
    my ($from, $to) = $cert->validity;
    is((gmtime $to)[5], 170, 'validity');

    like($smtp->get_fingerprint, qr/\Asha256\$[0-9a-f]{64}\z/, 'get_fingerprint');
    like($smtp->get_fingerprint('sha1'), qr/\Asha1\$[0-9a-f]{40}\z/, 'with a digest');
    like($smtp->get_fingerprint('sha256', undef, 1), qr/\Asha256\$pub\$[0-9a-f]{64}\z/, 'of the key');
    is($smtp->get_fingerprint('sha256', $cert), $smtp->get_fingerprint, 'of a certificate');
    is(length $smtp->get_fingerprint_bin('sha512'), 64, 'get_fingerprint_bin');

    ok($smtp->verify_hostname('mail.nsx.example', 'smtp'), 'verify_hostname');
    ok($smtp->verify_hostname('a.wild.nsx.example', 'smtp'), 'by a wildcard');
    ok(!$smtp->verify_hostname('a.b.wild.nsx.example', 'smtp'), 'of one label');
    ok($smtp->verify_hostname('::1'), 'an address');
    ok(!$smtp->verify_hostname('elsewhere.example'), 'another name');
    ok($smtp->verify_hostname('x', { callback => sub { $_[0] eq 'x' && $_[1] eq 'mail.nsx.example' } }),
        'by a callback');
    ok(!eval { $smtp->verify_hostname('x', 'no such scheme'); 1 }, 'an unknown scheme dies');
    $smtp->quit;
};

subtest 'what the class can do' => sub {
    ok(Net::SMTP::XS->can_ssl, 'can_ssl');
    ok(Net::SMTP::XS->can_client_sni, 'can_client_sni');
    ok(Net::SMTP::XS->can_alpn, 'can_alpn');
    ok(!Net::SMTP::XS->can_npn, 'can_npn');
    ok(Net::SMTP::XS::TLS->can_client_sni, 'the TLS class too');
    is(Net::SMTP::XS->get_cipher, undef, 'no cipher of a class');
};

subtest 'STARTTLS refused' => sub {
    my $server = NSX::Test::TLS->start(script => sub {
        my ($c) = @_;
        $c->say('220 here');
        while (defined(my $line = $c->line)) {
            $c->say($line =~ /STARTTLS/ ? '502 no' : '250 ok');
        }
    });
    my $smtp = connected($server) or return fail('connected');
    ok(!$smtp->starttls, 'false');
    is($smtp->code, 502, 'the code');
    is(join('', $smtp->message), "no\n", 'the message');
    ok($smtp->reset, 'the session goes on in the clear');
    ok(!$smtp->is_SSL, 'as is known');
};

subtest 'several connections side by side' => sub {
    my $server = NSX::Test::TLS->implicit(connections => 3);
    my @smtp = map { connected($server, SSL => 1) } 1 .. 3;
    ok($_->mail('a@b.example'), 'mail') for @smtp, @smtp;
    undef $smtp[1];
    ok($_->reset, 'reset') for @smtp[0, 2];
    ok($_->quit, 'quit') for @smtp[2, 0];
};

done_testing;
