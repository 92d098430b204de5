# A pool on other people's event loops: the messages of each arrive once, those
# that are added on the way too, and an exception of a callback breaks the promise.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Server;
use Net::SMTP::XS::Pool;
use Test::More;

use constant LIMIT => 60;    # seconds, of a server

my @loop = (
    [ 'Net::SMTP::XS::AnyEvent', 'AnyEvent',       sub { $_[0]->recv } ],
    [ 'Net::SMTP::XS::IOAsync',  'IO::Async::Loop', sub { $_[0]->get } ],
    [ 'Net::SMTP::XS::Mojo',     'Mojo::Promise',   sub {
        my ($value, $why);
        $_[0]->then(sub { $value = shift }, sub { $why = shift })->wait;
        die $why if defined $why;
        return $value;
    } ],
);

for my $row (@loop) {
    my ($adapter, $module, $await) = @$row;
    subtest $adapter => sub {
        plan skip_all => "$module is not installed" if !eval "require $module; 1";
        my $server = NSX::Test::Server->start(limit => LIMIT, concurrent => 1,
            smtp => { extensions => [qw(PIPELINING CHUNKING)] });
        my $pool = Net::SMTP::XS::Pool->new(Host => $server->host, Port => $server->port, Connections => 3);
        my $message = sub {
            my ($n, @more) = @_;
            return (From => 'alice@test', To => 'bob@test', Data => "Subject: $n\n\nhello\n", @more);
        };
        my $done = 0;
        $pool->add($message->($_, Done => sub { $pool->add($message->(10 + ++$done, Done => sub { })) if $done < 5 })) for 1 .. 10;
        ok($await->($pool->start($adapter)), 'the promise is kept');
        $pool->add($message->(99, Done => sub { die "enough\n" }));
        ok(!eval { $await->($pool->start($adapter)); 1 }, 'an exception breaks it');
        like($@, qr/\Aenough/, '... as it was');
        ok($await->($pool->start($adapter)), 'and the pool goes on');
        my @number = sort { $a <=> $b } map { $_->{data} =~ /^Subject: (\d+)/m } @{ $server->finish->{messages} };
        is_deeply(\@number, [ 1 .. 15, 99 ], 'each message arrived once');
    };
}

ok(!eval { Net::SMTP::XS::Pool->new(Host => 'localhost')->start('None::Such'); 1 }, 'an adapter that is none');
like($@, qr/start: it takes the name of an adapter/, '... is named');

done_testing;
