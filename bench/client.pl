#!/usr/bin/perl

# client.pl CLASS PORT WORK COUNT [CA-FILE] - one client process of the
# benchmarks.  Does WORK through CLASS against a server on 127.0.0.1 and prints
# "wall N cpu N memory N": microseconds and kilobytes of growth of the peak
# memory, set-up not included.

use strict;
use warnings;

use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID);

my ($class, $port, $work, $count, $ca) = @ARGV;
eval "require $class" or die $@;

my $LINE = 'x' x 70 . "\n";
my $FROM = 'sender@example.com';
my $TO   = 'recipient@example.com';
my @TLS  = (SSL_ca_file => $ca, SSL_verifycn_name => 'localhost');

my %WORK = (
    messages   => sub { messages(body(1024), 1) },
    calls      => \&calls,
    recipients => sub { messages(body(1024), 50) },
    skipbad    => \&skipbad,
    idle       => sub { idle() },
    tls_idle   => sub { idle(SSL => 1, @TLS) },
    rounds_1   => sub { messages(body(1024), 1) },
    rounds_20  => sub { messages(body(1024), 20) },
    rounds_100 => sub { messages(body(1024), 100) },
    whole      => sub { whole(body(1024), 1) },
    flight     => sub { whole(body(1024), 1, SkipBad => 1, Pipelining => 'message') },
    whole_100  => sub { whole(body(1024), 100) },
    flight_100 => sub { whole(body(1024), 100, SkipBad => 1, Pipelining => 'message') },
    map({ my $n = $_;
        ("sessions_$n"        => sub { sessions($n, \&methods) },
         "sessions_whole_$n"  => sub { sessions($n, $class->can('send_message') ? \&send_whole : \&methods) },
         "sessions_flight_$n" => sub { sessions($n, $class->can('send_message') ? \&send_flight : \&methods) })
    } 1, 20, 100),
    one_chunk  => sub { messages(body($count * 1024**2), 1, 1) },
    lines      => sub { lines(dial()) },
    tls_lines  => sub { lines(dial(SSL => 1, @TLS)) },
    tls_body   => \&tls_body,
    tls_login  => \&tls_login,
);

($WORK{$work} or die "no such work: $work\n")->();

sub body {
    my $octets = shift;
    my $body   = $LINE x ($octets / length $LINE);
    return $body . 'x' x ($octets - 1 - length $body) . "\n";
}

sub dial {
    my $smtp = $class->new('127.0.0.1', Port => $port, Timeout => 60, @_)
        or die "no connection: $@\n";
    return $smtp;
}

# Runs the code and prints what it cost.
sub measure {
    my $code = shift;
    my ($wall, $cpu, $memory) = usage();
    $code->();
    my ($wall2, $cpu2, $memory2) = usage();
    printf "wall %.0f cpu %.0f memory %d\n", 1e6 * ($wall2 - $wall),
        1e6 * ($cpu2 - $cpu), $memory2 - $memory;
}

sub usage {
    return (
        clock_gettime(CLOCK_MONOTONIC),
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID),
        peak_memory(),
    );
}

# Kilobytes; where /proc does not tell, 0.
sub peak_memory {
    open my $status, '<', '/proc/self/status' or return 0;
    my ($peak) = map { /^VmHWM:\s*(\d+)/ } <$status>;
    return $peak || 0;
}

# Forgets the peak so far, so that what comes next shows.
sub reset_peak_memory {
    open my $clear, '>', '/proc/self/clear_refs' or return;
    print {$clear} 5;
}

sub envelope {
    my ($smtp, $recipients) = @_;
    $smtp->mail($FROM) or die $smtp->message;
    $smtp->to(($TO) x $recipients) or die $smtp->message;
    $smtp->data or die $smtp->message;
}

sub methods {
    my ($smtp, $recipients, $body) = @_;
    envelope($smtp, $recipients);
    $smtp->datasend($body) && $smtp->dataend or die $smtp->message;
}

sub send_whole {
    my ($smtp, $recipients, $body, @options) = @_;
    my $result = $smtp->send_message(From => $FROM, To => [($TO) x $recipients],
        Data => $body, @options);
    $result or die "$result\n";
}

