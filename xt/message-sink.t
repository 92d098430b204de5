#!perl
# send_message to Postfix's smtp-sink, which refuses, says 421, hangs up and stalls
# at each command: in lockstep, envelope and message pace, by SMTP and LMTP. What
# becomes of each recipient follows from the command alone; what is accepted has
# been written down once, as it was sent, and nothing else has.
use strict;
use warnings;
use lib 't/lib';

use File::Temp ();
use IO::Socket::UNIX;
use Net::SMTP::XS;
use POSIX ();
use Test::More;
use Time::HiRes ();

use constant {
    SINK    => '/usr/sbin/smtp-sink',
    BACKLOG => 10,
    TIMEOUT => 20,
    SHORT   => 1,        # of a client that meets a stall
    STALL   => 4,        # of the server
    UP      => 1000,     # tries to reach it, 10 ms apart
};

plan skip_all => 'no smtp-sink (postfix)' if !-x SINK;
my $user = $> == 0 ? 'nobody' : scalar getpwuid $>;

my @to   = ('bob@test', 'carol@test', 'dave@test');
my $body = join '', "Subject: x\n\n", map { "line $_\n.\n..dots\n" } 1 .. 40;
my $long = "Subject: long\n\n" . ('x' x 70 . "\n") x 30_000;

# A case: options of the server, what is then so of each recipient, the stage, the
# code; lmtp, timeout, data, and how often it is then written down (undef: nobody
# knows).
my %stage = (MAIL => 'mail', RCPT => 'rcpt', DATA => 'data', '.' => 'end');
my @usual = ('accepted', 'end', 250);

sub at_each {
    my ($name, $option, $fate, $code, @more) = @_;
    return map {
        my $lost = !defined $code;
        { name => "$name at $_", args => $option->($_), @more,
            is => [ $lost && $_ eq '.' ? 'unknown' : $fate, $stage{$_}, $code ],
            dumped => $_ eq '.' ? undef : 0 }    # it writes down what it then refuses
    } qw(MAIL RCPT DATA .);
}

sub points {
    my (@more) = @_;
    return (
        at_each('5xx', sub { [ -f => $_[0] ] }, 'refused', 500, @more),
        at_each('4xx', sub { [ -r => $_[0] ] }, 'deferred', 450, @more),
        at_each('a reply of its own', sub { [ -f => $_[0], -B => '554 5.7.9 not you' ] }, 'refused', 554, @more),
        at_each('421', sub { [ -Q => $_[0] ] }, 'deferred', 421, @more),
        at_each('a drop', sub { [ -q => $_[0] ] }, 'deferred', undef, @more),
        # With PIPELINING it answers the commands behind the one that waits first.
        at_each('a stall', sub { [ '-p', -W => "$_[0]:" . STALL ] }, 'deferred', undef, timeout => SHORT, @more),
    );
}

my @cases = (
    (map { { name => "as usual, @$_", args => $_, is => \@usual } }
        [], ['-8'], ['-a'], ['-C'], ['-E'], ['-F'], ['-N'], ['-e'], ['-P'], [ '-p', '-c' ], [ -R => '/' ],
        [ -S => 'begins\n' ], [ -s => 'DATA' ], [ -h => 'mx.test' ], [ -w => 1 ]),
    { name => 'as usual, LMTP', args => ['-L'], is => \@usual, lmtp => 1 },
    { name => 'LMTP without PIPELINING', args => [ '-L', '-p' ], is => \@usual, lmtp => 1 },
    points(),
    points(lmtp => 1),
    { name => 'a stall at DATA', args => [ '-p', -w => STALL ], is => [ 'deferred', 'data', undef ], dumped => 0, timeout => SHORT },
    { name => 'slow to read, a small window', args => [ -H => 1, -T => 2048 ], is => \@usual, data => $long },
    { name => '550 behind DATA, nothing is read', args => [ -A => 0 ], is => [ 'refused', qr/\A(?:body|end)\z/, 550 ], data => $long, dumped => 0, hangs_up => 1 },
    { name => '550 a while behind DATA', args => [ -A => 1 ], is => [ 'refused', qr/\A(?:body|end)\z/, 550 ], data => $long, dumped => 0, hangs_up => 1 },
);

