# send_message's table of events: what happens on the wire, and what the result
# then says of every recipient.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Message;
use Test::More;

my @both = (To => [ 'bob@test', 'bad@test', 'carol@test' ]);
my $mail = 'MAIL FROM:<alice@test>';
my @rcpt = map {"RCPT TO:<$_\@test>"} qw(bob bad carol);

sub to { my ($fate) = @_; return [ map {"$_\@test $fate"} qw(bob bad carol) ] }

rows(
    { name => 'accepted',
        send => [], outcome => 'accepted', bool => 1, retry => '', reusable => 1,
        server => { replies => { END => "250-2.6.0 taken\r\n250 2.6.0 as 17" } },
        to => ['bob@test accepted 250 2.6.0 end'], transactions => 1, octets => 21,
        code => 250, enhanced => '2.6.0', stage => 'end', message => "taken\nas 17",
        text => 'accepted: 250 2.6.0 taken as 17', delivered => 'bob@test',
        wire => [ $mail, $rcpt[0], 'DATA', '.' ], data => "Subject: x\r\n\r\nhello\r\n" },

    { name => 'a recipient refused, the others skip it',
        send => [ @both, SkipBad => 1 ], outcome => 'partial', bool => 1, retry => '',
        to => [ 'bob@test accepted 250 - end', 'bad@test refused 550 - rcpt', 'carol@test accepted 250 - end' ],
        code => 550, stage => 'rcpt', delivered => 'bob@test carol@test', reusable => 1,
        text => 'partial (2 accepted, 1 refused): 550 no such user (bad@test)' },

    { name => 'a recipient refused, nobody gets it',
        send => [@both], outcome => 'refused', bool => 0, retry => '', reusable => 1,
        to => [ 'bob@test unsent 550 - rcpt', 'bad@test refused 550 - rcpt', 'carol@test unsent 550 - rcpt' ],
        wire => [ $mail, @rcpt, 'RSET' ], delivered => '', octets => 0 },

    { name => 'a recipient deferred, nobody gets it, all may try again',
        server => { replies => { RCPT => [ '250 ok', '451 4.3.0 later', '250 ok' ] } },
        send => [@both], outcome => 'deferred', bool => 0, retry => 'bob@test bad@test carol@test',
        to => [ 'bob@test unsent 451 4.3.0 rcpt', 'bad@test deferred 451 4.3.0 rcpt', 'carol@test unsent 451 4.3.0 rcpt' ],
        wire => [ $mail, @rcpt, 'RSET' ], delivered => '' },

    { name => 'refusals of both kinds: without SkipBad it can never go',
        server => { replies => { RCPT => [ '450 later', '550 5.1.1 never', '250 ok' ] } },
        send => [@both], outcome => 'refused', code => 550, retry => 'bob@test',
        to => [ 'bob@test deferred 450 - rcpt', 'bad@test refused 550 5.1.1 rcpt', 'carol@test unsent 550 5.1.1 rcpt' ] },

    { name => 'refusals of both kinds: with SkipBad somebody may try again',
        server => { replies => { RCPT => [ '550 never', '450 later', '550 never' ] } },
        send => [ @both, SkipBad => 1 ], outcome => 'deferred', bool => 0, code => 450, retry => 'bad@test' },

    { name => 'all recipients refused',
        server => { replies => { RCPT => '550 5.1.1 unknown' } },
        send => [ @both, SkipBad => 1 ], outcome => 'refused', to => to('refused 550 5.1.1 rcpt'),
        delivered => '', reusable => 1 },

    { name => 'MAIL refused',
        server => { replies => { MAIL => '550 5.7.1 not from you' } },
        send => [@both], outcome => 'refused', to => to('refused 550 5.7.1 mail'),
        stage => 'mail', retry => '', delivered => '', reusable => 1, transactions => 1 },

    { name => 'MAIL deferred',
        server => { replies => { MAIL => '451 later' } },
        send => [@both], outcome => 'deferred', to => to('deferred 451 - mail'),
        retry => 'bob@test bad@test carol@test' },

    { name => 'DATA refused',
        server => { replies => { DATA => '451 4.3.1 no room' } },
        send => [ @both, SkipBad => 1 ], outcome => 'deferred', reusable => 1,
        to => [ 'bob@test deferred 451 4.3.1 data', 'bad@test refused 550 - rcpt', 'carol@test deferred 451 4.3.1 data' ],
        retry => 'bob@test carol@test', delivered => '' },

    { name => 'any 3xx to DATA is the go-ahead',
        server => { replies => { DATA => '350 go on' } }, send => [], outcome => 'accepted' },

    { name => 'the end refused',
        server => { replies => { END => '554 5.6.0 spam' } },
        send => [ @both, SkipBad => 1 ], outcome => 'refused', reusable => 1, delivered => '',
        to => [ 'bob@test refused 554 5.6.0 end', 'bad@test refused 550 - rcpt', 'carol@test refused 554 5.6.0 end' ] },

    { name => 'BDAT refused',
        server => { extensions => ['CHUNKING'], replies => { BDAT => '552 5.3.4 too big' } },
        send => [], outcome => 'refused', reusable => 1, to => ['bob@test refused 552 5.3.4 end'],
        wire => [ $mail, $rcpt[0], 'BDAT 21 LAST', 'RSET' ] },

    { name => '421 to MAIL',
        server => { replies => { MAIL => '421 4.3.2 closing' } },
        send => [@both], outcome => 'deferred', reusable => 0, to => to('deferred 421 4.3.2 mail') },

    { name => '421 to a recipient: refusals stay, the rest is deferred',
        server => { replies => { RCPT => [ '550 never', '421 closing' ] } },
        send => [ @both, SkipBad => 1 ], outcome => 'deferred', reusable => 0,
        to => [ 'bob@test refused 550 - rcpt', 'bad@test deferred 421 - rcpt', 'carol@test deferred 421 - rcpt' ] },

    { name => '421 to the end',
        server => { replies => { END => '421 closing' } },
        send => [], outcome => 'deferred', reusable => 0, to => ['bob@test deferred 421 - end'], delivered => '' },

    { name => '421 waits on an idle connection',
        server => { replies => { NOOP => "250 ok\r\n421 4.4.2 idle too long" } },
        send => sub { $_[0]->command('NOOP')->response; sleep_until_readable($_[0]); $_[0]->send_message(message_of(@both)) },
        outcome => 'deferred', stage => 'connect', transactions => 0, round_trips => 0,
        to => to('deferred 421 4.4.2 connect'), retry => 'bob@test bad@test carol@test', wire => ['NOOP'] },

    { name => 'the server has gone from an idle connection',
        server => { replies => { NOOP => \'close' } },
        send => sub { $_[0]->command('NOOP'); sleep_until_readable($_[0]); $_[0]->send_message(message_of()) },
        outcome => 'deferred', to => ['bob@test deferred - 4.4.2 connect'], transactions => 0, retry => 'bob@test' },

    { name => 'the object is closed',
        send => sub { $_[0]->close; $_[0]->send_message(message_of()) },
        outcome => 'deferred', to => ['bob@test deferred - 4.4.2 connect'], reusable => 0 },

    { name => 'lost after RCPT',
        server => { replies => { RCPT => \'close' } },
        send => [@both], outcome => 'deferred', to => to('deferred - 4.4.2 rcpt'), reusable => 0 },

    { name => 'lost after DATA',
        server => { replies => { DATA => \'close' } },
        send => [], outcome => 'deferred', to => ['bob@test deferred - 4.4.2 data'] },

    { name => 'lost after the end',
        server => { replies => { END => \'close' } },
        send => [ @both, SkipBad => 1 ], outcome => 'unknown', bool => 0, retry => '', reusable => 0,
        to => [ 'bob@test unknown - 4.4.2 end', 'bad@test refused 550 - rcpt', 'carol@test unknown - 4.4.2 end' ] },

    { name => 'Timeout after the end',
        server => { replies => { END => \'silence' } }, new => [ Timeout => 2 ],
        send => [], outcome => 'unknown', to => ['bob@test unknown - 4.4.2 end'] },

    { name => 'no reply, but a line without a code, before the end',
        server => { replies => { RCPT => 'what?' } },
        send => [], outcome => 'deferred', to => ['bob@test deferred - 4.4.2 rcpt'], reusable => 0 },

    { name => 'and after it',
        server => { replies => { END => 'what?' } },
        send => [], outcome => 'unknown', to => ['bob@test unknown - 4.4.2 end'], reusable => 0 },

    { name => 'an impossible code',
        server => { replies => { MAIL => '354 go on' } },
        send => [], outcome => 'deferred', to => ['bob@test deferred - 4.4.2 mail'], reusable => 0 },

    { name => 'Deadline',
        server => { replies => { RCPT => \'silence' } },
        send => [ Deadline => 0.3 ], outcome => 'deferred', reusable => 0, to => ['bob@test deferred - 4.4.2 rcpt'] },

    { name => '452 to a later recipient: a further transaction',
        server => { replies => { RCPT => [ '250 ok', '452 4.5.3 too many', '250 ok', '250 ok' ] } },
        send => [ To => [ 'bob@test', 'carol@test', 'dave@test' ], SkipBad => 1 ],
        outcome => 'accepted', transactions => 2, delivered => sub { $_[0] =~ /bob/ && $_[0] =~ /carol/ && $_[0] =~ /dave/ } },

    { name => '452 to the first recipient stays',
        server => { replies => { RCPT => '452 no room' } },
        send => [ SkipBad => 1 ], outcome => 'deferred', transactions => 1, to => ['bob@test deferred 452 - rcpt'] },

    { name => '452 without SkipBad',
        server => { replies => { RCPT => [ '250 ok', '452 too many' ] } },
        send => [ To => [ 'bob@test', 'carol@test' ] ], outcome => 'deferred', transactions => 1, delivered => '' },

    { name => '452, and Data that cannot be read again',
        server => { replies => { RCPT => [ '250 ok', '452 too many' ] } },
        send => sub { my @p = ("x\n"); $_[0]->send_message(message_of(To => [ 'bob@test', 'carol@test' ], SkipBad => 1, Data => sub { shift @p })) },
        outcome => 'partial', transactions => 1, retry => 'carol@test', delivered => 'bob@test' },

    { name => 'several messages, one after the other',
        send => sub { my @r = $_[0]->send_messages([ { message_of() }, [ message_of(To => 'bad@test') ], { message_of(To => 'eve@test') } ]);
            is join(' ', map { $_->outcome } @r), 'accepted refused accepted', 'results in order'; @r },
        outcome => 'accepted', delivered => 'bob@test eve@test' },

    { name => 'the classic methods go on, with the last reply',
        server => { replies => { END => '250 2.0.0 queued' } },
        send => [], after => sub { is $_[0]->code, 250, 'code'; like $_[0]->message, qr/^2.0.0 queued/, 'message' } },
);

