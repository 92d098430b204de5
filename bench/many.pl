# many.pl - many dialogues at once from one process, by the AnyEvent adapter, with a
# server that answers each turn after LATENCY milliseconds.
#
#   perl -Mblib bench/many.pl [DIALOGUES [LATENCY]]
#
# Prints the wall time of all dialogues (connection, EHLO, one message, QUIT), what the
# round trips alone would take, the client's CPU, memory a dialogue, and how long the
# operations' steps took.
use strict;
use warnings;

use AnyEvent;
use AnyEvent::Socket;
use Net::SMTP::XS::AnyEvent;
use Net::SMTP::XS::Operation;
use Socket qw(SOMAXCONN);
use Time::HiRes qw(time);

my $dialogues = $ARGV[0] // 1000;
my $latency   = $ARGV[1] // 20;
my $message = "Subject: many\r\n\r\n" . ('x' x 70 . "\r\n") x 28;    # 2 KiB

sub resident {
    open my $in, '<', '/proc/self/statm' or return 0;
    return (split ' ', <$in>)[1] * 4;
}

# --- the server, in a process of its own -----------------------------------------------

sub answer {
    my ($state, $line) = @_;
    if ($state->{in_data}) {
        return '' if $line ne '.';
        $state->{in_data} = 0;
        return "250 taken\r\n";
    }
    my ($verb) = $line =~ /^(\w+)/ or return "500 what\r\n";
    return "250-mx.test\r\n250 PIPELINING\r\n" if $verb eq 'EHLO';
    if ($verb eq 'DATA') { $state->{in_data} = 1; return "354 go\r\n" }
    return $verb eq 'QUIT' ? "221 bye\r\n" : "250 ok\r\n";
}

sub serve {
    my ($fh, $open) = @_;
    my %state = (in => '', in_data => 0);
    my $later = sub {
        my $text = shift;
        my $timer; $timer = AnyEvent->timer(after => $latency / 1000, cb => sub { undef $timer; syswrite $fh, $text });
    };
    $later->("220 mx.test\r\n");
    $open->{$fh} = AnyEvent->io(fh => $fh, poll => 'r', cb => sub {
        my $got = sysread $fh, $state{in}, 65536, length $state{in};
        return delete $open->{$fh} if !$got;
        my $text = '';
        $text .= answer(\%state, $1) while $state{in} =~ s/^(.*)\r\n//;
        $later->($text) if length $text;
    });
    return;
}

pipe my $from, my $to or die "pipe: $!";
my $server = fork // die "fork: $!";
if (!$server) {
    close $from;
    my %open;
    my $guard = tcp_server('127.0.0.1', undef, sub { serve($_[0], \%open) },
        sub { my (undef, undef, $port) = @_; syswrite $to, "$port\n"; close $to; SOMAXCONN });
    AnyEvent->condvar->recv;
}
close $to;
chomp(my $port = <$from>);

# --- the client ------------------------------------------------------------------------

my @steps;
{
    no warnings 'redefine';
    my $step = \&Net::SMTP::XS::Operation::step;
    *Net::SMTP::XS::Operation::step = sub {
        my $began = time;
        my $over  = $step->($_[0]);
        push @steps, time - $began;
        return $over;
    };
}

my ($taken, $most) = (0, 0);
sub dialogue {
    my ($done) = @_;
    my $connected = Net::SMTP::XS::AnyEvent->connect(Host => '127.0.0.1', Port => $port, Timeout => 60);
    $connected->cb(sub {
        my $mail = eval { $_[0]->recv } or return $done->(warn $@);
        my $sent = $mail->send_message(From => 'a@test', To => 'b@test', Data => $message);
        $sent->cb(sub {
            my $result = eval { $_[0]->recv };
            $taken++ if $result;
            my $now = resident();
            $most = $now if $now > $most;
            $mail->quit->cb(sub { $done->() });
        });
    });
    return;
}

my $before = resident();
my ($began, @cpu) = (time, times);
my $all = AnyEvent->condvar;
for (1 .. $dialogues) {
    $all->begin;
    dialogue(sub { $all->end });
}
$all->recv;
my $wall = time - $began;
my @spent = times;
my $cpu = $spent[0] + $spent[1] - $cpu[0] - $cpu[1];
kill TERM => $server;
waitpid $server, 0;

my $trips = 6;    # greeting, EHLO, MAIL and RCPT, DATA, its end, QUIT
@steps = sort { $a <=> $b } @steps;
printf "%d dialogues, %d messages taken: %.3f s; %d round trips of %d ms: %.3f s; CPU %.3f s; bound 1.5 x trips + CPU: %.3f s\n",
    $dialogues, $taken, $wall, $trips, $latency, $trips * $latency / 1000, $cpu, 1.5 * $trips * $latency / 1000 + $cpu;
printf "memory a dialogue: %.1f KiB; %d steps: median %.3f ms, 99th percentile %.3f ms, longest %.3f ms\n",
    ($most - $before) / $dialogues, scalar @steps, map { 1000 * $steps[$_ * $#steps] } 0.5, 0.99, 1;
