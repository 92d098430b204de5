#!perl
# send_message to three recipients, one of them refused, cut after each octet
# that the server receives or sends: by FIN, by RST, by silence; in the clear, in
# TLS and behind STARTTLS. What the result says must be what an independent model
# makes of the octets that did pass: unknown only where the end of the message was
# sent, accepted only with the reply, never deferred where the server has it all.
#
# Under TLS the server's octets are a record each. It is cut behind each record,
# ours and the client's, and inside of records; there also with a close_notify.
use strict;
use warnings;
use lib 't/lib', 'xt/lib';

use Net::SMTP::XS;
use NSX::Author::Cut;
use NSX::Test::Server;
use Storable ();
use Test::More;
use Time::HiRes ();

use constant {
    AT_ONCE => 16,     # jobs side by side; most of them wait
    SHARE   => 25,     # cuts of a job
    TIMEOUT => 0.4,    # of a client that meets silence
    PATIENT => 20,     # of one that must not time out
    SAMPLE  => 7,      # silence after each so manieth octet, and around the ends of lines
    INSIDE  => 29,     # a cut inside each so manieth record of ours
    HEADER  => 5,      # octets of a record's header
};

my @to = ('bob@test', 'bad@test', 'carol@test');

# PIPELINING and CHUNKING are offered; what is used of them is the client's choice.
my @modes = (
    [ 'lockstep, DATA', [ Pipelining => 0, Chunking => 0 ] ],
    [ 'lockstep, BDAT', [ Pipelining => 0, Chunking => 1 ] ],
    [ 'envelope, DATA', [ Pipelining => 'envelope', Chunking => 0 ] ],
    [ 'envelope, BDAT', [ Pipelining => 'envelope', Chunking => 1 ] ],
    [ 'message, DATA',  [ Pipelining => 'message', Chunking => 0 ] ],
    [ 'message, BDAT',  [ Pipelining => 'message', Chunking => 1 ] ],
    [ 'LMTP, DATA', [ Pipelining => 'envelope', Chunking => 0 ], lmtp => 1 ],
    [ 'LMTP, BDAT', [ Pipelining => 'message', Chunking => 1 ],  lmtp => 1 ],
);

# ---- the server's side of a connection

sub serve {
    my ($conn, $job, $cut) = @_;
    my $tls = $job->{tls} || '';
    if ($tls eq 'TLS') { NSX::Author::Cut::TLS->start($conn) }
    else { bless $conn, $tls ? 'NSX::Author::Cut::TLS' : 'NSX::Author::Cut' }
    my $table = {
        lmtp => $job->{lmtp}, extensions => [ qw(PIPELINING CHUNKING), $tls eq 'STARTTLS' ? $tls : () ],
        replies => { END => "250-2.0.0 it is\r\n250 2.0.0 queued", STARTTLS => \'start_tls' },
        $cut ? (cut => $cut) : (),
    };
    NSX::Test::Server::Session->new($table, $conn, { messages => [] })->run;
    return;
}

# ---- the client's side

my %security = (
    ''       => [],
    TLS      => [ SSL => 1, SSL_ca_file => 't/certs/ca.pem' ],
    STARTTLS => [ StartTLS => 'required', SSL_ca_file => 't/certs/ca.pem' ],
);

sub send_one {
    my ($job, $server) = @_;
    my $began = Time::HiRes::time();
    my $timeout = $job->{how} eq 'silence' ? TIMEOUT : PATIENT;
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => PATIENT,
        $job->{lmtp} ? (Protocol => 'lmtp') : (), @{ $security{ $job->{tls} || '' } })
        or return { failed => "$@" };
    $smtp->timeout($timeout);
    my $result = eval {
        $smtp->send_message(From => 'alice@test', To => \@to, SkipBad => 1,
            Data => "Subject: x\n\n.one\ntwo\n", @{ $job->{options} });
    };
    return { died => "$@" } if !defined $result;    # that it is false is no error
    my %is;
    $is{ $_->address }{ $_->outcome }++ for $result->recipients;
    return {
        outcome => $result->outcome, reusable => $result->is_reusable ? 1 : 0,
        retry => join(' ', $result->retry), took => Time::HiRes::time() - $began,
        to => join(' ', map { my $to = $_; join '/', map { $_ x $is{$to}{$_} } sort keys %{ $is{$to} } } @to),
        lists => scalar(map { $result->$_ } qw(accepted refused deferred unknown unsent)),
    };
}

