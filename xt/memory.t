#!perl
# Memory: what is done again and again takes no more than once, big bodies take
# none, and valgrind finds no fault where it is installed.
use strict;
use warnings;
use lib 't/lib';

use Config;
use File::Temp ();
use IO::Handle;
use Net::SMTP::XS;
use Socket;
use Test::More;
use Time::HiRes ();
use NSX::Test::Attack;

use constant {
    ROUNDS  => 2,
    TIMES   => 1500,
    LEAK    => 30,      # kB that TIMES may take: less than a scalar each time
    BODY    => 1000,    # kB that a body of any size may take
};

plan skip_all => 'memory is measured in /proc' if !-r '/proc/self/statm';

# kB of this process in memory.
sub memory {
    open my $in, '<', '/proc/self/statm' or die "statm: $!";
    return (split ' ', <$in>)[1] * 4;
}

sub peak {
    open my $in, '<', '/proc/self/status' or die "status: $!";
    return join('', <$in>) =~ /^VmHWM:\s+(\d+)/m ? $1 : 0;
}

{
    package Tied;
    sub TIESCALAR { bless [] }
    sub FETCH     {"tied\n"}
    package Text;
    use overload '""' => sub {"object\n"}, fallback => 1;
    package Dies;
    use overload '""' => sub { die "no text\n" }, fallback => 1;
    package Sub;
    our @ISA = ('Net::SMTP::XS');
    our $die;
    sub getline        { my $s = shift; die "getline\n" if $die; $s->SUPER::getline(@_) }
    sub parse_response { shift->SUPER::parse_response(@_) }
    sub set_status     { shift->SUPER::set_status(@_) }
    sub _MAIL          { shift->SUPER::_MAIL(@_) }
    sub timeout        { shift->SUPER::timeout(@_) }
    sub debug          { shift->SUPER::debug(@_) }
}

my $ehlo = "250-mx.test\r\n250-SIZE 100\r\n250-DSN\r\n250-AUTH PLAIN\r\n250-AUTH=LOGIN\r\n250 CHUNKING\r\n";
my $upgraded = "caf\xe9\n";
utf8::upgrade($upgraded);
tie my $tied, 'Tied';

