# A pool against a server that keeps a ledger: how much faster several connections
# are, what the server allows, and that no message is lost or doubled.
#
#   NSX_POOL_MESSAGES=20000 prove -b xt/pool.t    the whole count; 2,000 otherwise
use strict;
use warnings;
use lib 't/lib', 'xt/lib';

use NSX::Author::Ledger;
use Net::SMTP::XS::Pool;
use Test::More;
use Time::HiRes ();

use constant {
    MESSAGES => $ENV{NSX_POOL_MESSAGES} || 2_000,
    SEED     => $ENV{NSX_POOL_SEED} || 20_261,
};

my @offers = qw(PIPELINING CHUNKING 8BITMIME);

sub pool_for {
    my ($server, %option) = @_;
    return Net::SMTP::XS::Pool->new(Host => $server->host, Port => $server->port, Timeout => 2, %option);
}

sub message {
    my ($n, @more) = @_;
    return (From => 'alice@test', To => "bob\@test", Data => "Message-ID: <$n\@test>\nSubject: $n\n\nhello\n", @more);
}

# Sends that many: the seconds it took, the results by number, the ledger.
sub run_all {
    my ($server, $messages, %option) = @_;
    my $pool = pool_for($server, %option);
    my ($n, %result) = (0);
    $pool->add_from(sub {
        return undef if $n == $messages;
        my $mine = ++$n;
        return { message($mine, Done => sub { $result{$mine} = $_[0]->outcome . ($_[0]->retry ? ' retry' : '') }) };
    });
    my $began = Time::HiRes::time();
    $pool->run;
    return (Time::HiRes::time() - $began, \%result, $server->finish);
}

sub count_of {
    my ($result) = @_;
    my %count;
    $count{$_}++ for values %$result;
    return \%count;
}

subtest 'ten connections beside one, 20 ms away' => sub {
    my %seconds;
    for my $connections (1, 10) {
        my $server = NSX::Author::Ledger->start(latency => 0.02, extensions => \@offers);
        my ($seconds, $result, $book) = run_all($server, 40 * $connections, Connections => $connections);
        is_deeply(count_of($result), { accepted => 40 * $connections }, "$connections: all went");
        cmp_ok($book->most_at_once, '<=', $connections, '... over no more connections');
        $seconds{$connections} = $seconds / (40 * $connections);
    }
    my $times = $seconds{1} / $seconds{10};
    diag sprintf 'ten connections are %.1f times one', $times;
    cmp_ok($times, '>=', 5, 'several times as fast');    # the goal, 9, is for an idle machine
};

subtest "the server's limits" => sub {
    my $server = NSX::Author::Ledger->start(latency => 0.002, extensions => [ @offers, 'LIMITS MAILMAX=7' ]);
    my (undef, $result, $book) = run_all($server, 200, Connections => 5, Rate => '400/s', MessagesPerConnection => 20);
    is_deeply(count_of($result), { accepted => 200 }, 'all went');
    cmp_ok($book->most_per_connection, '<=', 7, 'no connection had more than the server allows');
    cmp_ok($book->most_at_once, '<=', 5, 'no more connections than asked for');
    for my $seconds (0.05, 0.1, 0.25) {
        # the ledger notes when it reads, a moment later than the pool sent
        cmp_ok($book->most_in($seconds), '<=', 400 * $seconds + 4, "the rate holds in every window of $seconds s");
    }
};

subtest 'a server that turns connections away' => sub {
    my $server = NSX::Author::Ledger->start(latency => 0.005, extensions => \@offers, most => 3, per_connection => 25);
    my (undef, $result, $book) = run_all($server, 600, Connections => 20);
    my $count = count_of($result);
    my $deferred = 600 - ($count->{accepted} || 0);
    cmp_ok($deferred, '<=', 120, "at most a fifth deferred: $deferred");
    cmp_ok($book->most_at_once, '<=', 3, 'no more than it allows');
    diag 'turned away: ' . $book->count('turned-away') . ", enough: " . $book->count('enough');
    is_deeply([ grep { $_ > 1 } values %{ $book->taken } ], [], 'nothing twice');
};

subtest MESSAGES . ' messages, and a server with faults' => sub {
    my $server = NSX::Author::Ledger->start(extensions => \@offers, seed => SEED, most => 12, per_connection => 40,
        faults => { close => 0.004, late_close => 0.004, 421 => 0.004, 451 => 0.01, stall => 0.0005 });
    my ($seconds, $result, $book) = run_all($server, MESSAGES, Connections => 10);
    my $taken = $book->taken;
    is(scalar keys %$result, MESSAGES, 'every message has a result');
    my (@lost, @twice, @claimed, %unknown);
    for my $n (1 .. MESSAGES) {
        my $got = $taken->{"<$n\@test>"} || 0;
        push @twice,   $n if $got > 1;
        push @lost,    $n if $result->{$n} =~ /^accepted/ && !$got;
        push @claimed, $n if $result->{$n} =~ /retry/ && $got;
        $unknown{$got}++ if $result->{$n} =~ /^unknown/;
    }
    is_deeply(\@lost,    [], 'what was accepted is there');
    is_deeply(\@twice,   [], 'nothing is there twice');
    is_deeply(\@claimed, [], 'what may be tried again is not there');
    diag explain { seed => SEED, seconds => $seconds, outcomes => count_of($result), unknown => \%unknown };
};

subtest 'memory' => sub {
    plan skip_all => 'no /proc' if !-r '/proc/self/status';
    my $rss = sub { open my $fh, '<', '/proc/self/status' or die; my ($kb) = map {/^VmRSS:\s+(\d+)/} <$fh>; $kb };
    my $server = NSX::Author::Ledger->start(extensions => \@offers);
    my $pool   = pool_for($server, Connections => 4);
    my ($n, @rss) = (0);
    my $every = MESSAGES / 4;
    $pool->add_from(sub {
        return undef if $n == MESSAGES;
        push @rss, $rss->() if $n % $every == 0;
        return { message(++$n, Done => sub { }) };
    });
    $pool->run;
    $server->finish;
    push @rss, $rss->();
    diag "KB after each quarter: @rss";
    cmp_ok($rss[-1] - $rss[1], '<=', 512, 'does not grow with the number of messages');
};

done_testing;
