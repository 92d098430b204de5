# Options of new that Net::SMTP lacks: Path, Handle, Protocol, StartTLS, Auth.
use strict;
use warnings;
use lib 't/lib';

use File::Temp ();
use IO::Socket::INET;
use NSX::Test::Server;
use NSX::Test::TLS;
use Net::SMTP::XS;
use Test::More;

my $class = 'Net::SMTP::XS';
my @mail = (From => 'a@test', To => 'b@test', Data => "x\n");
my $dir  = File::Temp->newdir;

sub server { return NSX::Test::Server->start(smtp => {@_}) }
sub at { my $server = shift; return ($server->host, Port => $server->port, Timeout => 10) }

sub commands {
    my ($server) = @_;
    return join '|', map { map { $_->{line} } @{ $_->{commands} || [] } } @{ $server->finish->{connections} };
}

{
    my $server = NSX::Test::Server->start(path => "$dir/s", smtp => {});
    my $smtp = $class->new(Path => "$dir/s", Timeout => 10);
    isa_ok $smtp, $class;
    is $smtp->host, "$dir/s", 'Path: the host is the path';
    ok $smtp->send_message(@mail), 'a message by a Unix socket';
    ok $smtp->mail('a@test') && $smtp->to('b@test') && $smtp->data("y\n"), 'and one by the classic methods';
    ok $smtp->quit, 'quit';
    is scalar @{ $server->finish->{messages} }, 2, 'both arrive';
    ok !defined $class->new(Path => "$dir/none"), 'nobody there';
    like $@, qr/\A$class: \S+none: \S/, '$@ says so';
    ok !defined $class->new(Path => 'x' x 300), 'a path that is too long';
    like $@, qr/\A$class: x+: \S/, '$@ says so';
}

{
    package Child;
    our @ISA = ('Net::SMTP::XS');
}

{
    my $server = server();
    my $fh = IO::Socket::INET->new(PeerAddr => $server->host, PeerPort => $server->port) or die "no socket: $@";
    my $smtp = Child->new(Handle => $fh, Timeout => 10);
    isa_ok $smtp, 'Child';
    undef $fh;
    ok $smtp->send_message(@mail), "a message by the caller's socket, which the caller let go of";
    is $smtp->peerport, $server->port, 'its peer';
    $smtp->quit;
    is scalar @{ $server->finish->{messages} }, 1, 'it arrives';
}

{
    my $server = NSX::Test::Server->start(path => "$dir/l", smtp => { lmtp => 1 });
    my $lmtp = $class->new(Path => "$dir/l", Protocol => 'lmtp', Hello => 'me.test', Timeout => 10);
    ok $lmtp && $lmtp->send_message(@mail), 'LMTP';
    $lmtp->quit;
    is commands($server), 'LHLO me.test|MAIL FROM:<a@test>|RCPT TO:<b@test>|DATA|.|QUIT', 'says LHLO';
    $server = server(replies => { LHLO => '500 what?' });
    ok !defined $class->new(at($server), Protocol => 'lmtp'), 'a server that does not speak it';
    like $@, qr/500 what/, '$@ says so';
    is commands($server), 'LHLO localhost.localdomain', 'HELO is not tried';
}

{
    my $server = server();
    ok !defined $class->new(at($server), StartTLS => 'required'), "StartTLS 'required' where it is not offered";
    is $@, "$class: STARTTLS: the server does not offer it", '$@';
    is commands($server), 'EHLO localhost.localdomain', 'nothing else is sent';

    $server = server();
    my $smtp = $class->new(at($server), StartTLS => 'auto');
    ok $smtp, "'auto' where it is not offered";
    $smtp->quit;
    $server->finish;

    $server = server(extensions => ['STARTTLS'], replies => { STARTTLS => '454 4.7.0 not now' });
    ok !defined $class->new(at($server), StartTLS => 'required'), "'required' and refused";
    is $@, "$class: STARTTLS: 454 4.7.0 not now", '$@';
    $server->finish;

    $server = server(extensions => ['STARTTLS'], replies => { STARTTLS => '454 4.7.0 not now' });
    $smtp = $class->new(at($server), StartTLS => 'auto');
    ok $smtp, "'auto' and refused: in the clear";
    ok $smtp->mail('a@test'), 'it goes on';
    $smtp->quit;
    $server->finish;
}

