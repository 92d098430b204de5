# The command channel: Net::Cmd's methods, on an SMTP object and on other handles.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Oracle;

sub scripted {
    my ($name, $replies, $calls, %more) = @_;
    return { name => $name, replies => $replies, calls => $calls, %more };
}

# A class of the command channel on a temporary file; what was written is a fact.
sub on_file {
    my ($name, $calls) = @_;
    return {
        name => "on a file: $name",
        code => sub {
            my $t = shift;
            require IO::File;
            my $cmd = $t->cmd_class;
            eval "package On::File; our \@ISA = ('$cmd', 'IO::File'); sub timeout { undef } 1" or die $@;
            my $obj = On::File->new_tmpfile;
            $calls->($t, $obj);
            $t->state($obj);
            if (defined fileno $obj) {
                seek $obj, 0, 0;
                local $/;
                $t->note(written => join '', readline $obj);
            }
        },
    };
}

# The same on one end of a socket pair; the other end is the peer.
sub on_pair {
    my ($name, $calls) = @_;
    return {
        name => "on a socket pair: $name",
        code => sub {
            my $t = shift;
            require IO::Handle;
            require Socket;
            my $cmd = $t->cmd_class;
            eval "package On::Pair; our \@ISA = ('$cmd', 'IO::Handle'); sub timeout { 0.4 } 1" or die $@;
            socketpair my $mine, my $peer, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or die $!;
            $calls->($t, bless($mine, 'On::Pair'), $peer);
            $t->state($mine);
        },
    };
}

my @levels = ([ 1 ], [ 0 ], [ 'x' ], [ undef ], [ 4 ], [ -1 ], [ '' ]);

