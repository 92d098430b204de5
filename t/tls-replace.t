# TLS in Net::SMTP's place: programs that know only that name.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Net::SMTP::XS ':replace';
use Net::SMTP;

my %ca = (SSL_ca_file => NSX::Test::TLS::cert('ca.pem'));

{
    package My::Mailer;
    our @ISA = ('Net::SMTP');
    our $hellos = 0;
    sub hello { my $self = shift; $hellos++; $self->SUPER::hello(@_) }
}

ok(!$INC{'Net/SMTP/XS/TLS.pm'}, 'TLS is not loaded before it is needed');

for my $class ('Net::SMTP', 'My::Mailer') {
    my $server = NSX::Test::TLS->implicit;
    my $smtp = $class->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => 60, %ca);
    ok($smtp, "$class, SSL => 1") or diag($@);
    is(ref $smtp, $class, 'its class');
    ok($smtp->get_cipher, 'get_cipher');
    is($smtp->peer_certificate('cn'), 'mail.nsx.example', 'peer_certificate');
    ok($smtp->mail('a@b.example') && $smtp->quit, 'a session');

    $server = NSX::Test::TLS->starttls;
    $smtp = $class->new('127.0.0.1', Port => $server->port, Timeout => 60);
    ok(!$smtp->get_cipher, 'in the clear');
    ok($smtp->starttls(%ca), 'starttls') or diag($@);
    is(ref $smtp, $class, 'its class');
    is($smtp->supports('SIZE'), undef, 'new capabilities');
    ok($smtp->mail('a@b.example') && $smtp->quit, 'a session');
}
is($My::Mailer::hellos, 3, 'the override of hello was called each time');

my $server = NSX::Test::TLS->implicit(cert => 'elsewhere.pem');
ok(!Net::SMTP->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => 60, %ca), 'the wrong host');
like($@, qr/hostname verification failed/, 'is refused');

done_testing;