# Each gets an object and its peer, and says first what the server will say.
my @again = (
    [ 'a command and its reply' => sub { $_[1]->("250 ok\r\n"); $_[0]->command('NOOP', 'x')->response } ],
    [ 'a reply of many lines'   => sub { $_[1]->("250-x\r\n" x 9 . "250 y\r\n"); $_[0]->verify('x'); my @l = $_[0]->message; my $t = $_[0]->message } ],
    [ 'hello and supports' => sub { $_[1]->($ehlo); $_[0]->hello('x'); $_[0]->supports($_) for qw(SIZE NONE dsn); $_[0]->supports('NO', 500, ['x']) } ],
    [ 'mail with options'  => sub { $_[1]->("250 ok\r\n"); ${ *{ $_[0] } }{net_smtp_esmtp} ||= { SIZE => 1, DSN => 1 }; $_[0]->mail('a@b', Size => 1, Envelope => "x+y", Return => 'FULL') } ],
    [ 'recipients'         => sub { $_[1]->("250 ok\r\n550 no\r\n250 ok\r\n"); my @ok = $_[0]->to('a', 'b', 'c', { SkipBad => 1 }) } ],
    [ 'a refused recipient' => sub { $_[1]->("550 no\r\n"); $_[0]->to('a', 'b') } ],
    [ 'data'      => sub { $_[1]->("354 go\r\n250 ok\r\n"); $_[0]->data("x\n.y\n", "z") } ],
    [ 'datasend of every form' => sub { $_[1]->("250 ok\r\n"); $_[0]->datasend($_) for "x\n", [ "a\n", '.b' ], $upgraded, $tied; $_[0]->datasend('x', bless([], 'Text'), undef, 5); $_[0]->dataend } ],
    [ 'datasend that dies' => sub { eval { $_[0]->datasend("\x{100}") }; eval { $_[0]->datasend('x', bless [], 'Dies') }; eval { $_[0]->datasend({}) } } ],
    [ 'bdat'      => sub { ${ *{ $_[0] } }{net_smtp_chunking} = 1; $_[1]->("250 ok\r\n" x 2); $_[0]->bdat([ 'x', $upgraded ]); $_[0]->bdatlast('y'); delete ${ *{ $_[0] } }{net_smtp_chunking} } ],
    [ 'datafh'    => sub { $_[1]->("354 go\r\n250 ok\r\n"); my $fh = $_[0]->datafh; print $fh "x\n"; close $fh } ],
    [ 'lines and lines put back' => sub { $_[1]->("one\r\ntwo\r\n"); my $l = $_[0]->getline; $_[0]->ungetline($l); $_[0]->getline for 1, 2 } ],
    [ 'read_until_dot' => sub { $_[1]->("one\r\n..two\r\n.\r\n"); my $l = $_[0]->read_until_dot } ],
    [ 'garbage' => sub { $_[1]->("what?\r\n"); $_[0]->response; $_[0]->getline } ],
    [ 'commands that die' => sub { eval { $_[0]->command(bless [], 'Dies') }; eval { $_[0]->command("\x{100}") }; eval { $_[0]->code(1) }; eval { Net::SMTP::XS->command('x') } } ],
    [ 'status' => sub { $_[0]->set_status(250, 'x'); $_[0]->set_status(250, ['y']); $_[0]->$_ for qw(code status ok message unsupported) } ],
    [ 'debugging' => sub { local *STDERR; open STDERR, '>', '/dev/null'; $_[1]->("250 ok\r\n" x 2); $_[0]->debug(1); $_[0]->command('X', 'y')->response; $_[0]->datasend("x\ny\n"); $_[0]->dataend; $_[0]->debug(0) } ],
    [ 'overridden methods' => sub { bless $_[0], 'Sub'; $_[1]->("250 ok\r\n" x 3); $_[0]->mail('a'); $_[0]->to('b'); $_[0]->command('X')->response; bless $_[0], 'Net::SMTP::XS' } ],
    [ 'an overridden method that dies' => sub { bless $_[0], 'Sub'; local $Sub::die = 1; eval { $_[0]->mail('a') }; $Sub::die = 0; $_[1]->("250 ok\r\n" x 2); $_[0]->reset; bless $_[0], 'Net::SMTP::XS' } ],
    [ 'edits of the class' => sub { no warnings; local *Net::SMTP::XS::Cmd::getline = sub {"250 x\n"}; $_[0]->command('X')->response } ],
    [ 'sends, expand, help, etrn' => sub { $_[1]->("250 ok\r\n" x 4); my @l = ($_[0]->send('a'), $_[0]->expand('x'), $_[0]->help('y'), $_[0]->etrn('z')) } ],
    [ 'an object' => sub { my ($s, $peer) = NSX::Test::Attack->wired('250 ok'); $s->response; $s->command('X'); $s->datasend('x'); } ],
    [ 'a closed object' => sub { my ($s, $peer) = NSX::Test::Attack->wired('250 ok'); $s->response; close $s; $s->reset; $s->datasend('x'); $s->dataend } ],
    [ 'a connection that broke' => sub { my ($s, $peer) = NSX::Test::Attack->wired('250-half'); close $peer; $s->mail('x'); $s->datasend('x') } ],
    [ 'a broken connection with a reply' => sub { my ($s, $peer) = NSX::Test::Attack->wired('552 no'); close $peer; $s->datasend('x') for 1, 2 } ],
    [ 'Timeouts' => sub { my ($s, $peer) = NSX::Test::Attack->wired(); $s->timeout(0.0001); $s->mail('x') }, 200 ],
    [ 'a signal handler that dies' => sub {
        my ($s, $say) = @_;
        local $SIG{ALRM} = sub { die "alarm\n" };
        Time::HiRes::ualarm(300);
        eval { $s->command('X')->response };
        Time::HiRes::ualarm(0);
        $say->("250 ok\r\n" x 2);
        $s->reset;
    }, 200 ],
);