oracle(
    # command
    scripted('command: arguments of all sorts', [], sub {
        my ($t, $s) = @_;
        $t->scalar($s, command => @$_)
            for [ 'NOOP' ], [ 'A', 'b', 'c' ], [ 'A', '', 'c' ], [ '' ], [ 0 ], [ 'A', 0, 1.5 ],
                [ "A\nB" ], [ "A\n", "\n\n" ], [ 'A ' ], [ ' A' ], [ 'x' x 5000 ], [ "\xe9" ], [ "A\tB" ];
    }),
    scripted('command: without arguments', [], sub { $_[0]->each_context($_[1], 'command') }),
    scripted('command: undef', [], sub { $_[0]->scalar($_[1], command => 'A', undef, 'B') }),
    scripted('command: an array reference', [], sub {
        my ($t, $s) = @_;
        $t->scalar(sub { (my $x = $s->command('A', [])) ; 'sent' });
    }, wire => 0),
    scripted('command: returns its object, in each context', [], sub {
        my ($t, $s) = @_;
        $t->each_context($s, command => 'NOOP');
        $t->note(same => $s->command('NOOP') == $s ? 1 : 0);
    }),
    scripted('command does not change its arguments', ['250 x'], sub {
        my ($t, $s) = @_;
        my @words = ("A\nB", 'c');
        $s->command(@words);
        $t->note(words => @words);
    }),
    scripted('command(...)->response, chained', ["250-a\r\n250 b"], sub {
        my ($t, $s) = @_;
        $t->scalar(sub { $s->command('XCLIENT', 'NAME=x', 'ADDR=y')->response });
        $t->list($s, 'message');
    }),
    scripted('several commands, then several responses', [ '250 a', '251 b', '550 c' ], sub {
        my ($t, $s) = @_;
        $s->command($_) for qw(A B C);
        for (1 .. 3) { $t->scalar($s, 'response'); $t->scalar($s, 'code'); $t->list($s, 'message') }
    }),
    scripted('a global $, and $\ have no say', ["250 ok"], sub {
        my ($t, $s) = @_;
        local ($,, $\) = ('-', '!');
        $t->scalar($s, command => 'A', 'b');
        $t->scalar($s, 'response');
    }),
    scripted('a global $/ has no say', ["250-ok\r\n250 b"], sub {
        my ($t, $s) = @_;
        local $/ = undef;
        $s->command('A');
        $t->scalar($s, 'response');
        $t->list($s, 'message');
    }),

    # response and its kin
    (map { my ($name, $reply) = @$_; scripted("response: $name", [$reply], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $t->scalar($s, 'response');
        $t->scalar($s, $_) for qw(code status ok);
        $t->list($s, $_) for qw(message code status ok);
        $t->scalar($s, 'message');
    }, new => { wait => 2 }, except => $name eq 'a dash only' ? ['open'] : []) }
        [ '1xx', '150 hm' ], [ '2xx', '250 ok' ], [ '3xx', '354 go' ], [ '4xx', '450 no' ], [ '5xx', '550 no' ],
        [ '0xx', '050 x' ], [ '6xx', '650 x' ], [ '9xx', '999 x' ], [ '000', '000 x' ],
        [ 'no text', '250' ], [ 'a blank', '250 ' ], [ 'no blank', '250ok' ], [ 'a tab', "250\tok" ],
        [ 'enhanced status', '550 5.1.1 no such user' ],
        [ 'many lines', "250-a\r\n250-\r\n250-c d\r\n250 e" ],
        [ 'mixed codes', "250-a\r\n550 b" ], [ 'mixed codes the other way', "550-a\r\n250 b" ],
        [ 'a continuation without text', "250-\r\n250" ],
        [ 'bare LF', "250-a\n250 b" ], [ 'a CR in the text', "250 a\rb" ],
        [ 'CR CR LF', "250 a\r" ], [ 'blank line inside', "250-a\r\n\r\n250 b" ],
        [ 'eight bits', "250 \xe9\xc3\xa9" ], [ 'UTF-8', "250 \xc3\xa9" ], [ 'a NUL', "250 a\0b" ],
        [ 'two digits', '25 x' ], [ 'four digits', '2500 x' ], [ 'letters', 'abc' ],
        [ 'a blank first', ' 250 ok' ], [ 'garbage in the middle', "250-a\r\nwhat\r\n250 b" ],
        [ 'a dash only', '250-' ], [ 'a long line', '250 ' . 'x' x 900 ], [ 'a line of 2000', '250 ' . 'x' x 2000 ],
        [ '100 lines', join '', (map {"250-line $_\r\n"} 1 .. 99), '250 last' ],
    ),
    scripted('two replies in one segment', ["250 a\r\n550 b"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        for (1 .. 2) { $t->scalar($s, 'response'); $t->list($s, 'message') }
    }),
    scripted('garbage stays for the next response', [ "what\r\n250 b" ], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $t->scalar($s, 'response');
        $t->scalar($s, 'code');
        $t->list($s, 'message');
        $t->scalar($s, 'response');
        $t->scalar($s, 'getline');
        $t->scalar($s, 'response');
    }),
    scripted('garbage with Debug, printable', [ 'what' ], sub {
        my ($t, $s) = @_;
        $s->debug(1);
        $t->scalar($s, command => 'X');
        $t->scalar(sub { $s->response });
    }),

    # code, message, status, ok, set_status
    scripted('set_status and what it sets', [], sub {
        my ($t, $s) = @_;
        for my $args ([ 250, 'text' ], [ 354, undef ], [ 550, [ "a\n", "b\n" ] ], [ '', '' ], [ 42, [] ],
            [ 399, 'x' ], [ 400, 'x' ], [ 0, 'x' ], [ -5, 'x' ], [ 'abc', 'x' ], [ 2.5, 'x' ]) {
            $t->scalar($s, set_status => @$args);
            $t->scalar($s, $_) for qw(code status message ok);
            $t->list($s, 'message');
        }
        $t->each_context($s, set_status => 250, 'ok');
    }),
    scripted('set_status keeps the caller\'s list', [], sub {
        my ($t, $s) = @_;
        my @lines = ("one\n");
        $s->set_status(250, \@lines);
        push @lines, "two\n";
        $t->list($s, 'message');
        $t->note(same => ${*$s}{net_cmd_resp} == \@lines ? 1 : 0);
    }),
    scripted('the wrong number of arguments', [], sub {
        my ($t, $s) = @_;
        $t->scalar(sub { $s->set_status });
        $t->scalar(sub { $s->set_status(1) });
        $t->scalar(sub { $s->set_status(1, 2, 3) });
        for my $method (qw(code message status ok)) {
            $t->scalar(sub { $s->$method('extra') });
        }
        $t->scalar(sub { $s->debug(1, 2) });
    }, needs => 3.13),
    scripted('unsupported', [], sub {
        my ($t, $s) = @_;
        $t->each_context($s, 'unsupported');
        $t->scalar($s, 'code');
        $t->list($s, 'message');
    }),
    scripted('message, joined and as a list, read from the hash', ["250-a\r\n250 b"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $s->response;
        $t->note(first => ${ ${*$s}{net_cmd_resp} }[1]);
        ${*$s}{net_cmd_resp}[0] = "changed\n";
        ${*$s}{net_cmd_code} = 777;
        $t->list($s, 'message');
        $t->scalar($s, $_) for qw(message code status ok);
    }),
    scripted('code without one is the default', [], sub {
        my ($t, $s) = @_;
        delete ${*$s}{net_cmd_code};
        $t->scalar($s, 'code');
        $t->scalar($s, 'status');
        delete ${*$s}{net_cmd_code};
        $t->scalar($s, 'ok');
    }),

    # lines
    scripted('getline and ungetline', ["one\r\n\r\nthree\nfour\r"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $t->scalar($s, 'getline') for 1 .. 2;
        $t->void($s, ungetline => "back\n");
        $t->void($s, ungetline => "250 front\r\n");
        $t->list($s, 'getline') for 1 .. 4;
    }),
    scripted('ungetline feeds response', [], sub {
        my ($t, $s) = @_;
        $s->ungetline("250 b\n");
        $s->ungetline("250-a\r\n");
        $t->scalar($s, 'response');
        $t->list($s, 'message');
        $s->ungetline($_) for 'no newline', '250 none', "25";
        $t->scalar($s, 'getline') for 1 .. 3;
    }),
    scripted('ungetline in each context', [], sub {
        my ($t, $s) = @_;
        $t->each_context($s, ungetline => "x\n");
        $t->scalar($s, 'getline') for 1 .. 3;
    }),
    scripted('parse_response', [], sub {
        my ($t, $s) = @_;
        for my $line ("250 ok\n", "250-ok\n", '250', '250-', "2500\n", "25 x\n", "abc\n", '', "550 5.1.1 a b\n", "250\n", "250\r\n", "250x-\n") {
            my $copy = $line;
            $t->list($s, parse_response => $copy);
            $t->note(left => $copy);
        }
    }),
    scripted('read_until_dot', ["one\r\n..two\r\n.three\r\n\r\n. \r\n.\r\n250 rest"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $t->scalar($s, 'read_until_dot');
        $t->scalar($s, 'response');
    }),
    scripted('read_until_dot in list context, with Debug 4', ["one\r\n..two\r\n.\r\n250 rest"], sub {
        my ($t, $s) = @_;
        $s->debug(4);
        $s->command('X');
        $t->list($s, 'read_until_dot');
        $s->debug(1);
        $t->scalar($s, 'response');
    }),
    scripted('read_until_dot into a handle', ["one\r\n..two\r\n.\r\n250 rest"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        open my $out, '>', \my $text or die $!;
        $t->scalar($s, read_until_dot => $out);
        close $out;
        $t->note(text => $text);
    }),
    scripted('read_until_dot into a tied handle', ["one\r\n..two\r\n.\r\n250 rest"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        my @got;
        eval 'package Tied::Out; sub TIEHANDLE { bless [$_[1]] } sub PRINT { my $o = shift; push @{ $o->[0] }, @_; 1 } 1' or die $@;
        local *OUT;
        tie *OUT, 'Tied::Out', \@got;
        $t->scalar($s, read_until_dot => \*OUT);
        $t->note(got => @got);
    }),
    scripted('read_until_dot cut off', [], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $t->list($s, 'read_until_dot');
        $t->scalar($s, 'code');
    }, script => [ @{ talk([], "one\r\ntwo") }, ['close'] ]),
    scripted('read_until_dot meets a line of 0', ["one\r\n0\r\n.\r\n250 rest"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $t->scalar($s, 'read_until_dot');
    }),

    # debug
    scripted('debug: levels, old and new', [], sub {
        my ($t, $s) = @_;
        for my $level (@levels) {
            $t->scalar($s, debug => @$level);
            $t->list($s, 'debug');
        }
        $t->each_context($s, debug => 0);
    }),
    scripted('debug of a class', [], sub {
        my ($t, $s) = @_;
        $t->subclass('Debug::Sub');
        $t->scalar('Debug::Sub', @$_) for ['debug'], [ debug => 1 ], ['debug'], [ debug => undef ], [ debug => 0 ], [ debug => 2 ], ['debug'];
    }),
    (map { my $level = $_; scripted("Debug $level: a whole dialogue", [ "250-a\r\n250 b", '354 go', '250 ok', '221 bye' ], sub {
        my ($t, $s) = @_;
        $s->debug($level);
        $t->scalar($s, help => "a\nb");
        $t->scalar($s, data => "line\n\n.dot\n");
        $t->scalar($s, 'quit');
    }, script => [ @{ talk([], "250-a\r\n250 b", '354 go') }, ['body'], '250 ok', '<', '221 bye' ]) } 1, 2, 4, 5),
    scripted('debug_print and debug_text', [], sub {
        my ($t, $s) = @_;
        $t->each_context($s, debug_text => 1, 'text');
        $t->each_context($s, debug_text => 0, undef);
        $t->scalar($s, debug_print => 1, "out\n");
        $t->list($s, debug_print => 0, "in\n");
        $t->scalar($s, debug_print => '', 'no newline');
        $t->note('');
    }),
    scripted('debug output goes where STDERR goes', ['250 ok'], sub {
        my ($t, $s) = @_;
        $s->debug(1);
        my $text = '';
        {
            local *STDERR;
            open STDERR, '>', \$text or die $!;
            $s->command('NOOP');
            $s->response;
        }
        $text =~ s/\(0x[0-9a-f]+\)/(0x0)/g;
        $t->note(text => $text);
    }),
    scripted('debug output goes to a tied STDERR', ['250 ok'], sub {
        my ($t, $s) = @_;
        $s->debug(1);
        my $text = '';
        eval 'package Tied::Err; sub TIEHANDLE { bless [$_[1]] } sub PRINT { my $o = shift; ${ $o->[0] } .= join "", @_; 1 } 1' or die $@;
        {
            local *STDERR;
            tie *STDERR, 'Tied::Err', \$text;
            $s->command('NOOP');
            $s->response;
        }
        $text =~ s/\(0x[0-9a-f]+\)/(0x0)/g;
        $t->note(text => $text);
    }),
    scripted('timeout in the middle', [], sub {
        my ($t, $s) = @_;
        $t->scalar($s, 'timeout');
        $t->scalar($s, timeout => 0.3);
        $t->scalar($s, 'timeout');
        $s->command('X');
        $t->timing(0.3, sub { $t->scalar($s, 'response') });
        $t->scalar($s, 'code');
        $t->list($s, 'message');
        $s->close;
    }),
    scripted('a timeout with Debug names the method and the line', [], sub {
        my ($t, $s) = @_;
        $s->timeout(0.2);
        $s->debug(1);
        $t->scalar(sub {
            $s->command('X');
            $s->response;
        });
        $s->close;
    }),
    scripted('the end with Debug names the method and the line', [], sub {
        my ($t, $s) = @_;
        $s->debug(1);
        $t->scalar(sub {
            $s->command('X');
            $s->response;
        });
    }, script => [ @{ talk([]) }, '<', ['close'] ]),
    scripted('toascii and toebcdic are there', [], sub {
        my ($t, $s) = @_;
        $t->scalar($s, toascii => 'text');
        ${*$s}{net_cmd_asciipeer} = 0;
        $t->scalar($s, toebcdic => 'text');
    }),
    scripted('after close every method says so', [], sub {
        my ($t, $s) = @_;
        $s->close;
        for my $call (['command', 'X'], ['response'], ['getline'], ['datasend', 'x'], ['rawdatasend', 'x'], ['dataend'],
            ['mail', 'a'], ['recipient', 'a'], ['recipient', 'a', 'b', { SkipBad => 1 }], ['data'], ['data', 'x'],
            ['datafh'], ['reset'], ['verify', 'a'], ['expand', 'a'], ['help'], ['hello', 'x'], ['etrn', 'x'],
            ['supports', 'SIZE'], ['quit'], ['read_until_dot'], ['host'], ['banner'], ['code'], ['status'], ['ok'], ['close']) {
            $s->set_status(200, 'before');
            $t->list($s, @$call);
            $t->note(after => $s->code, $s->message);
        }
    }),
    scripted('after close with Debug', [], sub {
        my ($t, $s) = @_;
        $s->close;
        $s->debug(1);
        $t->scalar(sub { $s->command('X') });
        $t->scalar(sub { $s->getline });
        $t->scalar(sub { $s->datasend('x') });
        $t->scalar(sub { $s->quit });
    }),
    scripted('_is_closed, _set_status_closed, _set_status_timeout', [], sub {
        my ($t, $s) = @_;
        $t->each_context($s, '_is_closed');
        for my $call (['_set_status_timeout'], [ _set_status_closed => 'why' ]) {
            $t->void($s, @$call);
            $t->scalar($s, $_) for qw(code message);
        }
        $s->close;
        $t->each_context($s, '_is_closed');
        $t->list($s, 'message');
    }),
    scripted('_syswrite_with_timeout writes as is', [], sub {
        my ($t, $s) = @_;
        $t->each_context($s, _syswrite_with_timeout => "a\nb\r\n");
        $t->each_context($s, _syswrite_with_timeout => '');
    }, needs => 3.08),
    scripted('the perl handle and the object share the wire', ["250 a"], sub {
        my ($t, $s) = @_;
        $t->scalar(sub { print {$s} "X one\r\n" });
        $t->scalar($s, 'response');
        $t->scalar(sub { syswrite $s, "X two\r\n" });
        $t->scalar(sub { $s->printf("X %s\r\n", 'three') });
        $t->scalar(sub { close $s });
        $t->scalar($s, command => 'X');
    }),
    scripted('sysread on the handle', ["250 a\r\n"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        my $buf = '';
        sysread $s, $buf, 100 while $buf !~ /\n\r\n/ && $buf !~ /\n$/;
        $t->note(buf => $buf);
    }),
    scripted('the Perl-level readline on the handle', ["250 a"], sub {
        my ($t, $s) = @_;
        $s->command('X');
        $t->scalar(sub { scalar readline $s });
    }),

    # other handles
    on_file('datasend and dataend', sub {
        my ($t, $f) = @_;
        $t->scalar($f, datasend => "a\n.b\r\n", 'c');
        $t->scalar($f, datasend => [ "\n", '.' ]);
        $t->state($f);
        $f->ungetline("250 taken\n");
        $t->scalar($f, 'dataend');
        $t->list($f, 'message');
        $t->scalar($f, 'code');
    }),
    on_file('command and response', sub {
        my ($t, $f) = @_;
        $t->scalar($f, command => 'HELLO', 'x');
        $f->ungetline("354-a\n"), $f->ungetline("354 b\n");
        $t->scalar($f, 'response');
        $t->scalar($f, $_) for qw(code message status ok);
        $t->scalar($f, rawdatasend => "x\ny");
        $t->scalar($f, 'getline');
        $t->scalar($f, $_) for qw(code message);
    }),
    on_file('before anything', sub {
        my ($t, $f) = @_;
        $t->scalar($f, $_) for qw(code debug unsupported code dataend);
    }),
    on_file('debug', sub {
        my ($t, $f) = @_;
        $t->scalar($f, debug => 1);
        $t->scalar($f, datasend => "a\nb");
        $f->ungetline("250 taken\n");
        $t->scalar($f, command => 'X');
        $t->scalar($f, 'debug');
    }),
    on_pair('a dialogue', sub {
        my ($t, $s, $peer) = @_;
        syswrite $peer, "220-a\r\n220 b\r\n250 c\r\n";
        $t->scalar($s, 'response');
        $t->list($s, 'message');
        $t->scalar($s, command => 'X', 1);
        $t->scalar($s, 'response');
        $t->scalar($s, datasend => "x\n.y");
        syswrite $peer, "250 done\r\n";
        $t->scalar($s, 'dataend');
        sysread $peer, my $got, 1000;
        $t->note(peer => $got);
    }),
    on_pair('silence, then the end', sub {
        my ($t, $s, $peer) = @_;
        syswrite $peer, '22';
        $t->timing(0.4, sub { $t->scalar($s, 'response') });
        $t->list($s, 'message');
        close $s;
    }),
    on_pair('the end', sub {
        my ($t, $s, $peer) = @_;
        syswrite $peer, "2";
        close $peer;
        $t->scalar($s, 'response');
        $t->list($s, 'message');
        $t->scalar($s, command => 'X');
        $t->list($s, 'message');
    }),
    on_pair('tied_fh of another class', sub {
        my ($t, $s, $peer) = @_;
        my $fh = $t->scalar($s, 'tied_fh');
        $t->note(tied => ref tied *$fh);
        syswrite $peer, "a\r\n..b\r\n.\r\n250 c\r\n";
        $t->scalar(sub { scalar <$fh> }) for 1 .. 3;
        $t->scalar(sub { print {$fh} "x\n" });
        $t->scalar(sub { close $fh });
    }),
);
