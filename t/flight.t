#!perl
# Recipients in flight: how many flights they take, buffers that are full, and
# signals meanwhile.  That the results are stock's is in t/oracle-flight.t.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Server;
use Test::More;
use Time::HiRes ();

use Net::SMTP::XS;

sub session {
    my ($table, $n, $size) = @_;
    my $server = NSX::Test::Server->start(smtp => { extensions => ['PIPELINING'], %$table });
    my $smtp   = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60) or die $@;
    my @to     = map { $_ . 'x' x ($size || 0) . '@test' } 1 .. $n;
    $smtp->mail('a@test');
    my @good = $smtp->to(@to, { SkipBad => 1 });
    is_deeply \@good, \@to, "$n recipients are accepted, in their order";
    ok $smtp->quit, 'and the session goes on';
    my $log = $server->finish;
    is_deeply [ @{ $log->{connections}[0]{breaches} || [] } ], [], 'nothing the RFCs forbid';
    return [ $server->turns($log->{connections}[0]) ];
}

my $turns = session({ hold => { RCPT => qr/RCPT TO:<50\@test>\r\n/ } }, 50);
is scalar grep({ grep {/^RCPT/} @{ $_->{commands} } } @$turns), 1, 'fifty recipients take one flight';
session({ no_ahead => 1 }, 3000, 60);
session({ gather => 1 }, 3000, 60);

# A server whose second reply comes late, and a handler that runs meanwhile.
sub interrupted {
    my ($handler, @more) = @_;
    my $n = 0;
    my $reply = sub { Time::HiRes::sleep(0.4) if ++$n == 2; return $n == 3 ? '550 no' : "250 ok $n" };
    my $server = NSX::Test::Server->start(
        smtp => { extensions => ['PIPELINING'], replies => { RCPT => $reply } });
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60) or die $@;
    $smtp->mail('a@test');
    local $SIG{ALRM} = sub { $handler->($smtp) };
    Time::HiRes::alarm(0.15);
    my @good = eval { $smtp->to(map({"user$_\@test"} 1 .. 6), { SkipBad => 1 }) };
    my $why = $@;
    Time::HiRes::alarm(0);
    ${*$smtp}{test_server} = $server;    # lives as long
    return ($smtp, $why, @good);
}

{
    my $seen = 0;
    my ($smtp, $why, @good) = interrupted(sub { $seen++ });
    is $seen, 1, 'a signal handler runs while replies are waited for';
    is "@good", 'user1@test user2@test user4@test user5@test user6@test', 'and nothing else changes';
    ok $smtp->_NOOP, 'the session goes on';
}
{
    my ($smtp, $why, @good) = interrupted(sub { die "enough\n" });
    is $why, "enough\n", 'a handler may die';
    is $smtp->code, 421, 'the status is that of a reply that is waited for';
    ok $smtp->_NOOP && $smtp->_RSET, 'what is said then has its own reply';
    ok $smtp->mail('b@test') && $smtp->to('c@test') && $smtp->quit, 'and so on';
}
{
    my ($smtp, $why, @good) = interrupted(sub { close $_[0] });
    is "@good", 'user1@test', 'a handler may close: those who were accepted before';
    is $smtp->code, 421, 'with the status of a lost session';
}
{
    my $inner;
    my ($smtp, $why, @good) = interrupted(sub { $inner = $_[0]->_NOOP });
    ok $inner, 'a handler that gives a command gets its own reply';
    is "@good", 'user1@test', 'nobody knows then who was accepted';
    ok !$smtp->data, 'so that nothing is sent';
    is $smtp->code, 421, 'and the session is closed';
}

done_testing;
