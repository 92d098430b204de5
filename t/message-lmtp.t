# send_message by LMTP (RFC 2033): after the end a reply for each accepted
# recipient, in their order.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Message;
use Test::More;

my @three = (To => [ 'bob@test', 'bad@test', 'carol@test' ], SkipBad => 1);
my @two   = (To => [ 'bob@test', 'carol@test' ]);

sub each_way {
    my ($row) = @_;
    return map +{ %$row, new => [ Protocol => 'lmtp' ], name => "$row->{name}, @$_",
        server => { %{ $row->{server} || {} }, lmtp => 1, extensions => $_ } },
        [], ['PIPELINING'], [ 'PIPELINING', 'CHUNKING' ];
}

# The replies to the end, by recipient.
sub ends {
    my (%reply) = @_;
    return { replies => { END => sub { my (undef, undef, $to) = @_; $reply{$to} } } };
}

rows(map { each_way($_) }
    { name => 'all accepted', send => \@two, outcome => 'accepted', bool => 1, delivered => 'bob@test carol@test',
        to => [ 'bob@test accepted 250 - end', 'carol@test accepted 250 - end' ], reusable => 1 },
    { name => 'each its own', server => ends('bob@test' => '250 2.1.5 ok', 'carol@test' => '452 4.2.2 full'), send => \@three,
        outcome => 'partial', bool => 1, retry => 'carol@test', delivered => 'bob@test', reusable => 1,
        to => [ 'bob@test accepted 250 2.1.5 end', 'bad@test refused 550 - rcpt', 'carol@test deferred 452 4.2.2 end' ] },
    { name => 'some, without SkipBad', server => ends('carol@test' => '554 5.2.0 no'), send => \@two,
        outcome => 'partial', bool => 0, retry => '' },
    { name => 'nobody', server => ends('bob@test' => '554 no', 'carol@test' => '554 no'), send => \@two, outcome => 'refused', delivered => '' },
    { name => 'lost in the middle', server => ends('bob@test' => '250 ok', 'carol@test' => \'close'), send => \@two,
        outcome => 'partial', bool => 0, retry => '', reusable => 0,
        to => [ 'bob@test accepted 250 - end', 'carol@test unknown - 4.4.2 end' ] },
    { name => 'all refused', send => [ To => 'bad@test', SkipBad => 1 ], outcome => 'refused', reusable => 1 },
);

done_testing;