for my $case (@again) {
    my ($name, $code, $times) = @$case;
    attack $name, sub {
        my $t = shift;
        local $SIG{__WARN__} = sub { };
        my ($s, $peer) = $t->wired;
        $peer->blocking(0);
        my $say  = sub { syswrite $peer, $_[0] };
        my $once = sub {
            $code->($s, $say);
            sysread $peer, my $heard, 65536;
        };
        my $grown;
        for my $round (0 .. ROUNDS) {    # the first one warms up
            my $before = memory();
            $once->() for 1 .. $times || TIMES;
            my $more = memory() - $before;
            $grown = $more if $round && (!defined $grown || $more < $grown);
        }
        $t->ok($grown <= LEAK, "it takes $grown kB more");
    }, limit => 60;
}

# ---- one thing that is big

# An object whose peer takes everything and keeps nothing.
sub bottomless {
    my $t = shift;
    my ($s, $peer) = $t->wired;
    my $pid = fork;
    if (!$pid) {
        close $s;
        my $octets;
        1 while sysread $peer, $octets, 1 << 20;
        POSIX::_exit(0);
    }
    close $peer;
    ${*$s}{net_cmd_last_ch} = "\n";
    return $s;
}

my $long = 'x' x 71 . "\n";
my $mb   = 2**20;             # a variable: perl would fold constants, and keep them
for my $case (
    [ 'a string of 100 MB', sub { $long x (100 * $mb / 72) } ],
    [ 'a string of 30 MB without a line end', sub { 'x' x (30 * $mb) } ],
    [ 'a string of 10 MB of dots', sub { ".\n" x (5 * $mb) } ],
    [ 'upgraded text of 20 MB', sub { my $text = "caf\xe9\n" x (4 * $mb); utf8::upgrade($text); $text } ],
    [ 'a million lines', sub { [ ("line\n") x $mb ] } ],
) {
    my ($name, $make) = @$case;
    for my $method (qw(datasend rawdatasend)) {
        attack "$method of $name", sub {
            my $t = shift;
            my $s = bottomless($t);
            $s->$method("warm\n");
            my $body   = $make->();
            my $before = peak();
            $t->ok($s->$method($body), 'not sent');
            my $grown = peak() - $before;
            $t->ok($grown < BODY, "it takes $grown kB");
        }, limit => 60;
    }
}

# An object whose peer takes messages, by DATA or by BDAT, and keeps nothing.
sub mailbox {
    my $t = shift;
    my ($s, $peer) = $t->wired;
    my $pid = fork;
    if (!$pid) {
        close $s;
        take_messages($peer);
        POSIX::_exit(0);
    }
    close $peer;
    $s->hello('x');
    return $s;
}

sub take_messages {
    my $peer = shift;
    while (defined(my $line = readline $peer)) {
        if ($line =~ /^EHLO/) {
            syswrite $peer, "250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
            next;
        }
        if ($line =~ /^DATA/) {
            syswrite $peer, "354 go\r\n";
            1 while defined($line = readline $peer) && $line ne ".\r\n";
        }
        elsif ($line =~ /^BDAT (\d+)/) {
            my $left = $1;
            while ($left > 0) {
                my $n = read $peer, my $octets, $left < 65536 ? $left : 65536 or return;
                $left -= $n;
            }
        }
        syswrite $peer, "250 ok\r\n";
    }
    return;
}

my $hundred = 100 * $mb / 72;
for my $case (
    [ 'a string'    => sub { $long x $hundred } ],
    [ 'a reference' => sub { my $text = $long x $hundred; \$text } ],
    [ 'a handle'    => sub {
        my $fh = File::Temp->new;
        my $block = $long x 1000;
        print $fh $block for 1 .. $hundred / 1000;
        seek $fh, 0, 0;
        return $fh;
    } ],
    [ 'code' => sub { my ($block, $n) = ($long x 100, $hundred / 100); sub { $n-- > 0 ? $block : undef } } ],
) {
    my ($name, $make) = @$case;
    for my $chunking (0, 1) {
        attack "send_message of 100 MB from $name, Chunking $chunking", sub {
            my $t = shift;
            my $s = mailbox($t);
            my @message = (From => 'a@test', To => 'b@test', Chunking => $chunking, Data =>);
            $s->send_message(@message, $_) for "warm\n" x 20_000, sub {undef};
            my $body   = $make->();
            my $before = peak();
            my $result = $s->send_message(@message, $body);
            my $grown  = peak() - $before;
            $t->ok($result, "not sent: $result");
            $t->ok($result->octets > 100 * $mb, 'only ' . $result->octets);
            $t->ok($grown < BODY, "it takes $grown kB");
        }, limit => 60;
    }
}

