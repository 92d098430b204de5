# Message data: every chunking, every way to send it, every answer to it.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Oracle;

# Messages given as chunks, one datasend each, with the state after each chunk.
sub chunks {
    my ($name, @messages) = @_;
    return {
        name  => "datasend: $name",
        calls => sub {
            my ($t, $s) = @_;
            for my $message (@messages) {
                my ($what, @chunks) = @$message;
                $t->note("$what:");
                open_data($s);
                for my $chunk (@chunks) {
                    $t->scalar($s, datasend => ref $chunk eq 'REF' ? @$$chunk : $chunk);
                    $t->note(last_ch => ${*$s}{net_cmd_last_ch});
                }
                $t->scalar($s, 'dataend');
            }
        },
        after => sub { (messages => $_[0]{messages}) },
    };
}

sub open_data {
    my $s = shift;
    $s->mail('a@test');
    $s->to('b@test');
    $s->_DATA;
    return;
}

sub in_data {
    my ($name, $calls, %more) = @_;
    return {
        name  => $name,
        calls => sub { open_data($_[1]); $calls->(@_) },
        after => sub { (messages => $_[0]{messages}) },
        %more,
    };
}

# A session of chunks: MAIL with Bits binary was taken.
sub in_bdat {
    my ($name, $calls, %more) = @_;
    return {
        name  => $name,
        ehlo  => [ 'BINARYMIME', 'CHUNKING' ],
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a@test', Bits => 'binary');
            $s->to('b@test');
            $calls->($t, $s);
        },
        after => sub { (messages => $_[0]{messages}) },
        %more,
    };
}

my $all_octets = join '', map chr, 0 .. 255;
my $long = join '', map { ('x' x ($_ % 100)) . ($_ % 7 ? "\n" : ".\n.") } 1 .. 3000;

