# Signal handlers that run while a method waits, and what they may do there: a
# message is delivered as it was given or not at all, and no reply answers
# another command.
use strict;
use warnings;
use lib 't/lib';

use Config;
use Test::More;
use Socket;
use NSX::Test::Attack;

plan skip_all => 'no signals here' if !$Config{d_sigaction};

use constant STALL => 0.09 * ($ENV{NSX_TEST_SLOW} || 1);    # the server reads nothing for so long
use constant EARLY => 0.03 * ($ENV{NSX_TEST_SLOW} || 1);    # when the handler runs

my $octets = join '', map { "line $_ of the body\n.dots " . 'x' x ($_ % 70) . "\n" } 1 .. 9000;
my $wire   = wire_body($octets);

# What the server was given as body: the whole of it, or something that can be
# told from a message.
sub delivered {
    my ($t, $log, $wanted) = @_;
    my $in = $log->{connections}[0]{in};
    $in =~ s/\A.*?\r\nDATA\r\n//s or return $t->ok(0, 'no DATA');
    $in =~ s/\r\nQUIT\r\n\z/\r\n/;
    return $t->ok($in eq $wire, 'not the body: ' . length($in) . ' octets of ' . length $wire)
        if $wanted;
    $in =~ s/\r\n\.\r\n.*\z/\r\n.\r\n/s;
    return $t->ok($in !~ /\r\n\.\r\n\z/ || $in eq $wire, 'a truncated message: ' . length $in);
}

sub begin {
    my ($t, %arg) = @_;
    my $s = $t->connect(%arg);
    setsockopt $s, SOL_SOCKET, SO_SNDBUF, pack 'i', SNDBUF;
    $s->mail('a@test') && $s->to('b@test') or die 'envelope';
    return $s;
}

# A body in a scalar, an array, and in Perl's other form of the same octets.
my %given = (
    scalar   => sub { my $text = $octets; return \$text },
    array    => sub { return [ split /^/, $octets ] },
    upgraded => sub { my $text = $octets; utf8::upgrade($text); return \$text },
    chunks   => sub { return [ unpack '(a5000)*', $octets ] },
);
my %spoil = (
    empties    => sub { my $b = shift; ref $b eq 'ARRAY' ? (@$b = ()) : ($$b = '') },
    undefs     => sub { my $b = shift; ref $b eq 'ARRAY' ? undef @$b : undef $$b },
    overwrites => sub {
        my $b = shift;
        $_ = 'y' x 20 for ref $b eq 'ARRAY' ? @$b : $$b;
    },
    shortens => sub {
        my $b = shift;
        if (ref $b eq 'ARRAY') { splice @$b, 1 }
        else                   { substr($$b, 10) = '' }
    },
    grows => sub {
        my $b = shift;
        ref $b eq 'ARRAY' ? push(@$b, ('z' x 50) x 20000) : ($$b .= 'z' x 5e6);
    },
    'makes references of' => sub { $_ = [] for ref $_[0] eq 'ARRAY' ? @{ $_[0] } : ${ $_[0] } },
    upgrades => sub {
        my $b = shift;
        $_ .= "\x{100}" for ref $b eq 'ARRAY' ? @$b : $$b;
    },
);

for my $form (sort keys %given) {
    for my $how (sort keys %spoil) {
        attack "a handler $how the $form that is being sent", sub {
            my $t = shift;
            my $s    = begin($t);
            my $body = $given{$form}->();
            $s->data or die 'DATA';
            my $ran = 0;
            $t->soon(EARLY, sub { $ran++; $spoil{$how}->($body) });
            $t->ok($s->datasend(ref $body eq 'ARRAY' ? $body : $$body), 'datasend failed');
            $t->is($ran, 1, 'the handler ran');
            $t->ok($s->dataend, 'dataend failed: ' . $s->message);
        }, script => stalled(STALL), rcvbuf => SNDBUF,
            after => sub { delivered(@_, 1) };
    }
}