sub sleep_until_readable {
    return if Net::SMTP::XS::_unread($_[0]);
    vec(my $r = '', fileno $_[0], 1) = 1;
    select $r, undef, undef, 10;
    return;
}

for my $class (@NSX::Test::Message::CLASSES) {
    subtest "a die in one of several messages, $class" => sub {
        my $server = NSX::Test::Server->start(smtp => { extensions => ['PIPELINING'] });
        my $smtp = NSX::Test::Message::connect_to($class, $server);
        my @messages = map { [ message_of(To => $_) ] } qw(bob@test eve@test carol@test dave@test);
        push @{ $messages[2] }, Data => sub { die "no body\n" };
        my @results = ('old');
        ok !eval { $smtp->send_messages(\@messages, \@results); 1 }, 'goes on to the caller';
        is $@, "no body\n", 'as it is';
        is join(' ', map { $_->accepted } @results), 'bob@test eve@test', 'with the results of those before';
        undef $smtp;
        is join(' ', map {"@{ $_->{to} }"} @{ $server->finish->{messages} }), 'bob@test eve@test', 'which were delivered';
        ok !eval { Net::SMTP::XS::send_messages($smtp, [], {}); 1 }, 'results go into an array';
    };
}

subtest 'the result by recipient' => sub {
    my $server = NSX::Test::Server->start(smtp => { delay => { MAIL => 0.02 } });
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my $r = $smtp->send_message(message_of(@both, SkipBad => 1));
    is join(' ', $r->accepted), 'bob@test carol@test', 'accepted';
    is join(' ', $r->refused), 'bad@test', 'refused';
    is join(' ', $r->deferred, $r->unknown, $r->unsent), '', 'and no others';
    my $bad = $r->recipient('bad@test');
    ok !$bad, 'a recipient is true when accepted';
    is "$bad", 'bad@test: refused: 550 no such user', 'as a string';
    is $bad->message, 'no such user', 'its message';
    ok $bad->is_permanent && !$bad->is_temporary, 'for good';
    ok $r->is_permanent && !$r->is_temporary, 'the message by what decided it';
    ok !defined $r->recipient('nobody@test'), 'one that was not there';
    ok $r->recipient('bob@test') && !$r->recipient('bob@test')->is_permanent, 'one that was accepted';
    is scalar($r->accepted) . scalar($r->unsent) . scalar($r->recipients), '203', 'their numbers';
    cmp_ok $r->elapsed, '>', 0, 'elapsed';
    cmp_ok $r->round_trips, '>=', 1, 'round trips';
};

