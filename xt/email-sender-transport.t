# Email::Sender::Transport::NetSMTPXS beside Email::Sender's own transports: what
# is returned and thrown for the same answers of the server, and what the
# server got.
use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan skip_all => 'Email::Sender is not installed'
        if !eval { require Email::Sender::Transport::SMTP; 1 };
}

use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::NetSMTPXS;
use Email::Sender::Transport::SMTP::Persistent;
use NSX::Test::Server;

use constant LIMIT => 30;    # seconds, of a server

my $ours       = 'Email::Sender::Transport::NetSMTPXS';
my $stock      = 'Email::Sender::Transport::SMTP';
my $persistent = 'Email::Sender::Transport::SMTP::Persistent';
my $text       = "From: alice\@test\nTo: bob\@test\nSubject: x\n\n.dot\nhello\n";

# An outcome as one string: its class, text, code and recipients.
sub words {
    my ($it) = @_;
    return $it if !ref $it;
    my $message = $it->can('message') ? $it->message : '';
    $message =~ s/\s+/ /g;
    $message =~ s/ \z//;
    my $class = ref $it;
    $class =~ s/__WITH__.*//;
    my @part = ($class, $message);
    push @part, defined $it->code ? $it->code : '-', join ',', map { defined ? $_ : 'undef' } $it->recipients
        if $it->isa('Email::Sender::Failure');
    push @part, map { '[' . words($_) . ']' } $it->failures if $it->can('failures');
    push @part, map { '[' . words($_) . ']' } $it->failure  if $it->can('failure');
    return join ' | ', @part;
}

sub try_it {
    my ($class, $row) = @_;
    my $server = NSX::Test::Server->start(smtp => $row->{server} || {}, limit => LIMIT);
    my @got;
    my $transport = eval {
        $class->new(host => $server->host, port => $server->port, timeout => 20, %{ $row->{new} || {} });
    };
    push @got, "new: $@" if !$transport;
    for (1 .. $row->{times} || 1) {
        last if !$transport;
        my $result = eval {
            $transport->send($text, { from => $row->{from} || 'alice@test',
                to => $row->{to} || [ 'bob@test', 'carol@test', 'dave@test' ] });
        };
        push @got, words($result || $@);
    }
    $transport->disconnect if $transport && $transport->can('disconnect');
    my $log = $server->finish;
    my @delivered = map { join ' ', $_->{from}, @{ $_->{to} }, $_->{data} } @{ $log->{messages} };
    return { got => \@got, delivered => \@delivered, connections => scalar @{ $log->{connections} } };
}

my @pair = map { ({ %$_ }, { %$_, name => "$_->{name}, partial success", new => { allow_partial_success => 1 } }) } (
    { name => 'accepted' },
    { name => 'one refused', server => { replies => { RCPT => [ '250 ok', '550 5.1.1 unknown', '250 ok' ] } } },
    { name => 'one deferred', server => { replies => { RCPT => [ '250 ok', '451 4.3.0 later', '250 ok' ] } } },
    { name => 'one of each', server => { replies => { RCPT => [ '450 4.2.1 later', '550 5.1.1 never', '250 ok' ] } } },
    { name => 'all refused', server => { replies => { RCPT => '550 5.1.1 unknown' } } },
    { name => 'the only one refused', to => ['bob@test'], server => { replies => { RCPT => '550 5.1.1 unknown' } } },
    { name => 'the sender refused', server => { replies => { MAIL => '553 5.7.1 not you' } } },
    { name => 'the sender deferred', server => { replies => { MAIL => '451 4.7.1 not now' } } },
    { name => 'DATA refused', server => { replies => { DATA => '554 5.5.1 no' } } },
    { name => 'the message refused', server => { replies => { END => '550 5.6.0 spam' } } },
    { name => 'the message deferred', server => { replies => { END => '452 4.3.1 full' } } },
    { name => 'nobody to send to', to => [ '', undef ] },
);

