#!perl

# auth with an Authen::SASL object and GSSAPI: Postfix, and a Kerberos realm of
# our own.
#
#   prove -b xt/auth-gssapi.t

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Net::SMTP::XS;
use NSX::Author::PostfixKerberos;

BEGIN {
    for my $need ([qw(Authen::SASL libauthen-sasl-perl)], [qw(GSSAPI libgssapi-perl)]) {
        my ($module, $package) = @$need;
        plan skip_all => "no $module ($package)" if !eval "require $module; 1";
    }
    my $why = NSX::Author::PostfixKerberos->missing;
    plan skip_all => $why if $why;
}

use constant TIMEOUT => 20;

my $server = NSX::Author::PostfixKerberos->start;
local %ENV = (%ENV, $server->environment);

sub sasl { Authen::SASL->new(mechanism => 'GSSAPI', callback => { user => $server->user }) }

sub connected {
    my ($port) = @_;
    my $smtp = Net::SMTP::XS->new('localhost', Port => $server->port($port), Timeout => TIMEOUT)
        or die "no session: $@";
    $smtp->starttls(SSL_ca_file => $server->ca_file) || die "no TLS: $@" if $port eq 'submission';
    return $smtp;
}

for my $port (qw(auth submission)) {
    $server->get_ticket;
    my $smtp = connected($port);
    ok $smtp->auth(sasl()), "$port: with a ticket" or diag $smtp->message, $server->log;
    ok $smtp->mail('a@nsx.test') && $smtp->to('b@nsx.test'), 'logged in';
    $smtp->reset;
    $smtp->quit;

    unlink "$server->{dir}/krb/tickets" or die "tickets: $!";
    $smtp = connected($port);
    is_deeply [$smtp->auth(sasl())], [], "$port: without one";
    like $smtp->message, qr/^GSSAPI: GSSAPI Error/, 'the reason is told';
    ok $smtp->mail('a@nsx.test') && !$smtp->to('b@nsx.test'), 'not logged in, and the session goes on';
    $smtp->quit;
}

$server->stop;
done_testing;
