#!perl
# Short lines of a body may wait to be sent together; whatever touches the
# object or its handle sends them first, and the octets are those of stock.
use strict;
use warnings;

use Config;
use IO::Socket;
use POSIX ();
use File::Spec;
use Socket;
use Test::More;

use Net::SMTP::XS;

# Goes on trying where the machine is so slow that no line waits.
use constant TRIES => 200;

# An object in its data phase, and the other end of its connection.
sub pair {
    my $class = shift || 'Net::SMTP::XS';
    socketpair my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!";
    bless $near, $class;
    $far->blocking(0);
    $near->autoflush(1);
    $near->debug(0);
    syswrite $far, "354 go ahead\r\n";
    $near->data or die 'DATA was refused';
    is_arrived($far, "DATA\r\n") or die 'DATA did not arrive';
    return ($near, $far);
}

sub arrived {
    my ($far) = @_;
    my $all = '';
    while (sysread $far, my $some, 65536) { $all .= $some }
    return $all;
}

sub is_arrived { arrived($_[0]) eq $_[1] }

# A pair with two lines given of which at least one waits, and what has arrived
# of them; an empty list where none does.
sub waiting_pair {
    my ($near, $far) = pair(@_);
    syswrite $far, "250 ok\r\n";
    $near->datasend("one\n");
    $near->datasend(".two\n");
    my $early = arrived($far);
    return $early eq "one\r\n..two\r\n" ? () : ($near, $far, $early);
}

my $waited;

# Calls the code until a line waited before it: what arrived in all.
sub touched {
    my ($touch, $class) = @_;
    for (1 .. TRIES) {
        my ($near, $far, $early) = waiting_pair($class) or next;
        $touch->($near, $far);
        $waited = 1;
        return $early . arrived($far);
    }
    return undef;
}

sub sends {
    my ($name, $touch, $more, $class) = @_;
    my $got = touched($touch, $class);
SKIP: {
        skip 'no line waits on a machine as busy as this', 1 if !defined $got;
        is $got, "one\r\n..two\r\n" . (defined $more ? $more : ''), $name;
    }
}

sends 'fileno',           sub { fileno $_[0] };
sends 'print',            sub { print { $_[0] } "raw\r\n" }, "raw\r\n";
sends 'printf',           sub { printf { $_[0] } "%s\r\n", 'raw' }, "raw\r\n";
sends 'syswrite',         sub { syswrite $_[0], "raw\r\n" }, "raw\r\n";
sends 'sysread',          sub { sysread $_[0], my $reply, 100 };
sends 'readline',         sub { readline $_[0] };
sends 'getc',             sub { getc $_[0] };
sends 'eof',              sub { eof $_[0] };
sends 'close',            sub { close $_[0] };
sends 'close as a method', sub { $_[0]->close };
sends 'shutdown',         sub { shutdown $_[0], 1 };
sends 'send, the function', sub { CORE::send $_[0], "raw\r\n", 0 }, "raw\r\n";
sends 'binmode',          sub { binmode $_[0] };
sends 'binmode :pop',     sub { no warnings; binmode $_[0], ':pop' };
sends 'a duplicate',      sub { open my $copy, '>&', $_[0] or die $! };
sends 'flush',            sub { $_[0]->flush };
sends 'system',           sub { system $^X, '-e', '1' };
sends 'fork',             sub {
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    POSIX::_exit(0) if !$pid;
    waitpid $pid, 0;
};
sends 'a method that sends', sub { $_[0]->rawdatasend("raw\r\n") }, "raw\r\n";
sends 'response',         sub { $_[0]->response };
sends 'getline',          sub { $_[0]->getline };
sends 'dataend',          sub { $_[0]->dataend }, ".\r\n";
sends 'a command',        sub { $_[0]->command('NOOP') }, ".\r\nNOOP\r\n";
sends 'a list of lines',  sub { $_[0]->datasend("a\n", "b\n") }, "a\r\nb\r\n";
sends 'characters in UTF-8', sub {
    my $text = "\xe9\n";
    utf8::upgrade($text);
    $_[0]->datasend($text);
}, "\xe9\r\n";
sends 'a slow producer', sub {
    select undef, undef, undef, 0.02;
    $_[0]->datasend("three\n");
}, "three\r\n";
sends 'a body that is longer than the block',
    sub {
        my $far = $_[1];
        # What the other end does not read yet must not be waited for.
        setsockopt $_[0], SOL_SOCKET, SO_SNDBUF, pack 'i', 1 << 20;
        $_[0]->datasend('x' x 70_000);
    }, 'x' x 70_000;