attack 'signals while a string of 30 MB is sent', sub {
    my $t = shift;
    my $s = bottomless($t);
    my $body = $long x (30 * $mb / 72);
    my $ticks = 0;
    local $SIG{ALRM} = sub { $ticks++ };
    Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0.0005, 0.0005);
    my $before = peak();
    my $ok     = $s->datasend($body);
    Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0);
    my $grown = peak() - $before;
    $t->ok($ok, 'not sent');
    $t->ok($grown < 31_000, "it takes $grown kB, after $ticks signals");
}, limit => 60;

attack '20000 recipients in one call', sub {
    my $t = shift;
    my ($s, $peer) = $t->wired;
    my $pid = fork;
    if (!$pid) {
        close $s;
        syswrite $peer, "250 ok\r\n" while defined readline $peer;
        POSIX::_exit(0);
    }
    my @all = map {"someone$_\@example.test"} 1 .. 20_000;
    my $before = peak();
    $t->ok($s->to(@all), 'refused');
    my $grown = peak() - $before;
    $t->ok($grown < 2000, "it takes $grown kB");
}, limit => 60;

attack '100000 commands', sub {
    my $t = shift;
    my ($s, $peer) = $t->wired;
    $peer->blocking(0);
    my $before;
    for my $n (1 .. 100_000) {
        syswrite $peer, "250 ok\r\n";
        $s->command('NOOP')->response == 2 or return $t->ok(0, "command $n");
        sysread $peer, my $heard, 100;
        $before = memory() if $n == 1000;
    }
    my $grown = memory() - $before;
    $t->ok($grown <= LEAK, "it takes $grown kB");
}, limit => 60;

if ($Config{useithreads}) {
    require threads;
    attack 'threads', sub {
        my $t = shift;
        my ($s, $peer) = $t->wired('250 ok');
        $s->response;
        my $once = sub { threads->create(sub { $s->code; $s->set_status(250, 'x'); 1 })->join };
        $once->() for 1 .. 30;
        my $before = memory();
        $once->() for 1 .. 100;
        my $grown = memory() - $before;
        $t->ok($grown < 1000, "100 threads take $grown kB");
    }, limit => 60;
}

# ---- valgrind

sub has_valgrind { return 0 == system 'valgrind --version >/dev/null 2>&1' }

# The tests named, each process of theirs under valgrind.
sub under_valgrind {
    my ($file, $only) = @_;
    local $ENV{NSX_ATTACK_ONLY} = $only;
    local $ENV{NSX_TEST_SLOW}   = 8;
    my @command = (qw(valgrind -q --error-exitcode=99), $^X, (map {"-I$_"} @INC), $file);
    open my $out, '-|', join ' ', (map {"'$_'"} @command), '2>&1' or die "valgrind: $!";
    my $said = join '', <$out>;
    close $out;
    ok $? == 0 && $said !~ /^==\d+==/m && $said =~ /^ok/m, "$file: $only" or diag $said;
    return;
}

# What is forked inherits valgrind; this test's own children must be gone.
NSX::Test::Attack::settle();
SKIP: {
    skip 'valgrind is not installed', 3 if !has_valgrind();
    under_valgrind('xt/robust-args.t', '^(?:an array with|a glob that|an object that (?:drops|empties))');
    under_valgrind('xt/robust-signals.t',
        'empties the (?:array|scalar)|wait for a reply, a handler (?:dies|quits|drops)');
    under_valgrind('xt/robust-override.t', 'edits of the class|that (?:drops the|empties its)');
}

finished();
