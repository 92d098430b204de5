# The constructor's own options, which Net::SMTP does not have.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Net::SMTP::XS;
use NSX::Test::Server;

use constant TIMEOUT => 5;

sub server { NSX::Test::Server->start(smtp => {@_}) }

sub client {
    my ($server, @options) = @_;
    return Net::SMTP::XS->new($server->host, Port => $server->port,
        Timeout => TIMEOUT, @options);
}

# What a server got of a message that is sent whole, or in pieces.
sub delivered {
    my ($rule, @pieces) = @_;
    my $server = server();
    my $smtp = client($server, defined $rule ? (BareCR => $rule) : ());
    $smtp->mail('a@test');
    $smtp->to('b@test');
    my $ok = @pieces == 1
        ? $smtp->data($pieces[0])
        : $smtp->data && !(grep { !$smtp->datasend($_) } @pieces) && $smtp->dataend;
    my $code = $smtp->code;
    $smtp->quit;
    return ($ok, $code, $server->finish->{messages}[0]{data});
}

subtest 'BareCR' => sub {
    is +(delivered(undef, "a\rb\r\n"))[2], "a\rb\r\n", 'passes by default';
    is +(delivered(convert => "a\rb\n.c\r"))[2], "a\r\nb\r\n.c\r\n", 'convert';
    is +(delivered(convert => "a\r", ".b\r", "\nc\r", "\n"))[2],
        "a\r\n.b\r\nc\r\n", 'convert over the seams of datasend';
    my ($ok, $code, $data) = delivered(refuse => "a\rb\n");
    ok !$ok, 'refuse: data fails';
    is $code, 554, 'refuse: status';
    is $data, undef, 'refuse: nothing is delivered';
    ok +(delivered(refuse => "a\r\nb\n"))[0], 'refuse lets line ends pass';
    ok !(delivered(refuse => "a\r"))[0], 'a CR in last place is bare';
    is +(delivered(refuse => "a\n", "b\r", "c\n"))[2], undef,
        'what came before a refused piece is not delivered';
    is +(delivered(refuse => "a\n", "b\r"))[2], undef, 'nor before a last CR';
    ok !eval { client(server(), BareCR => 'keep'); 1 }, 'another word dies';
    like $@, qr/BareCR => "keep": it takes 'convert' or 'refuse' at \Q$0\E/,
        'and is named';
};

subtest 'NextHost' => sub {
    my @ports;
    my $refusing = NSX::Test::Server->start(connections => [['554 go away']]);
    my $willing  = server();
    my @hosts = map { $_->host . ':' . $_->port } $refusing, $willing;
    is(Net::SMTP::XS->new(\@hosts, Timeout => TIMEOUT), undef,
        'without it the first refusal is final');
    like $@, qr/554 go away/, 'and told';

    $refusing = NSX::Test::Server->start(connections => [['554 go away']]);
    @hosts = map { $_->host . ':' . $_->port } $refusing, $willing;
    my $smtp = Net::SMTP::XS->new(\@hosts, Timeout => TIMEOUT, NextHost => 1);
    ok $smtp, 'with it the next host is asked';
    is $smtp->host, $hosts[1], 'and that is the host';
    ok $smtp->quit, 'a session as any';
};

subtest 'SMTPUTF8' => sub {
    my $server = server(extensions => ['SMTPUTF8']);
    my $smtp   = client($server);
    $smtp->mail("\xc3\xbc\@test", SMTPUTF8 => 1);
    $smtp->quit;
    like $server->finish->{connections}[0]{in},
        qr/^MAIL FROM:<\xc3\xbc\@test> SMTPUTF8\r$/m, 'the parameter';
    my @warned;
    local $SIG{__WARN__} = sub { push @warned, @_ };
    client(server())->mail('a@test', SMTPUTF8 => 1);
    like "@warned", qr/SMTPUTF8 option not supported by host at \Q$0\E/,
        'a warning where the server lacks it';
};

done_testing;
