# What send_message sends ahead of replies: the server holds a reply back until
# it has seen what must not wait for it, and watches that nothing else comes.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Message;
use NSX::Test::Server;
use Test::More;

use constant MANY => 3000;

my $class = 'Net::SMTP::XS';
my @ext   = qw(PIPELINING CHUNKING);
my $mail  = 'MAIL FROM:<alice@test>';
my @to    = ('bob@test', 'carol@test');
my @rcpt  = map {"RCPT TO:<$_>"} @to;
my @all   = map {"user$_\@test"} 1 .. MANY;
my $all_rcpt = qr/(?:RCPT TO:[^\n]*\n){2}\z/;
my $whole    = qr/BDAT 21 LAST\r\n.*hello\r\n\z/s;

rows(map +{ %$_, only => $class },
    { name => 'a message in one flight', server => { extensions => \@ext, hold => { MAIL => $whole } },
        send => [ To => \@to, SkipBad => 1, Pipelining => 'message' ], outcome => 'accepted', round_trips => 1,
        wire => [ $mail, @rcpt, 'BDAT 21 LAST' ], delivered => "@to" },
    { name => 'the same, a recipient refused', server => { extensions => \@ext, hold => { MAIL => $whole } },
        send => [ To => [ 'bob@test', 'bad@test' ], SkipBad => 1, Pipelining => 'message' ], outcome => 'partial', round_trips => 1 },
    { name => 'the same, all refused: the transaction is reset', server => { extensions => \@ext },
        send => [ To => 'bad@test', SkipBad => 1, Pipelining => 'message' ], outcome => 'refused', reusable => 1,
        wire => [ $mail, 'RCPT TO:<bad@test>', 'BDAT 21 LAST', 'RSET' ], delivered => '' },
    { name => 'the same, MAIL refused', server => { extensions => \@ext, replies => { MAIL => '550 5.7.1 no' } },
        send => [ SkipBad => 1, Pipelining => 'message' ], outcome => 'refused', reusable => 1,
        to => ['bob@test refused 550 5.7.1 mail'], delivered => '',
        breaches => 'RCPT without MAIL; BDAT without MAIL' },    # they were in flight
    { name => 'the same, 421 to MAIL', server => { extensions => \@ext, replies => { MAIL => '421 closing' } },
        send => [ SkipBad => 1, Pipelining => 'message' ], outcome => 'deferred', reusable => 0,
        breaches => 'RCPT without MAIL; BDAT without MAIL' },
    { name => 'without SkipBad the body waits for the recipients', server => { extensions => \@ext, hold => { MAIL => $all_rcpt }, delay => { RCPT => 0.05 } },
        send => [ To => \@to, Pipelining => 'message' ], outcome => 'accepted', round_trips => 2 },
    { name => 'by default: the envelope, then BDAT', server => { extensions => \@ext, hold => { MAIL => $all_rcpt }, delay => { RCPT => 0.05 } },
        send => [ To => \@to ], outcome => 'accepted', round_trips => 2 },
    { name => 'DATA in the flight with SkipBad', server => { extensions => ['PIPELINING'], hold => { MAIL => qr/DATA\r\n\z/ } },
        send => [ To => \@to, SkipBad => 1 ], outcome => 'accepted', round_trips => 2 },
    { name => 'DATA after the replies without', server => { extensions => ['PIPELINING'], hold => { MAIL => $all_rcpt }, delay => { RCPT => 0.05 } },
        send => [ To => \@to ], outcome => 'accepted', round_trips => 3 },
    { name => 'all refused, and 354: a dot alone', server => { extensions => ['PIPELINING'], replies => { DATA => '354 go on', RCPT => '550 no' } },
        send => [ To => \@to, SkipBad => 1 ], outcome => 'refused', reusable => 1,
        wire => [ $mail, @rcpt, 'DATA', '.' ], to => [ map {"$_ refused 550 - rcpt"} @to ] },
    { name => 'Pipelining 0', server => { extensions => \@ext, delay => 0.02 }, send => [ To => \@to, Pipelining => 0 ],
        outcome => 'accepted', round_trips => 4 },
    { name => 'PIPELINING is not offered', server => { extensions => ['CHUNKING'], delay => 0.02 },
        send => [ To => \@to, SkipBad => 1, Pipelining => 'message' ], outcome => 'accepted', round_trips => 4 },

    { name => 'as many recipients as you like, against a server that reads only between replies',
        server => { extensions => \@ext, no_ahead => 1 }, send => [ To => \@all, SkipBad => 1 ], outcome => 'accepted',
        delivered => sub { 1 + $_[0] =~ tr/ // == MANY } },
    { name => 'and one that replies when it has read all', server => { extensions => \@ext, gather => 1 },
        send => [ To => \@all, SkipBad => 1, Pipelining => 'message' ], outcome => 'accepted' },
);

subtest 'the next envelope rides behind the end of data' => sub {
    my $n = 0;
    my @options = (SkipBad => 1, Chunking => 0);
    # The last end has nothing behind it: only the first is held.
    my $server = NSX::Test::Server->start(smtp => { extensions => \@ext,
        replies => { END => sub { my ($body, $session) = @_;
            return '250 queued' if $n++;
            my $conn = $session->{conn};
            $conn->fill until !$conn || substr($conn->{in}, $conn->{pos}) =~ /MAIL[^\n]*\n/ || $conn->{end} ne 'open';
            return '250 queued' } } });
    my $smtp = NSX::Test::Message::connect_to($class, $server);
    my @results = $smtp->send_messages([ map { [ message_of(@options, To => $_) ] } @to ]);
    is join(' ', map { $_->outcome } @results), 'accepted accepted', 'both';
    $smtp->quit;
    my $log = $server->finish;
    is scalar @{ $log->{messages} }, 2, 'delivered';
    is_deeply $log->{connections}[0]{breaches}, [], 'the client keeps to the rules';
};

done_testing;
