#!perl
# Recipients in flight: to(@many, { SkipBad => 1 }) at a server with PIPELINING
# gives what stock's lockstep gives, whatever the server says, or does not say.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Oracle;
use Time::HiRes ();

my @many = map { $_ % 3 ? "user$_\@test" : "bad$_\@test" } 1 .. 20;

# MAIL, the recipients in each context, and what the object knows then.
sub named {
    my ($name, $to, %more) = @_;
    my $options = delete $more{options} || {};
    my $connect = delete $more{connect} || {};
    return {
        name => $name,
        ehlo => ['PIPELINING'],
        code => sub {
            my $t = shift;
            my $s = $t->connect(%$connect);
            $t->scalar($s, mail => 'a@test');
            for my $context (qw(list scalar void)) {
                $t->$context($s, to => @$to, { SkipBad => 1, %$options });
                $t->scalar($s, $_) for qw(code message status ok);
                $t->list($s, 'message');
            }
            $t->scalar($s, 'reset');
            $t->scalar($s, mail => 'b@test');
            $t->state($s);
        },
        %more,
    };
}

# The same with replies of the server's own to RCPT; once, and then the object is
# asked for what is left of the session.  wire: a client that goes ahead says more.
sub answered {
    my ($name, $replies, %more) = @_;
    return {
        name => $name,
        smtp => { extensions => ['PIPELINING'], replies => { RCPT => $replies } },
        code => sub {
            my $t = shift;
            my $s = $t->connect;
            $s->mail('a@test');
            $t->list($s, to => map({"user$_\@test"} 1 .. 6), { SkipBad => 1 });
            $t->scalar($s, $_) for qw(code message status ok);
            $t->scalar($s, 'reset');
            $t->scalar($s, $_) for qw(code message);
            $t->note(open => defined fileno $s ? 1 : 0);
            $t->state($s);
        },
        %more,
    };
}

{ package Flight::Name; use overload '""' => sub { $_[0][0] }, fallback => 1; }

oracle(
    named('good and bad ones',     \@many),
    named('good ones alone',       [ grep {/user/} @many ]),
    named('bad ones alone',        [ grep {/bad/} @many ]),
    named('one',                   ['user@test']),
    named('none',                  []),
    named('the same one again',    [ ('user@test', 'bad@test') x 3 ]),
    named('of every form',         [ 'user1@test', '<user2@test>', 'User <user3@test>', '"u s"@test', '', ' user4@test ', 'a@b (c)' ]),
    named('a number among them',   [ 'user1@test', 12, 'user2@test' ]),
    named('undef among them',      [ 'user1@test', undef, 'user2@test' ]),
    named('an object among them',  [ 'user1@test', bless(['user3@test'], 'Flight::Name'), 'user2@test' ]),
    named('a line end in one',     [ 'user1@test', "user2\@test\nRSET", 'user3@test' ]),
    named('a long one among them', [ 'user1@test', 'x' x 600 . '@test', 'user2@test' ]),
    named('exact ones',            [ 'User <user3@test>', '<user1@test>', 'user2@test' ], connect => { ExactAddresses => 1 }),
    named('with options of DSN',   \@many, ehlo => [ 'PIPELINING', 'DSN' ],
        options => { Notify => [ 'SUCCESS', 'FAILURE' ], ORcpt => 'rfc822;x@y' }),
    named('with options that are not offered', \@many, options => { Notify => ['NEVER'], Foo => 1 }),
    named('with Debug',            \@many, connect => { Debug => 1 }),
    named('where PIPELINING is not offered', \@many, ehlo => []),
    named('where a script takes PIPELINING away', \@many, code => sub {
        my $t = shift;
        my $s = $t->connect;
        $s->mail('a@test');
        delete ${*$s}{net_smtp_esmtp}{PIPELINING};
        $t->list($s, to => @many, { SkipBad => 1 });
    }),
    (map { my $method = $_; named("overridden: $method", \@many, code => sub {
        my $t = shift;
        my ($class, $counts) = $t->counting_subclass($method);
        my $s = $t->connect(class => $class);
        $s->mail('a@test');
        $t->list($s, to => @many, { SkipBad => 1 });
        $t->counts($class);
    }) } qw(_RCPT command response debug_print set_status)),

    answered('replies of several lines', "250-one\r\n250-two\r\n250 three"),
    answered('several lines, the last one refused', [ ('250 ok') x 5, "550-no\r\n550 never" ]),
    answered('other digits',         [ '251 will forward', '252 who knows', '354 what', '450 later', '550 no', '250 ok' ]),
    answered('without text',         [ '250', '550', '250 ', '550 ', '250', '451' ]),
    answered('a digit of no class',  [ '250 ok', '650 what', '250 ok', '999 what', '000 what', '250 ok' ]),
    answered('421 that is the last', [ ('250 ok') x 5, '421 bye' ]),
    answered('421, and on it goes',  [ '250 ok', '421 busy', '250 ok', '250 ok', '421 busy', '250 ok' ]),
    answered('closed after the last', [ ('250 ok') x 5, \'close' ], wire => 0),
    answered('closed in the middle', [ '250 ok', '550 no', \'close' ], wire => 0),
    answered('closed at once',       \'close', wire => 0),
    answered('421 and closed',       [ '250 ok', '421 bye', \'close' ], wire => 0),
    answered('a line that is no reply', [ '250 ok', 'hello', '250 ok' ], wire => 0),
    answered('two replies at once',  [ "250 ok\r\n550 no", '250 more' ]),
    {
        name => 'a server that falls silent in the middle',
        smtp => { extensions => ['PIPELINING'], replies => { RCPT => [ '250 ok', \'silence' ] } },
        wire => 0,
        code => sub {
            my $t = shift;
            my $s = $t->connect(wait => 0.5);
            $s->mail('a@test');
            $t->list($s, to => 'a@test', 'b@test', { SkipBad => 1 });
            $t->scalar($s, $_) for qw(code message);
        },
    },
);