subtest 'a result of plain data' => sub {
    my %reply = (code => 451, enhanced => '4.3.0', message => "busy\nlater", stage => 'rcpt');
    my @to = ({ address => "j\x{f6}rg\@b\x{fc}cher.test", outcome => 'accepted', code => 250, message => '', stage => 'end' },
        { %reply, address => 'carol@test', outcome => 'deferred' },
        { %reply, address => 'dave@test', outcome => 'refused', code => 550, enhanced => undef });
    utf8::upgrade($to[0]{address});
    my $r = Net::SMTP::XS::Result->new(recipients => \@to, skip_bad => 1, octets => 2**33, transactions => 2,
        round_trips => 3, elapsed => 0.5, is_reusable => 1);
    ok $r, 'true';
    is $r->outcome . $r->octets . $r->transactions . $r->round_trips . $r->elapsed, 'partial8589934592230.5', 'facts';
    is join(' ', map { $_ // '-' } $r->code, $r->enhanced, $r->stage), '451 4.3.0 rcpt', 'what decided';
    is join(' ', $r->accepted), $to[0]{address}, 'an address of characters';
    is "$r", 'partial (1 accepted, 1 refused, 1 deferred): 451 4.3.0 busy later (carol@test)', 'as a string';
    for my $i (0 .. 2) {
        is join('|', map { ($r->recipients)[$i]->$_ // '-' } qw(address outcome code enhanced message stage)),
            join('|', map { $to[$i]{$_} // '-' } qw(address outcome code enhanced message stage)), "recipient $i";
    }
    for my $facts ([], [ { outcome => 'accepted' } ], [ { %reply, address => 'a', outcome => 'sent' } ], [ { %reply, address => 'a', outcome => 'refused', stage => 'ehlo' } ]) {
        ok !eval { Net::SMTP::XS::Result->new(recipients => $facts); 1 }, "no result: $@";
    }
};

subtest 'a result that a script wrote to' => sub {
    my $server = NSX::Test::Server->start(smtp => {});
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my $r = $smtp->send_message(message_of(@both, SkipBad => 1));
    my $octets = $$r;
    my $methods = sub {
        my ($result) = @_;
        for my $method (qw(outcome code message stage as_string recipients accepted retry)) {
            eval { my @all = $result->$method; 1 } or $@ =~ /\ANot a result of send_message/ or return "$method: $@";
        }
        return 'lives';
    };
    my $bad = 0;
    for my $at (0 .. length($octets) - 1) {
        $$r = $octets;
        substr $$r, $at, 1, "\xff";
        $bad++ if $methods->($r) ne 'lives';
        $$r = substr $octets, 0, $at;
        $bad++ if $methods->($r) ne 'lives';
    }
    is $bad, 0, 'no harm is done';
    for my $other (undef, 'x', \'x', {}, \*STDOUT) {
        ok !eval { Net::SMTP::XS::Result::outcome($other); 1 }, 'no result';
    }
};

done_testing;