# By LMTP it answers for the first recipient and is gone.
for my $case (grep { $_->{lmtp} && $_->{name} eq '421 at .' } @cases) {
    @$case{qw(first is)} = ([ 'deferred', 'end', 421 ], [ 'unknown', 'end', 421 ]);
}

sub start {
    my ($case) = @_;
    my $dir = File::Temp->newdir;
    chmod 0777, $dir;
    my $path = "$dir/sink";
    my @args = @{ $case->{args} };
    unshift @args, '-L' if $case->{lmtp} && !grep { $_ eq '-L' } @args;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', "$dir/errors";
        exec SINK, -u => $user, -d => "$dir/mail.", @args, "unix:$path", BACKLOG or POSIX::_exit(127);
    }
    for (1 .. UP) {
        last if IO::Socket::UNIX->new(Peer => $path) || waitpid $pid, POSIX::WNOHANG();
        Time::HiRes::sleep(0.01);
    }
    return { dir => $dir, path => $path, pid => $pid };
}

sub finish {
    my ($server) = @_;
    kill TERM => $server->{pid};
    waitpid $server->{pid}, 0;
    return;
}

# The messages that were written down whole, as they were sent.
sub dumped {
    my ($server) = @_;
    my @found;
    for my $file (glob "$server->{dir}/mail.*") {
        open my $fh, '<:raw', $file or die "$file: $!";
        local $/;
        push @found, scalar <$fh>;
    }
    return @found;
}

sub try_pace {
    my ($server, $case, $pace) = @_;
    my $smtp = Net::SMTP::XS->new(Path => $server->{path}, Timeout => TIMEOUT, Hello => 'me.test',
        $case->{lmtp} ? (Protocol => 'lmtp') : ()) or return fail "$pace: no session: $@";
    $smtp->timeout($case->{timeout}) if $case->{timeout};
    my $result = $smtp->send_message(From => 'alice@test', To => \@to, Data => $case->{data} || $body,
        SkipBad => 1, Pipelining => $pace);
    my ($outcome) = @{ $case->{is} };
    my @is = ($case->{first} || $case->{is}, ($case->{is}) x 2);
    my @later = map { $is[$_][0] eq 'deferred' ? $to[$_] : () } 0 .. 2;
    my ($code, @wrong);
    for my $recipient ($result->recipients) {
        (my ($fate, $stage), $code) = @{ shift @is };
        my $at = $recipient->stage;
        push @wrong, "$recipient at $at"
            if $recipient->outcome ne $fate || (ref $stage ? $at !~ $stage : $at ne $stage)
            || ($recipient->code // '') ne ($code // '');
    }
    my $is_lost = !$code || $code == 421 || $case->{hangs_up};
    push @wrong, "the message is $result" if $result->outcome ne $outcome;
    push @wrong, 'retry has ' . join ' ', $result->retry if "@{[ $result->retry ]}" ne "@later";
    push @wrong, 'it can be used' if $is_lost && $result->is_reusable;
    push @wrong, 'it cannot be used' if !$is_lost && !($result->is_reusable && $smtp->reset);
    ok !@wrong, "$pace: $result" or diag join "\n", @wrong;
    return;
}

for my $case (@cases) {
    my $name = ($case->{lmtp} ? 'LMTP: ' : '') . $case->{name};
    subtest $name => sub {
        for my $pace (0, 'envelope', 'message') {
            my $server = start($case);
            try_pace($server, $case, $pace);
            my @dumped = map { s/\n\n?\z/\n/r } dumped($server);
            finish($server);
            my $want = exists $case->{dumped} ? $case->{dumped} : 1;
            next if !defined $want;
            my $sent = $case->{data} || $body;
            my @whole = grep { index($_, $sent) >= 0 } @dumped;
            is scalar @whole, $want, "$pace: as many messages were taken" or diag map { substr $_, 0, 400 } @dumped;
        }
    };
}

done_testing;
