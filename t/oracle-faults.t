# Hostile, broken and slow servers: the same status, message and result as stock's.
use strict;
use warnings;
no warnings 'once';
use lib 't/lib';
use NSX::Test::Oracle;

# One reply, sent in every way a network may deliver it, to _NOOP after _NOOP.
sub every_split {
    my ($name, $reply) = @_;
    my $octets = "$reply\r\n";
    my $last = length($octets) - 1;
    return {
        name   => "a reply cut at every octet: $name",
        script => [
            @{ talk([]) },
            (map { ('<', [ 'pieces', substr($octets, 0, $_), substr $octets, $_ ]) } 1 .. $last),
            '<', [ 'bytes', $octets ],
            '<', [ 'send', $octets x 2 ],
        ],
        calls => sub {
            my ($t, $s) = @_;
            my %saw;
            for (1 .. $last + 1) {
                my $ok = $s->_NOOP;
                $saw{ join '|', $ok ? 1 : 0, $s->code, $s->message }++;
            }
            $t->note(saw => \%saw);
            $t->scalar($s, '_NOOP');
            $t->scalar($s, 'response');
            $t->list($s, 'message');
        },
    };
}

# After the greeting the server does this; the client then makes these calls.
sub server_does {
    my ($name, $steps, $calls, %more) = @_;
    $calls ||= sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test');
        $t->scalar($s, $_) for qw(code status ok);
        $t->list($s, 'message');
    };
    return {
        name   => "the server: $name",
        script => [ @{ talk([]) }, @$steps ],
        calls  => $calls,
        new    => { wait => 2 },
        except => ['open'],
        %more,
    };
}

# Each method in turn meets the same answer on a connection of its own.
sub every_method {
    my ($name, $steps, %more) = @_;
    my @calls = (
        [ hello => 'x' ], [ mail => 'a' ], [ to => 'a', 'b' ], [ to => 'a', { SkipBad => 1 } ], ['reset'],
        [ verify => 'x' ], [ expand => 'x' ], ['help'], ['datafh'], [ send => 'x' ],
        ['_NOOP'], ['_QUIT'], ['_DATA'], [ command => 'X' ],
    );
    return {
        name    => "every method, and the server: $name",
        scripts => [ map { [ @{ talk([]) }, @$steps ] } @calls ],
        code    => sub {
            my $t = shift;
            for my $call (@calls) {
                my $s = $t->connect(defined $more{timeout} ? (wait => $more{timeout}) : ());
                $t->list($s, @$call);
                $t->note($call->[0] => $s->code, $s->message, defined fileno $s ? 1 : 0);
                $t->part($s);
                $s->close;
            }
        },
        %more,
    };
}

my @close_after = map { [ "closes after $_->[0]", $_->[1] ] } (
    [ 'the command',             [ '<', ['close'] ] ],
    [ 'part of the code',        [ '<', [ 'send', '25' ], ['close'] ] ],
    [ 'the code',                [ '<', [ 'send', '250' ], ['close'] ] ],
    [ 'the line without its LF', [ '<', [ 'send', "250 ok\r" ], ['close'] ] ],
    [ 'a continuation',          [ '<', [ 'send', "250-ok\r\n" ], ['close'] ] ],
    [ 'part of the last line',   [ '<', [ 'send', "250-ok\r\n250 o" ], ['close'] ] ],
    [ 'its reply',               [ '<', [ 'send', "250 ok\r\n" ], ['close'] ] ],
);