# The cuts of a job, one connection after the other, and what each led to.
sub play {
    my ($job) = @_;
    my @cuts = @{ $job->{cuts} };
    my $server = NSX::Test::Server->start(limit => 120,
        connections => [ map { my $cut = $_; [ sub { serve($_[0], $job, $cut) } ] } @cuts ]);
    my @got = map { send_one($job, $server) } @cuts;
    my $log = $server->finish;
    $_->{conn} = shift @{ $log->{connections} } for @got;
    return @got;
}

# ---- the model

# Offsets at which the dialogue of the message begins: behind EHLO and its reply.
sub begins {
    my ($conn) = @_;
    $conn->{in} =~ /\A[^\n]*\n/ or return;
    my $in = $+[0];
    $conn->{out} =~ /\A(?:220[^\n]*\n)?(?:250-[^\n]*\n)*250 [^\n]*\n/ or return;
    return ($in, $+[0]);
}

sub has_end {
    my ($octets) = @_;
    return length $2 >= $1 if $octets =~ /^BDAT (\d+) LAST\r\n(.*)\z/ms;
    return $octets =~ /^DATA\r\n.*^\.\r\n/ms;
}

# What may be said of each recipient, as a pattern.
sub model {
    my ($job, $conn) = @_;
    my (undef, $from) = begins($conn);
    my @replies;
    my $said = substr $conn->{out}, $from;
    push @replies, $1 while $said =~ /\G(?:\d{3}-[^\n]*\n)*(\d{3}) [^\n]*\n/g;
    my @envelope = splice @replies, 0, 4;
    my $is_data = $conn->{in} =~ /^DATA/m || $job->{options}[3] == 0;
    my $go = $is_data ? shift @replies : undef;
    my $has_end = has_end($conn->{in} . ($conn->{late} || ''));
    my $never = $is_data ? !$go : $job->{options}[1] ne 'message' && @envelope < 4;
    my $open
        = $has_end                                ? 'unknown'
        : $never || $job->{how} ne 'rst'          ? 'deferred'
        :                                           '(?:deferred|unknown)';
    my @ends = $job->{lmtp} ? @replies[ 0, 1 ] : @replies[ 0, 0 ];
    my ($bob, $carol) = map { $_ ? 'accepted' : $open } @ends;
    return ($bob, $envelope[2] ? 'refused' : $open, $carol);
}

sub outcome_of {
    my ($to) = @_;
    return $to =~ /accepted/ ? 'partial' : $to =~ /unknown/ ? 'unknown' : 'deferred';
}

# What is wrong with one, '' for nothing.
sub verdict {
    my ($job, $cut, $got) = @_;
    my $conn = $got->{conn} or return 'the server knows of no connection';
    my ($in, $out) = begins($conn);
    return $conn->{in} =~ /^MAIL/m || !defined $cut->{how} ? "no object: $got->{failed}" : ''
        if defined $got->{failed};
    return "died: $got->{died}" if defined $got->{died};
    return 'the server has not said EHLO' if !$out;
    my $want = join ' ', model($job, $conn);
    return "'$got->{to}', not '$want'" if $got->{to} !~ /\A$want\z/;
    my $outcome = outcome_of($got->{to});
    return "the message is $got->{outcome}, not $outcome" if $got->{outcome} ne $outcome;
    return "$got->{lists} outcomes for 3 recipients" if $got->{lists} != 3;
    my @is = split ' ', $got->{to};
    my $retry = join ' ', map { $is[$_] eq 'deferred' ? $to[$_] : () } 0 .. 2;
    return "retry is '$got->{retry}', not '$retry'" if $got->{retry} ne $retry;
    return 'it took long' if $got->{took} > 10;
    return 'a connection that is cut can be used' if $got->{reusable} && $outcome ne 'partial';
    return '';
}

# ---- jobs

sub cuts {
    my ($job, $plain) = @_;
    return cuts_of_records($job, $plain) if $job->{tls};
    my ($in, $out) = begins($plain);
    my @ends = (
        [ received => $in + 1, length $plain->{in},  $plain->{in} ],
        [ sent     => $out,    length $plain->{out}, $plain->{out} ],
    );
    my @cuts;
    for my $end (@ends) {
        my ($what, $first, $last, $octets) = @$end;
        for my $n ($first .. $last) {
            my $at_line = substr($octets, $n >= 3 ? $n - 3 : 0, 4) =~ /\n/;
            next if $job->{step} > 1 && $n % $job->{step} && !$at_line;
            push @cuts, { $what => $n, how => $job->{how} };
        }
    }
    return @cuts;
}