# What handlers do to the object, and the calls they do it in.
my %deed = (
    'returns'          => sub { 1 },
    'dies'             => sub { die "enough\n" },
    'drops the object' => sub { undef $_[1]{s} },
    'closes it'        => sub { $_[1]{s}->close },
    'closes and dies'  => sub { $_[1]{s}->close; die "enough\n" },
    'quits'            => sub { $_[1]{s}->quit },
    'quits and dies'   => sub { $_[1]{s}->quit; die "enough\n" },
    'resets'           => sub { $_[1]{s}->reset },
    'asks for help'    => sub { $_[1]{s}->command('HELP')->response },
    'reads a line'     => sub { $_[1]{s}->getline },
    'sends data'       => sub { $_[1]{s}->datasend("nested\n") },
    'ends the data'    => sub { $_[1]{s}->dataend },
    'reblesses it'     => sub { bless $_[1]{s}, 'Other'; },
    'empties the glob' => sub { undef *{ $_[1]{s} } },
    'empties the hash' => sub { %{ *{ $_[1]{s} } } = () },
    'undefines a fact' => sub { undef $_ for values %{ *{ $_[1]{s} } } },
    'puts another socket in its place' => sub {
        my ($t, $v) = @_;
        $v->{s}->close;
        socketpair *{ $v->{s} }, my $other, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
        $v->{other} = $other;
        syswrite $other, "250 from another\r\n";
        shutdown $other, 1;
    },
    'forks' => sub {
        my $pid = fork;
        POSIX::_exit(0) if defined $pid && !$pid;
        waitpid $pid, 0 if $pid;
    },
    'forks a child that ends as scripts do' => sub {
        my $pid = fork;
        exit 0 if defined $pid && !$pid;
        waitpid $pid, 0 if $pid;
    },
    'sleeps past the end' => sub { select undef, undef, undef, 2 * STALL },
);
@Other::ISA = ('Net::SMTP::XS');

# 1 where the call must succeed as if nothing had happened.
my %harmless = map { $_ => 1 } 'returns', 'reblesses it', 'forks',
    'forks a child that ends as scripts do', 'sleeps past the end';

for my $deed (sort keys %deed) {
    attack "in a wait to send, a handler $deed", sub {
        my $t = shift;
        my %v = (s => begin($t));
        my $s = \$v{s};
        $$s->data or die 'DATA';
        my $ran = 0;
        $t->soon(EARLY, sub { $ran++; $deed{$deed}->($t, \%v) });
        my $sent  = eval { $$s->datasend($octets) };
        my $error = $@;
        $t->is($ran, 1, 'the handler ran');
        $t->is($error, $deed =~ /dies/ ? "enough\n" : '', 'the exception');
        return if $deed =~ /fact|hash/;    # with the Timeout and the data phase
        my $ended = $$s && eval { $$s->dataend };
        my $quit  = $$s && eval { $$s->quit };
        if ($harmless{$deed}) {
            $t->ok($sent && $ended, 'not sent');
        }
        else {
            $t->ok(!($sent && $ended), 'sent after all') if $deed ne 'drops the object';
        }
    }, script => stalled(STALL), rcvbuf => SNDBUF,
        after => sub { delivered(@_, $harmless{$deed}) };

    attack "in a wait for a reply, a handler $deed", sub {
        my $t = shift;
        my %v = (s => $t->connect);
        my $ran = 0;
        $t->soon(EARLY, sub { $ran++; $deed{$deed}->($t, \%v) });
        my $ok    = eval { $v{s}->mail('a@test') };
        my $error = $@;
        my $code = $v{s} && $v{s}->can('code') && eval { $v{s}->code } || '';
        $t->is($ran, 1, 'the handler ran');
        $t->is($error, $deed =~ /dies/ ? "enough\n" : '', 'the exception');
        $t->ok(!$ok || $code =~ /^(250)?\z/ || !$v{s}, "mail was answered by $code");
        $t->ok($ok, 'not ok') if $harmless{$deed} || $deed eq 'drops the object';
        my $s = $v{s} or return;
        return if $v{other};
        for ([ 550, 'to', 'b@test' ], [ 252, 'verify', 'c' ], [ 214, 'help' ]) {
            my ($code, $method, @args) = @$_;
            next if !$s->can($method);
            my $did = eval { $s->$method(@args) };
            next if !eval { defined $s->code };
            $t->ok($s->code == $code || !$did && $s->code =~ /^(?:421|550)$/,
                "$method was answered by " . $s->code);
        }
    }, script => dialogue(qr/^MAIL/, [ delay => STALL ], '250 ok', sub {
        my $conn = shift;
        while (defined(my $line = $conn->line)) {
            $conn->send($line =~ /^RCPT/ ? "550 no\r\n" : $line =~ /^VRFY/ ? "252 try\r\n"
                : $line =~ /^HELP/ ? "214 help\r\n" : $line =~ /^QUIT/ ? "221 bye\r\n" : "250 fine\r\n");
        }
    });
}

finished();