oracle(
    every_split('one line',        '250 2.0.0 fine'),
    every_split('three lines',     "250-a\r\n250-\r\n250 c"),
    every_split('a refusal',       "550-5.1.1 no\r\n550 5.1.1 really"),
    every_split('LF only',         "250-a\n250 b"),
    (map { server_does(@$_) } @close_after),
    server_does('resets instead of replying', [ '<', ['reset'] ]),
    server_does('resets in the middle of a reply', [ '<', [ 'send', '250-a' ], [ 'delay', 0.05 ], ['reset'] ], undef, wire => 0),
    server_does('has ended before the command', [ ['close'] ], sub {
        my ($t, $s) = @_;
        select undef, undef, undef, 0.1;
        $t->scalar($s, mail => 'a@test');
        $t->list($s, 'message');
        $t->scalar($s, mail => 'a@test');
        $t->list($s, 'message');
    }, wire => 0),
    server_does('ends its direction only', [ [ 'send', "250 early\r\n" ], ['shut'] ], sub {
        my ($t, $s) = @_;
        $t->scalar($s, 'response');
        $t->list($s, 'message');
        $t->scalar($s, 'response');
        $t->list($s, 'message');
    }),
    server_does('is silent', [], sub {
        my ($t, $s) = @_;
        $s->timeout(0.3);
        $t->timing(0.3, sub { $t->scalar($s, mail => 'a@test') });
        $t->scalar($s, $_) for qw(code status ok);
        $t->list($s, 'message');
    }),
    server_does('is silent in the middle of a line', [ '<', [ 'send', '250 o' ] ], sub {
        my ($t, $s) = @_;
        $s->timeout(0.3);
        $t->timing(0.3, sub { $t->scalar($s, mail => 'a@test') });
        $t->list($s, 'message');
    }),
    server_does('is silent after a continuation', [ '<', '250-on' ], sub {
        my ($t, $s) = @_;
        $s->timeout(0.3);
        $t->timing(0.3, sub { $t->scalar($s, mail => 'a@test') });
        $t->scalar($s, 'code');
        $t->list($s, 'message');
    }),
    server_does('is late but in time', [ '<', [ 'delay', 0.15 ], '250 late' ], sub {
        my ($t, $s) = @_;
        $s->timeout(3);
        $t->scalar($s, mail => 'a@test');
        $t->list($s, 'message');
    }, except => []),
    server_does('is slow, and there is no Timeout', [ '<', [ 'delay', 0.3 ], '250 late' ], sub {
        my ($t, $s) = @_;
        $s->timeout(0);
        $t->scalar($s, mail => 'a@test');
        $t->list($s, 'message');
    }, except => []),
    server_does('sends two replies for one command', [ '<', "250 one\r\n550 two" ], sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test');
        $t->list($s, 'message');
        $t->scalar($s, 'response');
        $t->list($s, 'message');
    }),
    server_does('talks before it is asked', [ [ 'send', "421 going\r\n" ] ], sub {
        my ($t, $s) = @_;
        $t->scalar($s, 'response');
        $t->list($s, 'message');
    }),
    server_does('says 421 and closes', [ '<', '421 4.3.2 shutting down', ['close'] ], sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test');
        $t->list($s, 'message');
        select undef, undef, undef, 0.05;
        $t->scalar($s, 'response');
        $t->list($s, 'message');
    }),
    server_does('sends a line of 60000', [ '<', '250 ' . 'x' x 60_000 ], undef, except => []),
    server_does('sends 5000 lines', [ '<', [ 'send', join '', (map {"250-line $_\r\n"} 1 .. 5000), "250 end\r\n" ] ], sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test');
        $t->note(lines => scalar(my @m = $s->message), ($s->message)[ 0, 4999, 5000 ]);
        $s->set_status(250, 'short');
    }, except => []),
    server_does('sends binary', [ '<', [ 'send', join('', map chr, 0 .. 9, 11 .. 255) . "\r\n" ] ]),
    server_does('sends a binary text', [ '<', [ 'send', '250 ' . join('', map chr, 0 .. 9, 11 .. 255) . "\r\n" ] ]),
    server_does('sends NULs', [ '<', [ 'send', "\0\0\0\r\n" ] ]),
    server_does('sends empty lines first', [ '<', [ 'send', "\r\n\r\n250 ok\r\n" ] ]),
    server_does('sends only line ends', [ '<', [ 'send', "\r\n" x 20 ] ]),
    server_does('sends many CRs', [ '<', [ 'send', "250 a\r\r\r\n" ] ]),
    server_does('ends lines with LF CR', [ '<', [ 'send', "250-a\n\r250 b\n\r" ] ]),
    server_does('changes the code within a reply', [ '<', "250-a\r\n350-b\r\n550 c" ], undef, except => []),
    server_does('sends short codes', [ '<', "25 a" ]),
    server_does('sends a code of four digits', [ '<', "2500 a" ], undef, except => []),
    server_does('sends a negative code', [ '<', "-250 a" ]),
    server_does('sends HTTP', [ '<', "HTTP/1.0 400 Bad Request\r\n\r\n<html>" ]),
    every_method('closes', [ '<', ['close'] ]),
    every_method('resets', [ '<', ['reset'] ]),
    every_method('says 421 once', [ '<', '421 busy' ]),
    every_method('says 554 in three lines', [ '<', "554-a\r\n554-b\r\n554 c", '<', '554 d' ]),
    every_method('says garbage', [ '<', 'not SMTP at all' ]),
    every_method('answers with 354', [ '<', '354 what', '<', '354 what' ]),
    every_method('answers with 1xx', [ '<', '120 wait', '<', '120 wait' ]),
    every_method('answers with three digits only', [ '<', '250', '<', '250' ]),
    {   name  => 'data: the connection ends in the middle of the text',
        script => [ @{ talk([], '250 ok', '250 ok', '354 go') }, [ 'octets', 5 ], ['close'] ],
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a');
            $s->to('b');
            $s->data;
            $s->datasend("first line\n");
            select undef, undef, undef, 0.1;
            my $ok = 1;
            $ok &&= $s->datasend("x\n") for 1 .. 50;
            $t->note(end => $s->dataend ? 1 : 0);
            $t->note(message => $s->message, $s->code);
        },
        wire   => 0,
        except => [ 'open', 'net_cmd_last_ch' ],
    },
    {   name => 'a descriptor above 1024',
        smtp => {},
        code => sub {
            my $t = shift;
            my @held;
            while (@held < 1100) {
                open my $fh, '<', '/dev/null' or last;
                push @held, $fh;
            }
            if (@held < 1100) {
                @held = ();
                return $t->note('not that many descriptors');
            }
            my $s = $t->connect;
            $t->note(above => fileno($s) > 1024 ? 1 : 0);
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, to   => 'b@test');
            $t->scalar($s, data => "x\n");
            $t->scalar($s, 'quit');
        },
    },
    {   name => 'die in a signal handler leaves the call, and the object lives',
        script => [ @{ talk([]) }, '<', ['meet'], '250 late', '<', '250 next' ],
        calls  => sub {
            my ($t, $s) = @_;
            $t->note(died => $t->interrupted(sub { $s->mail('a@test') }) ? 1 : 0);
            $t->scalar($s, 'response');
            $t->list($s, 'message');
            $t->scalar($s, to => 'b@test');
        },
    },
    {   name => 'die in a signal handler, and the object dies too',
        script => [ @{ talk([]) }, '<', ['meet'] ],
        exits  => 1,
        code  => sub {
            my $t = shift;
            my $s = $t->connect;
            my $died = $t->interrupted(sub { $s->mail('a@test') });
            undef $s;
            $t->note(died => $died ? 1 : 0);
        },
    },
    {   name => 'SIGPIPE kills nobody',
        script => [ @{ talk([]) }, ['reset'] ],
        code  => sub {
            my $t = shift;
            my $s = $t->connect;
            select undef, undef, undef, 0.1;
            local $SIG{PIPE} = sub { $t->note('SIGPIPE came') };
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, datasend => 'x');
            $t->note(handler => ref $SIG{PIPE});
        },
        wire => 0,
    },
    {   name => 'objects alive at the end of the program',
        smtp => {},
        server => { concurrent => 1 },
        exits => 1,
        code => sub {
            my $t = shift;
            our @kept = map { $t->connect } 1 .. 2;
            $kept[0]->mail('a@test');
            $kept[1]->mail('a@test');
            $kept[1]->to('b@test');
            $kept[1]->data;
            $kept[1]->datasend('x');
            $t->note(code => map { $_->code } @kept);
        },
    },
    {   name => 'an object that goes away sends nothing',
        smtp => {},
        code => sub {
            my $t = shift;
            my $s = $t->connect;
            $s->mail('a@test');
            undef $s;
            $t->note('gone');
        },
    },
    {   name => 'a child that ends sends nothing on the parent\'s connection',
        smtp => {},
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a@test');
            my $pid = fork;
            if (!$pid) {
                undef $s;
                POSIX::_exit(0);
            }
            waitpid $pid, 0;
            $t->scalar($s, to => 'b@test');
            $t->scalar($s, data => "x\n");
        },
    },
    {   name => 'a child carries on with the connection',
        smtp => {},
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a@test');
            my $pid = fork;
            if (!$pid) {
                my $ok = $s->to('b@test') && $s->data("from the child\n");
                POSIX::_exit($ok ? 0 : 1);
            }
            waitpid $pid, 0;
            $t->note(child => $?);
            $t->scalar($s, mail => 'c@test');
        },
        after => sub { (messages => $_[0]{messages}) },
    },
    {   name => 'many commands on one connection',
        smtp => {},
        calls => sub {
            my ($t, $s) = @_;
            my $ok = grep { $s->_NOOP && $s->mail("a$_\@test") && $s->reset } 1 .. 100;
            $t->note(ok => $ok);
        },
    },
    {   name => 'a second object while the first waits',
        smtp => {},
        server => { concurrent => 1 },
        code => sub {
            my $t = shift;
            my ($one, $two) = map { $t->connect } 1 .. 2;
            $one->command('NOOP');
            $t->scalar($two, mail => 'two@test');
            $t->scalar($one, 'response');
            $t->scalar($one, mail => 'one@test');
            $t->scalar($_, 'quit') for $two, $one;
        },
    },
    {   name => 'a wait in pieces: select, then response',
        smtp => {},
        calls => sub {
            my ($t, $s) = @_;
            $s->command('NOOP');
            my $ready = '';
            vec($ready, fileno $s, 1) = 1;
            $t->note(select => scalar select $ready, undef, undef, 3);
            $t->scalar($s, 'response');
        },
    },
    {   name => 'a non-blocking handle',
        smtp => {},
        calls => sub {
            my ($t, $s) = @_;
            $s->blocking(0);
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, to   => 'b@test');
            $t->scalar($s, data => 'x' x 300_000);
            $t->note(blocking => $s->blocking ? 1 : 0);
        },
        after => sub { (size => length $_[0]{messages}[0]{data}) },
    },
);
