#!perl -T
# What is tainted and what is not, and tainted arguments.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Oracle;

# An empty but tainted string.
sub taint { return substr "$0$^X", 0, 0 }

oracle(
    {   name => 'what the server says is tainted, what was parsed from it is not',
        ehlo => [ 'SIZE 1000', 'DSN' ],
        code => sub {
            my $t = shift;
            my $s = $t->connect;
            $t->scalar($s, $_) for qw(host banner domain code status message);
            $t->list($s, 'message');
            $t->list($s, supports => $_) for qw(SIZE DSN);
            $t->scalar($s, $_) for qw(ok help);
            $t->list($s, expand => 'x');
            $t->scalar($s, hello => 'x');
            $s->command('NOOP');
            $t->scalar($s, 'getline');
            $s->command('NOOP');
            $t->scalar($s, 'response');
            $t->list($s, parse_response => my $line = "250 ok\n" . taint());
            $t->note(keys => map { defined ${*$s}{$_} ? ${*$s}{$_} : 'undef' }
                    qw(net_cmd_code net_smtp_banner net_smtp_domain net_smtp_hello_domain));
        },
    },
    {   name  => 'tainted arguments',
        ehlo  => [ 'SIZE 1000', 'DSN', 'BINARYMIME', 'CHUNKING' ],
        calls => sub {
            my ($t, $s) = @_;
            my $taint = taint();
            $t->scalar($s, @$_) for [ mail => "a\@test$taint", Size => "5$taint" ],
                [ to => "b\@test$taint", { Notify => ["never$taint"], ORcpt => "x$taint" } ],
                [ data => "text\n$taint" ], [ hello => "x$taint" ], [ command => "NOOP$taint" ], ['response'],
                [ set_status => "250$taint", "text$taint" ], ['code'], ['message'];
            $t->list($s, to => "b\@test$taint", 'c@test', { SkipBad => 1 });
        },
    },
    {   name => 'the reply code is never tainted',
        ehlo => [ 'SIZE 1000', 'BINARYMIME', 'CHUNKING' ],
        new  => { Debug => 0 },
        calls => sub {
            my ($t, $s) = @_;
            for my $debug (0, 1) {
                $s->debug($debug);
                my $taint = taint();
                my $state = sub { $t->note($_[0] => $s->code, $s->status, $s->message) };
                $s->mail("a\@test$taint");
                $state->('mail');
                $s->recipient("b\@test$taint");
                $state->('recipient');
                my @answers = ($s->message, $s->data("text$taint"), $s->command("NOOP$taint")->response);
                $t->note(answers => @answers);
                $state->('data');
                $t->note('unknown reply' => "x$taint" . $s->help, $s->code, $s->message);
                $s->mail('a@test', Bits => 'binary');
                $s->recipient('b@test');
                $t->note(bdat => $s->bdat("text$taint"), $s->code, $s->bdatlast("text$taint"), $s->code);
                delete ${*$s}{net_smtp_chunking};
                $s->hello("x$taint");
                $state->('hello');
            }
            $s->debug(0);
        },
    },
    {   name => 'new with tainted arguments',
        smtp => {},
        code => sub {
            my $t = shift;
            my $taint = taint();
            my $s = $t->scalar(sub {
                $t->class->new($t->host . $taint, Port => $t->port . $taint, Hello => "x$taint", Timeout => "5$taint");
            });
            $t->state($s);
            $t->scalar($s, $_) for $s ? qw(host domain) : ();
        },
    },
    {   name => 'a failed new under taint',
        code => sub {
            my $t = shift;
            $t->scalar($t->class, 'new', '127.0.0.1', Port => $t->refused_port);
        },
    },
    {   name    => 'read_until_dot and tied_fh',
        replies => [ "one\r\n.\r\n", "two\r\n.\r\n" ],
        calls   => sub {
            my ($t, $s) = @_;
            $s->command('X');
            $t->note(lines => @{ $s->read_until_dot });
            my $fh = $s->tied_fh;
            $s->command('X');
            $t->scalar(sub { scalar <$fh> });
        },
    },
);