sends 'debugging from now on', sub {
    open my $old, '>&', \*STDERR or die;
    open STDERR, '>', File::Spec->devnull or die;
    $_[0]->debug(1);
    $_[0]->datasend("three\n");
    open STDERR, '>&', $old or die;
}, "three\r\n";
sends 'the hash edited', sub {
    ${ *{ $_[0] } }{net_cmd_last_ch} = 'x';
    $_[0]->dataend;
}, "\r\n.\r\n";
sends 'BareCR from now on', sub {
    ${ *{ $_[0] } }{net_smtp_bare_cr} = 'convert';
    $_[0]->datasend("a\rb\n");
}, "a\r\nb\r\n";
sends 'the last reference dropped', sub { undef $_[0] };
sends 'a line of another object', sub {
    my ($near, $far, $early) = waiting_pair() or return;
    $near->dataend;
};
{
    package Watched;
    our @ISA = 'Net::SMTP::XS';
}
sends 'a method overridden from now on', sub {
    no warnings 'once';
    local *Watched::_syswrite_with_timeout = sub {
        my ($self, $text) = @_;
        return syswrite *$self, "<$text>";
    };
    $_[0]->datasend("three\n");
}, "<three\r\n>", 'Watched';

SKIP: {
    skip 'a perl without threads', 1 if !$Config{useithreads};
    require threads;
    sends 'a new thread', sub { threads->create(sub {1})->join };
}

# The layer is there while octets wait, and gone with them.
{
    my ($near, $far, $early);
    for (1 .. TRIES) { ($near, $far, $early) = waiting_pair() and last }
SKIP: {
        skip 'no line waits on a machine as busy as this', 3 if !$near;
        my @before = PerlIO::get_layers(*$near);
        is $before[-1], 'nsx_waiting', 'a layer tells that octets wait';
        ok $near->dataend, 'dataend takes them along';
        isnt +(PerlIO::get_layers(*$near))[-1], 'nsx_waiting', 'and it is gone';
    }
}

# What a script reads in the hash follows each line.
{
    my ($near, $far) = pair();
    for my $text ("a\n", 'b', ".\r", "\n", "\n.") {
        $near->datasend($text);
        is ${*$near}{net_cmd_last_ch}, substr($text, -1), 'the last octet is known';
    }
}

# A dead peer: told by dataend at the latest, and the object is closed.
{
    my ($near, $far) = pair();
    close $far;
    local $SIG{PIPE} = sub { fail 'SIGPIPE' };
    $near->datasend("line\n") for 1 .. 3;
    ok !$near->dataend, 'dataend fails where the peer is gone';
    is $near->code, 421, 'with the status of a lost session';
    ok !defined fileno $near, 'and the object is closed';
}

# The same octets whatever way they were given, against a plain reference.
{
    srand 20;
    my @pieces = map { join '', map { ("\n", '.', "\r", 'x', "\r\n", 'text')[ rand 6 ] } 1 .. 1 + rand 9 }
        1 .. 400;
    my ($near, $far) = pair();
    my $got = '';
    for (@pieces) { $near->datasend($_); $got .= arrived($far) if rand() < 0.05 }
    syswrite $far, "250 ok\r\n";
    $near->dataend;
    $got .= arrived($far);
    my $want = join '', @pieces;
    $want =~ s/(?<!\r)\n/\r\n/g;
    $want =~ s/(\A|\n)\./$1../g;
    $want .= $want =~ /\n\z/ ? ".\r\n" : "\r\n.\r\n";
    is $got, $want, 'random pieces arrive as one body';
}

diag 'no line waited on this machine' if !$waited;
done_testing;
