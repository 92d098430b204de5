#!perl

# auth against real servers on loopback, every mechanism each of them has, with
# the right password and with a wrong one, plain and under TLS; and the same
# with the core module where that can do it.
#
#   prove -b xt/auth-peers.t
#   NSX_PEERS='Exim' prove -bv xt/auth-peers.t    # only these

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Net::SMTP::XS;

use constant TIMEOUT => 20;

my $has_stock = eval { require Net::SMTP; require Authen::SASL; require IO::Socket::SSL; 1 };
my @by_stock  = qw(PLAIN LOGIN CRAM-MD5);

# Server, its mechanisms in the clear and under TLS, and what of them are chosen
# when nothing is named.
my @peers = (
    {   server => 'Postfix',           # with Cyrus SASL
        clear  => [qw(SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN)],
        first  => 'SCRAM-SHA-256',
    },
    {   server => 'PostfixDovecot',
        clear  => [qw(SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN)],
        tokens => [qw(OAUTHBEARER XOAUTH2)],
        first  => 'SCRAM-SHA-256',
    },
    {   server => 'Exim',
        clear  => [qw(CRAM-MD5 PLAIN LOGIN)],
        first  => 'CRAM-MD5',
        external => 1,
    },
    {   server => 'OpenSMTPD',
        clear  => [],
        tls    => [qw(PLAIN LOGIN)],
        first  => 'PLAIN',
    },
);

my $only = $ENV{NSX_PEERS};
for my $peer (grep { !$only || $_->{server} =~ /$only/ } @peers) {
    my $class = "NSX::Author::$peer->{server}";
    eval "require $class; 1" or die $@;
  SKIP: {
        my $why = $class->missing;
        skip "$peer->{server}: $why", 1 if $why;
        my $server = $class->start;
        subtest $peer->{server} => sub { eval { judge($peer, $server); 1 } or fail $@ };
        diag $server->log if !Test::More->builder->is_passing;
        $server->stop;
    }
}
done_testing;

sub judge {
    my ($peer, $server) = @_;
    my @clear = @{ $peer->{clear} };
    my @tls   = @{ $peer->{tls} || $peer->{clear} };

    for my $port (grep { defined $server->port($_) } qw(auth submission smtps)) {
        for my $name ($port eq 'auth' ? @clear : @tls) {
            mechanism($server, $port, $name);
        }
    }
    by_itself($peer, $server);
    tokens($server, $_) for @{ $peer->{tokens} || [] };
    external($server) if $peer->{external};
}

sub connected {
    my ($class, $server, $port, %new) = @_;
    my %ssl = (SSL_ca_file => $server->ca_file, SSL_verifycn_name => 'localhost');
    my $smtp = $class->new($server->host, Port => $server->port($port), Timeout => TIMEOUT,
        $port eq 'smtps' ? (SSL => 1, %ssl) : (), %new) or die "no session: $@";
    $smtp->starttls(%ssl, %new) || die "no TLS: $@" if $port eq 'submission';
    return $smtp;
}

# Whether the server takes mail for others from us: those who are logged in.
sub may_send {
    my ($smtp) = @_;
    my $may = $smtp->mail('a@nsx.test') && $smtp->to('b@nsx.test');
    $smtp->reset;
    return $may ? 1 : 0;
}

sub status_of {
    my ($smtp) = @_;
    return join ' ', $smtp->code, map { s/\s+\z//r } $smtp->message;
}

# The right password, then in a session of its own a wrong one.
sub mechanism {
    my ($server, $port, $name) = @_;
    my $smtp = connected('Net::SMTP::XS', $server, $port);
    my $ok = $smtp->auth($server->user, $server->password, mechanism => $name);
    my $right = status_of($smtp);
    ok $ok, "$port: $name" or diag $right;
    is may_send($smtp), 1, "$port: $name, logged in";
    $smtp->quit;

    $smtp = connected('Net::SMTP::XS', $server, $port);
    ok !$smtp->auth($server->user, 'not-this-one', mechanism => $name), "$port: $name, wrong password";
    my $wrong = status_of($smtp);
    like $wrong, qr/^535 /, "$port: $name, the server says so";
    is may_send($smtp), 0, "$port: $name, not logged in";
    $smtp->quit;
    as_stock($server, $port, $name, $right, $wrong);
}

sub as_stock {
    my ($server, $port, $name, @ours) = @_;
    return if !$has_stock || !grep { $_ eq $name } @by_stock;
    my @stock = map {
        my $smtp = connected('Net::SMTP', $server, $port);
        ${*$smtp}{net_smtp_esmtp}{AUTH} = $name;
        $smtp->auth($server->user, $_);
        my $told = status_of($smtp);
        $smtp->quit;
        $told;
    } $server->password, 'not-this-one';
    is_deeply \@stock, \@ours, "$port: $name, as with Net::SMTP";
}

sub by_itself {
    my ($peer, $server) = @_;
    for my $port (grep { defined $server->port($_) } qw(auth submission smtps)) {
        open my $file, '+>', undef or die "temporary file: $!";
        open my $saved, '>&', \*STDERR or die "dup: $!";
        open STDERR, '>&', $file or die "dup: $!";
        my $smtp = connected('Net::SMTP::XS', $server, $port);
        $smtp->debug(1);
        my $ok = $smtp->auth($server->user, $server->password);
        my $may = may_send($smtp);
        $smtp->quit;
        open STDERR, '>&', $saved or die "dup: $!";
        seek $file, 0, 0;
        my $said = join '', readline $file;
        ok $ok, "$port: nothing named";
        is $may, 1, "$port: logged in";
        my ($tried) = $said =~ />>> AUTH (\S+)/;
        is $tried, $peer->{first}, "$port: the strongest";
        unlike $said, qr/\Q${\$server->password}\E/, "$port: and no password shown";
    }
}

sub tokens {
    my ($server, $name) = @_;
    for my $port (qw(auth submission)) {
        my $token = $server->token($server->user, 60);
        my $smtp  = connected('Net::SMTP::XS', $server, $port);
        ok $smtp->auth($server->user, undef, token => sub {$token}, mechanism => $name), "$port: $name"
            or diag status_of($smtp);
        is may_send($smtp), 1, "$port: $name, logged in";
        $smtp->quit;
        $smtp = connected('Net::SMTP::XS', $server, $port);
        ok !$smtp->auth($server->user, undef, token => $server->token($server->user, -3),
            mechanism => $name), "$port: $name, expired";
        like status_of($smtp), qr/^535 .*\Q$name\E: .*"status"/, "$port: $name, with the reason";
        $smtp->quit;
    }
}

sub external {
    my ($server) = @_;
    my %certificate = (
        SSL_cert_file => $server->{certificate}{cert},
        SSL_key_file  => $server->{certificate}{key},
    );
    my $smtp = connected('Net::SMTP::XS', $server, 'submission', %certificate);
    like $smtp->supports('AUTH'), qr/\bEXTERNAL\b/, 'a client certificate brings EXTERNAL';
    ok $smtp->auth('', undef, mechanism => 'EXTERNAL', authzid => $server->user), 'which is accepted'
        or diag status_of($smtp);
    is may_send($smtp), 1, 'and logs in';
    $smtp->quit;
    $smtp = connected('Net::SMTP::XS', $server, 'submission', %certificate);
    ok !$smtp->auth('', undef, mechanism => 'EXTERNAL', authzid => 'somebody'), 'not for anybody';
    is $smtp->code, 535, 'but refused';
    $smtp->quit;
}