sub send_flight { send_whole(@_, SkipBad => 1, Pipelining => 'message') }

# COUNT connections of one message each, from connect to QUIT's reply.
sub sessions {
    my ($recipients, $send) = @_;
    my $body = body(1024);
    measure(sub {
        for (1 .. $count) {
            my $smtp = dial();
            $send->($smtp, $recipients, $body);
            $smtp->quit;
        }
    });
}

sub messages {
    my ($body, $recipients, $messages) = @_;
    my $smtp = dial();
    reset_peak_memory();
    measure(sub {
        for (1 .. $messages || $count) {
            methods($smtp, $recipients, $body);
        }
    });
    $smtp->quit;
}

# COUNT messages to 50 recipients of which the refused ones are skipped.
sub skipbad {
    my $smtp = dial();
    my $body = body(1024);
    my @to   = ($TO) x 50;
    measure(sub {
        for (1 .. $count) {
            $smtp->mail($FROM) or die $smtp->message;
            $smtp->to(@to, { SkipBad => 1 }) == @to or die $smtp->message;
            $smtp->data && $smtp->datasend($body) && $smtp->dataend or die $smtp->message;
        }
    });
    $smtp->quit;
}

# Octets that each of COUNT objects takes, after EHLO and after two messages.
sub idle {
    my @dial = @_;
    my $send = sub {
        my $smtp = shift;
        envelope($smtp, 1);
        $smtp->datasend("line\n") && $smtp->dataend or die $smtp->message;
        $smtp->mail($FROM) && $smtp->to($TO) && $smtp->data("text\n") or die $smtp->message;
    };
    my @objects = map { dial(@dial) } 1 .. 20;    # what the first of them load
    $send->($_) for @objects;
    my $before = own_memory();
    push @objects, map { dial(@dial) } 1 .. $count;
    my $idle = own_memory();
    $send->($_) for @objects;
    printf "idle %d after %d\n", map { 1024 * ($_ - $before) / $count } $idle, own_memory();
}

# Kilobytes that the process shares with no file.
sub own_memory {
    open my $map, '<', '/proc/self/smaps_rollup' or die "smaps_rollup: $!";
    my ($own) = map { /^Pss_Anon:\s*(\d+)/ } <$map>;
    return $own;
}

# COUNT messages by the five calls that a message takes, and nothing else.
sub calls {
    my $smtp = dial();
    my $body = body(1024);
    for (1 .. $count) {
        $smtp->mail($FROM);
        $smtp->to($TO);
        $smtp->data;
        $smtp->datasend($body);
        $smtp->dataend or die $smtp->message;
    }
    $smtp->quit;
}

# COUNT messages by send_message; by its methods where the class has none.
sub whole {
    my ($body, $recipients, @options) = @_;
    return messages($body, $recipients) if !$class->can('send_message');
    my $smtp = dial();
    my @to = ($TO) x $recipients;
    measure(sub {
        for (1 .. $count) {
            my $result = $smtp->send_message(From => $FROM, To => \@to, Data => $body, @options);
            $result or die "$result\n";
        }
    });
    $smtp->quit;
}

# COUNT megabytes in one message, one datasend a line.
sub lines {
    my $smtp  = shift;
    my $lines = int $count * 1024**2 / length $LINE;
    measure(sub {
        envelope($smtp, 1);
        for (1 .. $lines) {
            $smtp->datasend($LINE) or die $smtp->message;
        }
        $smtp->dataend or die $smtp->message;
    });
    $smtp->quit;
}

# COUNT megabytes over implicit TLS, handshake and goodbye included.
sub tls_body {
    my $body = body($count * 1024**2);
    measure(sub {
        my $smtp = dial(SSL => 1, @TLS);
        envelope($smtp, 1);
        $smtp->datasend($body) && $smtp->dataend or die $smtp->message;
        $smtp->quit;
    });
}

# COUNT times connect, EHLO, STARTTLS, EHLO, QUIT; once before, unmeasured, so
# that loading TLS does not count.
sub tls_login {
    my $login = sub {
        my $smtp = dial();
        $smtp->starttls(@TLS) or die "starttls: $@ ", $smtp->message;
        $smtp->quit;
    };
    $login->();
    measure(sub { $login->() for 1 .. $count });
}
