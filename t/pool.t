# A pool of connections: every message once, and within what pool and server allow.
use strict;
use warnings;
use lib 't/lib';

use Net::SMTP::XS::Pool;
use NSX::Test::Server;
use Test::More;
use Time::HiRes ();

use constant LIMIT => 60;    # seconds, of a server

my @offers = qw(PIPELINING CHUNKING 8BITMIME);

sub server {
    my (%arg) = @_;
    return NSX::Test::Server->start(limit => LIMIT, concurrent => 1,
        smtp => { extensions => \@offers, %{ delete $arg{smtp} || {} } }, %arg);
}

sub pool_for {
    my ($server, %option) = @_;
    return Net::SMTP::XS::Pool->new(Host => $server->host, Port => $server->port, Timeout => 30, %option);
}

sub message {
    my ($n, @more) = @_;
    return (From => 'alice@test', To => "bob$n\@test", Data => "Subject: $n\n\nhello\n", @more);
}

sub numbers { return [ sort { $a <=> $b } map { $_->{data} =~ /^Subject: (\d+)/m } @{ $_[0]{messages} } ] }

sub per_connection {
    my ($log) = @_;
    return map { scalar grep { $_->{line} =~ /^MAIL/ } @{ $_->{commands} } } @{ $log->{connections} };
}

sub commands { return map { map { $_->{line} } @{ $_->{commands} } } @{ $_[0]{connections} } }

subtest 'many messages over a few connections' => sub {
    my $server = server();
    my $pool   = pool_for($server, Connections => 3);
    my (@done, @progress);
    $pool->add(message($_, Done => sub { push @done, $_[0] })) for 1 .. 30;
    ok($pool->run(Progress => sub { push @progress, [@_] }), 'all were sent');
    my $log = $server->finish;
    is_deeply(numbers($log), [ 1 .. 30 ], 'each once');
    is(scalar(grep { $_->outcome eq 'accepted' } @done), 30, 'each has its result');
    cmp_ok(scalar @{ $log->{connections} }, '<=', 3, 'no more connections than asked for');
    ok(!grep({ /^RSET/ } commands($log)), 'no RSET between them');
    is_deeply([ map { @{ $_->{breaches} } } @{ $log->{connections} } ], [], 'the client broke no rule');
    is(scalar(grep { $_ eq 'QUIT' } commands($log)), scalar @{ $log->{connections} }, 'each connection ends by QUIT');
    is_deeply([ @{ $progress[-1] }[0 .. 2] ], [ 30, 0, 0 ], 'and progress was told to the end');
};

subtest 'results without Done' => sub {
    my $server = server();
    my $pool   = pool_for($server);
    $pool->add(message(1));
    $pool->add(message(2, To => 'bad@test'));
    ok(!$pool->run, 'one failed');
    is_deeply([ sort map { $_->outcome } $pool->results ], [qw(accepted refused)], 'both are told');
    is_deeply([ $pool->results ], [], '... once');
    $server->finish;
};

subtest 'messages per connection' => sub {
    my $server = server();
    my $pool   = pool_for($server, Connections => 2, MessagesPerConnection => 4);
    $pool->add(message($_)) for 1 .. 10;
    ok($pool->run, 'all were sent');
    my $log = $server->finish;
    is_deeply(numbers($log), [ 1 .. 10 ], 'each once');
    is_deeply([ grep { $_ > 4 } per_connection($log) ], [], 'at most four on one connection');
};

subtest "the server's own limit of messages" => sub {
    my $server = server(smtp => { extensions => [ @offers, 'LIMITS MAILMAX=3' ] });
    my $pool   = pool_for($server, Connections => 2);
    $pool->add(message($_)) for 1 .. 8;
    ok($pool->run, 'all were sent');
    is_deeply([ grep { $_ > 3 } per_connection($server->finish) ], [], 'is kept');
};

subtest '421 before a body moves the message' => sub {
    my $server = server(smtp => { replies => { MAIL => [ '250 ok', '250 ok', '421 4.3.2 enough' ] } });
    my $pool   = pool_for($server, Connections => 1);
    $pool->add(message($_)) for 1 .. 6;
    ok($pool->run, 'all were sent');
    is_deeply(numbers($server->finish), [ 1 .. 6 ], 'each once');
};