{
    my $server = server(extensions => ['AUTH PLAIN'], replies => { AUTH => '235 2.7.0 welcome' });
    my $smtp = $class->new(at($server), Auth => [ 'alice', 'secret' ]);
    ok $smtp, 'Auth';
    ok !exists ${*$smtp}{net_smtp_arg}{Auth}, 'the password does not stay in the object';
    $smtp->quit;
    like commands($server), qr/\|AUTH PLAIN \S+\|QUIT\z/, 'AUTH follows the greeting';

    $server = server(extensions => ['AUTH PLAIN'], replies => { AUTH => '535 5.7.8 no' });
    ok !defined $class->new(at($server), Auth => [ 'alice', 'wrong' ]), 'Auth refused';
    is $@, "$class: AUTH: 535 5.7.8 no", '$@';
    $server->finish;

    $server = server(extensions => ['AUTH PLAIN']);
    ok !defined $class->new(at($server), Auth => [ 'alice', 'secret' ], StartTLS => 'auto', AuthRequiresTLS => 1), 'AuthRequiresTLS holds';
    like $@, qr/\A$class: AUTH: 538/, '$@';
    unlike commands($server), qr/AUTH/, 'nothing is sent';
}

SKIP: {
    my $why = NSX::Test::TLS->missing;
    skip $why, 4 if $why;
    my $server = NSX::Test::TLS->starttls(connections => 2);
    my @where = ('127.0.0.1', Port => $server->port, Timeout => 30, StartTLS => 'required', SSL_verifycn_name => 'mail.example.com');
    my $smtp = $class->new(@where, SSL_ca_file => NSX::Test::TLS->cert('ca.pem'), SSL_verify_mode => 0);
    ok $smtp && $smtp->is_SSL, 'TLS' or diag $@;
    ok $smtp && $smtp->send_message(@mail), 'a message under TLS';
    $smtp->quit if $smtp;
    ok !defined $class->new('127.0.0.1', Port => $server->port, Timeout => 30, StartTLS => 'auto', SSL_ca_file => NSX::Test::TLS->cert('other-ca.pem')),
        "'auto' with a certificate nobody vouches for";
    like $@, qr/\A$class: STARTTLS: .*certificate/i, '$@';
}

my @wrong = (
    [ 'Protocol', [ 'h', Protocol => 'pop3' ], qr/Protocol => "pop3"/ ],
    [ 'StartTLS', [ 'h', StartTLS => 'maybe' ], qr/StartTLS => "maybe"/ ],
    [ 'StartTLS and SSL', [ 'h', StartTLS => 'auto', SSL => 1 ], qr/StartTLS and SSL/ ],
    [ 'Auth', [ 'h', Auth => 'alice' ], qr/Auth: it takes/ ],
    [ 'Auth without a greeting', [ 'h', Auth => ['a'], SendHello => 0 ], qr/SendHello/ ],
    [ 'a host and a path', [ 'h', Path => '/x' ], qr/Host, Path and Handle/ ],
    [ 'a handle that is none', [ Handle => 'x' ], qr/Handle: it takes/ ],
    [ 'a handle that is a file', [ Handle => \*DATA ], qr/Handle: it takes/ ],
);
for my $wrong (@wrong) {
    my ($what, $options, $says) = @$wrong;
    ok !eval { $class->new(@$options); 1 }, "$what: an exception";
    like $@, qr/$says.* at \S*connect\.t line/, 'that says so';
}

done_testing;

__DATA__