oracle(
    chunks('line ends',
        [ 'one line', "hello\n" ],
        [ 'no newline at the end', 'hello' ],
        [ 'CRLF already', "a\r\nb\r\n" ],
        [ 'bare LF', "a\nb\n" ],
        [ 'bare CR', "a\rb\r" ],
        [ 'CR CR LF', "a\r\r\nb" ],
        [ 'LF CR', "a\n\rb" ],
        [ 'empty lines', "\n\n\n" ],
        [ 'empty', '' ],
        [ 'ends in CR', "a\r" ],
    ),
    chunks('dots',
        [ 'a dot first', '.a' ],
        [ 'only a dot', '.' ],
        [ 'a dot line', ".\n" ],
        [ 'a dot line within', "a\n.\nb\n" ],
        [ 'many dots', "a\n..\n...\n.b\n" ],
        [ 'the terminator itself', "a\r\n.\r\nb" ],
        [ 'dot after CR', "a\r.b\r\n.c" ],
    ),
    chunks('chunks apart',
        [ 'empty between', 'a', '', "\n", '', '.b' ],
        [ 'CR and LF apart', "a\r", "\nb" ],
        [ 'CR, LF, dot apart',        "a\r", "\n", ".\r", "\n" ],
        [ 'CR and LF-dot', "a\r", "\n.b" ],
        [ 'CR and dot', "a\r", ".b" ],
        [ 'CR and CRLF', "a\r", "\r\n.b" ],
        [ 'LF and dot', "a\n", ".b" ],
        [ 'CRLF and dot', "a\r\n", '.', "\r\n", "." ],
        [ 'octet by octet', split //, "a\r\n.\r\n..b\n\n.c\r.d" ],
        [ 'ends in CR, then nothing', "a\r", '' ],
    ),
    chunks('arguments',
        [ 'zero', 0, '0', 00 ],
        [ 'a list', \[ "a\n", ".b", "\n" ] ],
        [ 'a list by reference', [ "a\n", ".b", "\n", 7 ] ],
        [ 'an empty list by reference', [] ],
        [ 'no argument', \[] ],
        [ 'two references in a list', \[ 'a', "b" ] ],
    ),
    chunks('octets and sizes',
        [ 'all octets', $all_octets ],
        [ 'all octets twice in lines', "$all_octets\n$all_octets\n" ],
        [ 'much, in one',             $long ],
        [ 'much, in odd pieces',      $long =~ /(.{1,997})/gs ],
        [ 'a line of 100000', 'y' x 100_000, "\n" ],
    ),
    in_data('datasend in each context', sub {
        my ($t, $s) = @_;
        $t->each_context($s, datasend => "line\n");
        $t->each_context($s, datasend => '');
        $t->each_context($s, 'dataend');
        $t->each_context($s, 'dataend');
    }),
    in_data('dataend again is true', sub {
        my ($t, $s) = @_;
        $t->scalar($s, datasend => "x\n");
        $t->scalar($s, 'dataend') for 1 .. 2;
        $t->scalar($s, 'code');
    }),
    in_data('dataend with nothing sent after _DATA', sub {
        my ($t, $s) = @_;
        $t->list($s, 'dataend');
        $t->state($s);
        $t->scalar($s, datasend => '');
        $t->scalar($s, 'dataend');
    }),
    in_data('quit in the data phase ends the message', sub {
        my ($t, $s) = @_;
        $t->scalar($s, datasend => 'partial');
        $t->scalar($s, 'quit');
    }),
    in_data('reset in the data phase ends the message', sub {
        my ($t, $s) = @_;
        $t->scalar($s, datasend => "partial\r");
        $t->scalar($s, 'reset');
        $t->list($s, 'message');
    }),
    in_data('a command in the data phase ends the message', sub {
        my ($t, $s) = @_;
        $t->scalar($s, datasend => 'partial');
        $t->scalar($s, 'command', 'NOOP');
        $t->note(last_ch => exists ${*$s}{net_cmd_last_ch} ? 1 : 0);
        $t->list($s, 'message');
        $t->scalar($s, 'response');
    }),
    {   name  => 'the command before the first datasend after a message',
        calls => sub {
            my ($t, $s) = @_;
            for (1 .. 3) {
                $t->scalar($s, mail => 'a@test');
                $t->scalar($s, to => 'b@test');
                $t->scalar($s, 'data');
                $t->scalar($s, datasend => "x$_\n", ".\n");
                $t->scalar($s, 'dataend');
            }
        },
        after => sub { (messages => $_[0]{messages}) },
    },
    {   name  => 'data with text, in each context, then dataend again',
        calls => sub {
            my ($t, $s) = @_;
            for my $context (qw(list scalar void)) {
                $s->mail('a@test');
                $s->to('b@test');
                $t->$context($s, data => "Subject: x\n", "\n", '.', "\n");
                $t->$context($s, 'dataend');
            }
        },
        after => sub { (messages => $_[0]{messages}) },
    },
    {   name  => 'data with a reference, and with none',
        calls => sub {
            my ($t, $s) = @_;
            for my $args ([ [ "a\n", "b\n" ] ], [''], [ [] ], [0]) {
                $s->mail('a@test');
                $s->to('b@test');
                $t->scalar($s, data => @$args);
            }
        },
        after => sub { (messages => $_[0]{messages}) },
    },
    {   name  => 'data in each context without arguments',
        calls => sub {
            my ($t, $s) = @_;
            for my $context (qw(list scalar void)) {
                $s->mail('a@test');
                $s->to('b@test');
                $t->$context($s, 'data');
                $s->dataend;
            }
        },
    },
    (map { my ($name, $answer) = @$_; {
        name  => "data refused: $name",
        smtp  => { on => { DATA => $answer } },
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a@test');
            $s->to('b@test');
            $t->each_context($s, data => "text\n");
            $t->each_context($s, 'data');
            $t->list($s, 'message');
        },
    } } [ '4xx', '451 later' ], [ '5xx', "554-no\r\n554 never" ], [ '1xx', '150 hm' ], [ '6xx', '654 hm' ]),
    {   name    => 'data answered with 250 instead of 354',
        replies => [ '250 ok', '250 ok', '250 strange' ],
        calls   => sub {
            my ($t, $s) = @_;
            $s->mail('a@test');
            $s->to('b@test');
            $t->scalar($s, data => "text\n");
            $t->scalar($s, 'code');
        },
    },
    (map { my ($name, $answer) = @$_; {
        name  => "the message answered with $name",
        smtp  => { on => { '.' => $answer } },
        calls => sub {
            my ($t, $s) = @_;
            for my $context (qw(list scalar void)) {
                $s->mail('a@test');
                $s->to('b@test');
                $t->$context($s, data => "text\n");
                $t->scalar($s, $_) for qw(code status ok);
                $t->list($s, 'message');
            }
        },
    } } [ '4xx', '451 later' ], [ '5xx', "554-no\r\n554 never" ], [ '354', '354 more?' ], [ '150', '150 hm' ]),
    in_data('dataend answered by silence', sub {
        my ($t, $s) = @_;
        $s->timeout(0.4);
        $s->datasend("x\n");
        $t->timing(0.4, sub { $t->scalar($s, 'dataend') });
        $t->scalar($s, 'code');
        $t->list($s, 'message');
        $t->note(last_ch => exists ${*$s}{net_cmd_last_ch} ? 1 : 0);
        $s->close;
    }, replies => [ '250 ok', '250 ok', '354 go', ]),
    in_data('dataend answered by the end', sub {
        my ($t, $s) = @_;
        $s->datasend("x\n");
        $t->list($s, 'dataend');
        $t->scalar($s, 'code');
        $t->list($s, 'message');
        $t->scalar($s, 'datasend', 'x');
        $t->scalar($s, 'dataend');
    }, script => [ @{ talk([], '250 ok', '250 ok', '354 go') }, ['body'], ['close'] ]),
    in_data('the connection is lost during much data', sub {
        my ($t, $s) = @_;
        my ($sent, $until) = (1, time + 20);    # the server may be slow to hang up
        $sent = $s->datasend("x" x 60 . "\n" x 2000) while $sent && time < $until;
        $t->note(stopped => $sent, $s->code, $s->message);
        $t->scalar($s, datasend => "y\n");
        $t->list($s, datasend => "y\n");
        $t->scalar($s, 'dataend');
        $t->scalar($s, $_) for qw(code reset quit);
    }, script => [ @{ talk([], '250 ok', '250 ok', '354 go') }, [ 'octets', 10 ], ['reset'] ], wire => 0),
    in_data('Debug tells each line of the data', sub {
        my ($t, $s) = @_;
        $s->debug(1);
        $t->scalar($s, datasend => $_) for "a\nb\n", ".c", "\r\n", '', "\n\n", [ 'd', "\ne" ], "f\rg\n";
        $t->scalar($s, 'dataend');
        $t->scalar($s, 'dataend');
    }),

    # Raw data
    in_bdat('rawdatasend sends as is', sub {
        my ($t, $s) = @_;
        $s->command('BDAT', 300, 'LAST');
        $t->each_context($s, rawdatasend => "a\n.b\r\r");
        $t->scalar($s, rawdatasend => "x\n", "y");
        $t->scalar($s, rawdatasend => [ "x\n", "y", 3 ]);
        $t->scalar($s, rawdatasend => '');
        $t->scalar($s, 'rawdatasend');
        $t->scalar($s, rawdatasend => "\0" x (300 - 6 * 3 - 3 - 4));
        $t->scalar($s, 'response');
    }),
    in_data('Debug of rawdatasend', sub {
        my ($t, $s) = @_;
        $s->debug(1);
        $t->scalar($s, rawdatasend => $_) for "a\nb\n", '', "\n", 'c', "\n\nd";
        $t->scalar($s, rawdatasend => "\r\n.\r\n");
        $t->scalar($s, 'response');
    }),

    # Chunks
    in_bdat('bdat and bdatlast', sub {
        my ($t, $s) = @_;
        $t->scalar($s, bdat => "first\r\n.");
        $t->scalar($s, bdat => 'x' x 70_000);
        $t->scalar($s, bdatlast => "\r\nlast");
    }),
    in_bdat('bdat in each context', sub {
        my ($t, $s) = @_;
        $t->each_context($s, bdat => 'abc');
        $t->each_context($s, bdatlast => 'abc');
    }),
    in_bdat('bdat of nothing', sub {
        my ($t, $s) = @_;
        $t->scalar($s, bdat => '');
        $t->scalar($s, bdat => 0);
        $t->scalar($s, bdatlast => '');
    }),
    in_bdat('bdat of all octets', sub {
        my ($t, $s) = @_;
        $t->scalar($s, bdatlast => $all_octets);
    }),
    in_bdat('bdat refused', sub {
        my ($t, $s) = @_;
        $t->each_context($s, bdat => 'abc');
        $t->scalar($s, 'code');
        $t->each_context($s, bdatlast => 'abc');
        $t->list($s, 'message');
    }, smtp => { extensions => [ 'BINARYMIME', 'CHUNKING' ], on => { BDAT => '452 full' } }),
    in_bdat('bdat answered with 354', sub {
        my ($t, $s) = @_;
        $t->scalar($s, bdat => 'abc');
    }, smtp => { extensions => [ 'BINARYMIME', 'CHUNKING' ], on => { BDAT => '354 hm' } }),
    in_bdat('bdat on a connection that is closed', sub {
        my ($t, $s) = @_;
        $s->close;
        $t->each_context($s, $_ => 'abc') for qw(bdat bdatlast);
    }),
    in_bdat('data where chunks are in use says so', sub {
        my ($t, $s) = @_;
        $t->void($s, data => 'x');
        $t->void(sub { $s->data('x') });
    }),
    {   name  => 'bdat where chunks are not in use says so',
        calls => sub {
            my ($t, $s) = @_;
            $t->void($s, bdat => 'x');
            $t->void(sub { $s->bdatlast('x') });
        },
    },
    in_bdat('Debug of bdat', sub {
        my ($t, $s) = @_;
        $s->debug(1);
        $t->scalar($s, bdat => "two\nlines\n");
        $t->scalar($s, bdatlast => "\n");
    }),
    {   name  => 'a chunking flag set by hand opens bdat',
        calls => sub {
            my ($t, $s) = @_;
            ${*$s}{net_smtp_chunking} = 1;
            $t->scalar($s, bdat => 'abc');
            $t->void($s, 'data');
            delete ${*$s}{net_smtp_chunking};
            $t->scalar($s, 'data');
        },
    },

    # Tied handles
    {   name  => 'datafh: print, close',
        except => ['net_cmd_sending'],
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a@test');
            $s->to('b@test');
            my $fh = $t->scalar($s, 'datafh');
            $t->state($s);
            $t->scalar(sub { print {$fh} "Subject: x\n\n" });
            $t->state($s);
            $t->scalar(sub { print {$fh} '.dot' });
            $t->scalar(sub { close $fh });
            $t->state($s);
            $t->scalar(sub { close $fh });
        },
        after => sub { (messages => $_[0]{messages}) },
    },
    in_data('tied_fh: PRINT and CLOSE as methods', sub {
        my ($t, $s) = @_;
        my $fh = $t->scalar($s, 'tied_fh');
        my $tied = tied *$fh;
        $t->note(same => $tied == $s ? 1 : 0);
        $t->scalar($s, PRINT => "0123456789\n");
        $t->list($s, PRINT => 0);
        $t->scalar($s, 'CLOSE');
        $t->scalar($s, 'CLOSE');
    }),
    {   name    => 'tied_fh: lines up to the dot',
        replies => ["250 x\r\nline 1\r\n..line 2\r\n\r\n.\r\n250 after"],
        calls   => sub {
            my ($t, $s) = @_;
            my $fh = $s->tied_fh;
            $s->command('X');
            $s->response;
            $t->scalar(sub { scalar <$fh> }) for 1 .. 3;
            $t->scalar(sub { scalar <$fh> });
            $t->scalar(sub { close $fh });
            $t->scalar($s, 'response');
        },
    },
    {   name    => 'tied_fh: read by length',
        undef_is_silent => 1,
        replies => ["250 x\r\nline 1\r\nline two\r\n.\r\n250 after"],
        calls   => sub {
            my ($t, $s) = @_;
            my $fh = $s->tied_fh;
            $s->command('X');
            $s->response;
            for my $len (3, 3, 100, 5) {
                my $buf = 'before';
                $t->scalar(sub { read $fh, $buf, $len });
                $t->note(buf => $buf);
            }
            $t->state($s);
            $t->scalar($s, 'response');
        },
    },
    {   name    => 'tied_fh: READ, READLINE and CLOSE without a tie',
        replies => ["250 x\r\nline 1\r\n250 y"],
        calls   => sub {
            my ($t, $s) = @_;
            my $buf = 'kept';
            $t->list(sub { $s->READ($buf, 10) });
            $t->list($s, 'READLINE');
            $t->list($s, 'CLOSE');
            $t->note(buf => $buf);
        },
    },
);