subtest 'nobody listens' => sub {
    my $server = server();
    $server->finish;
    my $pool = pool_for($server, GiveUp => 0.2);
    $pool->add(message($_)) for 1 .. 3;
    ok(!$pool->run, 'nothing was sent');
    my @results = $pool->results;
    is_deeply([ map { $_->outcome . ' ' . $_->stage } @results ], [ ('deferred connect') x 3 ], 'all may be tried again');
    is_deeply([ $results[0]->retry ], ['bob1@test'], '... by name');
    like("$results[0]", qr/refused/i, '... and say why');
};

subtest 'wrong options of the connections' => sub {
    my $pool = Net::SMTP::XS::Pool->new(Host => 'localhost', StartTLS => 'sometimes');
    $pool->add(message(1));
    ok(!$pool->run, 'nothing was sent');
    like(($pool->results)[0], qr/StartTLS => "sometimes"/, 'the result says why, at once');
};

subtest 'a wrong argument is a result' => sub {
    my $server = server();
    my $pool   = pool_for($server);
    $pool->add(message(1, Colour => 'red'));
    $pool->add(message(2));
    ok(!$pool->run, 'one was not sent');
    my ($wrong) = grep { !$_ } $pool->results;
    is($wrong->outcome, 'unsent', 'it is unsent');
    like("$wrong", qr/unknown option "Colour"/, '... and says why');
    is_deeply(numbers($server->finish), [2], 'the other went');
};

subtest 'a callback that dies loses nothing' => sub {
    my $server = server();
    my $pool   = pool_for($server, Connections => 1);
    my @done;
    $pool->add(message($_, Done => sub { push @done, $_[0]; die "third\n" if @done == 3 })) for 1 .. 5;
    ok(!eval { $pool->run; 1 }, 'the exception comes out');
    is($@, "third\n", '... as it was');
    $pool->run;
    is(scalar @done, 5, 'the others went on');
    is_deeply(numbers($server->finish), [ 1 .. 5 ], 'each once');
};

subtest 'stop' => sub {
    my $server = server();
    my $pool   = pool_for($server, Connections => 1);
    my $done   = 0;
    $pool->add(message($_, Done => sub { $pool->stop if ++$done == 2 })) for 1 .. 5;
    $pool->run;
    is($done + $pool->waiting, 5, 'what was not begun waits');
    cmp_ok($pool->waiting, '>=', 2, 'and little was begun');
    $pool->run;
    is_deeply(numbers($server->finish), [ 1 .. 5 ], 'a further run sends it');
};

subtest 'an iterator is asked as messages can go' => sub {
    my $server = server();
    my $pool   = pool_for($server, Connections => 2);
    my ($asked, $done, $ahead) = (0, 0, 0);
    $pool->add_from(sub {
        return undef if $asked == 40;
        my $now = ++$asked - $done;
        $ahead = $now if $now > $ahead;
        return { message($asked, Done => sub { $done++ }) };
    });
    ok($pool->run, 'all were sent');
    is_deeply(numbers($server->finish), [ 1 .. 40 ], 'each once');
    cmp_ok($ahead, '<=', 6, 'never far ahead');
};

subtest 'a connection that is idle ends' => sub {
    my $server = server();
    my $pool   = pool_for($server, IdleTimeout => 0.1);
    $pool->add(message(1));
    my $until = Time::HiRes::time() + LIMIT;
    1 while $pool->turn(0.05) && Time::HiRes::time() < $until;
    cmp_ok(Time::HiRes::time(), '<', $until, 'the last turn says that nothing is open');
    is_deeply(numbers($server->finish), [1], 'the message went');
};

subtest 'a rate' => sub {
    my $server = server();
    my $pool   = pool_for($server, Connections => 4, Rate => '50/s');
    my @at;
    $pool->add(message($_, Done => sub { push @at, Time::HiRes::time() })) for 1 .. 11;
    my $began = Time::HiRes::time();
    ok($pool->run, 'all were sent');
    cmp_ok(Time::HiRes::time() - $began, '>=', 0.199, 'in no less than their time');
    $server->finish;
};

done_testing;