# Behind records, and in header, text and last octet of some.
sub cuts_of_records {
    my ($job, $plain) = @_;
    my (undef, $out) = begins($plain);
    my ($greeted, @client) = @{ $plain->{coded_in} };
    my ($last, @ours) = @{ $plain->{coded_out} }[ $out - 1 .. $#{ $plain->{coded_out} } ];
    my (%received, %sent);
    for my $end (@client) {
        my $n = $greeted + 1;
        @received{ $n, $n + HEADER - 1, $n + HEADER, int(($n + $end) / 2), $end - 1, $end } = ();
        $greeted = $end;
    }
    for my $i (0 .. $#ours) {
        my $at_line = substr($plain->{out}, $out + $i - 2, 4) =~ /\n/;
        $sent{ $ours[$i] } = 1 if $job->{step} == 1 || $at_line || $i % $job->{step} == 0;
        @sent{ $last + 1, $last + HEADER, $ours[$i] - 1 } = () if $i % INSIDE == 0 && $job->{how} ne 'goodbye';
        $last = $ours[$i];
    }
    return map { my $what = $_->[0]; map +{ $what => $_, how => $job->{how} }, sort { $a <=> $b } keys %{ $_->[1] } }
        [ coded_received => \%received ], [ coded_sent => \%sent ];
}

sub start {
    my ($job) = @_;
    pipe my $from, my $to or die "pipe: $!";
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        close $from;
        my @cuts = @{ $job->{cuts} };
        my @wrong;
        my $ok = eval {
            my @got = play($job);
            for my $n (0 .. $#cuts) {
                my $why = verdict($job, $cuts[$n], $got[$n]);
                push @wrong, join(' ', map({"$_ $cuts[$n]{$_}"} sort keys %{ $cuts[$n] }), $why) if length $why;
            }
            1;
        };
        push @wrong, "died: $@" if !$ok;
        Storable::store_fd(\@wrong, $to);
        close $to;
        POSIX::_exit(0);
    }
    return { %$job, pid => $pid, from => $from };
}

sub finish {
    my ($job) = @_;
    my $wrong = eval { Storable::fd_retrieve($job->{from}) } || ['the job died'];
    waitpid $job->{pid}, 0;
    return @$wrong;
}

my @tls = ('', NSX::Author::Cut::TLS->missing ? () : qw(TLS STARTTLS));
note NSX::Author::Cut::TLS->missing if @tls == 1;

my (@jobs, %wrong, @names, %count);
for my $tls (@tls) {
    for my $mode (@modes) {
        my ($name, $options, %more) = @$mode;
        next if $tls eq 'STARTTLS' && $name !~ /^message/;
        my %job = (options => $options, how => 'fin', tls => $tls, %more);
        $name = "$tls, $name" if $tls;
        my ($plain) = play({ %job, cuts => [undef] });
        is $plain->{to}, 'accepted refused accepted', "$name, not cut"
            or do { diag explain $plain; next };
        for my $how (qw(silence fin rst), $tls ? 'goodbye' : ()) {
            my $step = $how =~ /^[fr]/ ? 1 : SAMPLE;
            my $title = "$name, $how";
            push @names, $title;
            my @cuts = cuts({ %job, how => $how, step => $step }, $plain->{conn});
            $count{$title} = @cuts;
            push @jobs, { %job, how => $how, name => $title, cuts => [ splice @cuts, 0, SHARE ] } while @cuts;
        }
    }
}

my @running;
for my $job ((sort { $b->{how} cmp $a->{how} } @jobs), (undef) x AT_ONCE) {
    if (@running == AT_ONCE || !$job && @running) {
        my $done = shift @running;
        push @{ $wrong{ $done->{name} } }, finish($done);
    }
    push @running, start($job) if $job;
}

for my $name (@names) {
    my @wrong = @{ $wrong{$name} };
    ok !@wrong, "$name: $count{$name} cuts";
    diag "  $_" for @wrong > 10 ? (@wrong[ 0 .. 9 ], '... ' . @wrong) : @wrong;
}

done_testing;