for my $row (@pair, { name => 'AUTH refused', server => { extensions => ['AUTH PLAIN'], replies => { AUTH => '535 5.7.8 wrong' } },
        new => { sasl_username => 'alice', sasl_password => 'secret' } })
{
    my ($theirs, $ours) = map { try_it($_, $row) } $stock, $ours;
    is_deeply($ours, $theirs, $row->{name}) or diag explain [ $ours, $theirs ];
}

subtest 'persistent' => sub {
    my %row = (times => 3, server => { replies => { MAIL => [ '250 ok', '550 5.1.0 no', '250 ok' ] } });
    my $theirs = try_it($persistent, \%row);
    my $ours   = try_it($ours, { %row, new => { persistent => 1 } });
    is($ours->{connections}, 1, 'one connection');
    is_deeply($ours, $theirs, 'results and messages are the same');
};

# A session of one message, which the server ends without waiting for more.
sub one_message {
    my (@end) = @_;
    return [ @{ NSX::Test::Server::talk([], '250 ok', '250 ok', '354 go on') }, ['body'], @end, ['close'] ];
}

subtest 'a connection that the server closed is made anew' => sub {
    my $server = NSX::Test::Server->start(limit => LIMIT,
        connections => [ one_message('250 first'), one_message('250 second') ]);
    my $transport = $ours->new(host => $server->host, port => $server->port, persistent => 1);
    for my $text ('first', 'second') {
        my $result = $transport->send("Subject: $text\n\nhello\n", { from => 'alice@test', to => ['bob@test'] });
        is($result->message, "$text\n", "the $text message");
        select undef, undef, undef, 0.05;    # for the end of the connection to arrive
    }
    my @in = map { $_->{in} } @{ $server->finish->{connections} };
    is(scalar(@in), 2, 'two connections');
    like($in[$_], qr/\A(?!.*DATA.*DATA).*^DATA\r\nSubject: (?:first|second)\r\n.*^\.\r\n\z/ms, "one message on connection $_") for 0, 1;
};

subtest 'by a pool' => sub {
    require Net::SMTP::XS::Pool;
    my $server = NSX::Test::Server->start(limit => LIMIT, smtp => { extensions => ['PIPELINING'] });
    my $pool = Net::SMTP::XS::Pool->new(Host => $server->host, Port => $server->port, Connections => 1);
    my @transport = map { $ours->new(pool => $pool, allow_partial_success => 1) } 1, 2;
    for my $transport (@transport) {
        my $result = $transport->send($text, { from => 'alice@test', to => [ 'bob@test', 'bad@test' ] });
        like(words($result), qr/\AEmail::Sender::Success::Partial \| queued .*550 \| bad\@test/, 'its result');
    }
    $pool->run;
    is(scalar @{ $server->finish->{connections} }, 1, 'one connection for both');
    ok(!eval { $ours->new(pool => 'none') }, 'a pool that is none');
};

subtest 'a reply that never came is neither temporary nor permanent' => sub {
    my $server = NSX::Test::Server->start(limit => LIMIT, connections => [one_message()]);
    my $transport = $ours->new(host => $server->host, port => $server->port, persistent => 1);
    ok(!eval { $transport->send($text, { from => 'alice@test', to => ['bob@test'] }) }, 'not sent');
    my $failure = $@;
    is(ref $failure, 'Email::Sender::Failure', 'of no kind that says what to do');
    is_deeply([ $failure->recipients ], ['bob@test'], 'the recipient');
    $server->finish;
};

for ([ { ssl => 'sometimes' } => qr/ssl => "sometimes": it takes/ ],
    [ { sasl_username => 'alice' } => qr/sasl_username needs a sasl_password/ ])
{
    my ($arg, $pattern) = @$_;
    ok(!eval { $ours->new($arg) }, 'a wrong argument');
    like($@, $pattern, 'is named');
}

done_testing;
