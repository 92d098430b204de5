# Messages as jobs: what becomes of each, two workers on one database, a worker that
# is killed, and the limit they keep together.
use strict;
use warnings;
use lib 't/lib', 'xt/lib';

use File::Temp ();
use Test::More;
use Time::HiRes ();

BEGIN {
    plan skip_all => 'Minion is not installed' if !eval { require Minion; 1 };
}

use NSX::Author::Ledger;
use NSX::Author::PostgreSQL;
use NSX::Test::Server;
use Net::SMTP::XS::Minion;

use constant LIMIT => 90;    # seconds, of anything here

my $dir = File::Temp->newdir;

# A database, by each of the ways that the machine has.
my @backend;
push @backend, [ SQLite => sub { (SQLite => "sqlite:$dir/minion.db") } ]
    if eval { require Minion::Backend::SQLite; 1 };
my $postgres = eval { require Minion::Backend::Pg; NSX::Author::PostgreSQL->start };
push @backend, [ Pg => sub { (Pg => $postgres->url) } ] if $postgres;
plan skip_all => "neither PostgreSQL nor SQLite for Minion: $@" if !@backend;

sub mail_on {
    my ($minion, $server, %option) = @_;
    return Net::SMTP::XS::Minion->new(minion => $minion, poll => 0.05,
        pool => { Host => $server->host, Port => $server->port, Timeout => 20, Connections => 4 }, %option);
}

sub message {
    my ($n, %more) = @_;
    return { From => 'alice@test', To => ["bob$n\@test"], Data => "Message-ID: <$n\@test>\nSubject: $n\n\nhello\n", %more };
}

# A worker in a process of its own.
sub worker {
    my ($backend, @of) = @_;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    return $pid if $pid;
    eval { mail_on(Minion->new($backend->()), @of)->run; 1 } or print STDERR "worker: $@";
    require POSIX;
    POSIX::_exit(0);
}

sub end_of {
    my ($signal, @pid) = @_;
    kill $signal, @pid;
    my $until = Time::HiRes::time() + LIMIT;
    for my $pid (@pid) {
        Time::HiRes::sleep(0.02) while !waitpid($pid, 1) && Time::HiRes::time() < $until;
    }
    return Time::HiRes::time() < $until;
}

# Waits until none of the states has jobs: true in time.
sub settled {
    my ($minion, @state) = @_;
    my $until = Time::HiRes::time() + LIMIT;
    while (Time::HiRes::time() < $until) {
        my $stats = $minion->stats;
        return 1 if !grep { $stats->{"${_}_jobs"} } @state;
        Time::HiRes::sleep(0.05);
    }
    return 0;
}

for my $pair (@backend) {
    my ($name, $backend) = @$pair;

    subtest "$name: what becomes of each" => sub {
        my $minion = Minion->new($backend->());
        $minion->reset({ all => 1 });
        $minion->backoff(sub {0});
        my $server = NSX::Test::Server->start(limit => LIMIT, concurrent => 1, smtp => {
            extensions => [qw(PIPELINING CHUNKING)],
            on => { RCPT => sub { $_[0] =~ /later/ ? '451 4.3.0 later' : undef },
                '.' => sub { $_[0] =~ /Subject: lost/ ? \'close' : undef } } });
        my $mail = mail_on($minion, $server, tries => 3);
        my %id = (
            good    => $mail->enqueue(message(1)),
            octets  => $mail->enqueue(message(2, Data => "Subject: x\n\n\xe9\x00\n")),
            refused => $mail->enqueue(message(3, To => 'bad@test')),
            later   => $mail->enqueue(message(4, To => 'later@test')),
            both    => $mail->enqueue(message(5, To => [ 'bob5@test', 'later@test' ], SkipBad => 1)),
            lost    => $mail->enqueue(message(6, Data => "Subject: lost\n\nx\n")),
            wrong   => $mail->enqueue(message(7, Colour => 'red')),
        );
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $worker = Minion->new($backend->());
            $worker->backoff(sub {0});
            eval { mail_on($worker, $server, tries => 3)->run; 1 } or print STDERR "worker: $@";
            require POSIX;
            POSIX::_exit(0);
        }
        ok(settled($minion, qw(inactive active delayed)), 'all jobs end');
        ok(end_of(TERM => $pid), 'TERM ends the worker');
        my %info = map { $_ => $minion->job($id{$_})->info } keys %id;
        my %state = map { $_ => "$info{$_}{state} " . (ref $info{$_}{result} ? $info{$_}{result}{outcome} : '-') } keys %info;
        is_deeply(\%state, {
            good => 'finished accepted', octets => 'finished accepted', refused => 'failed refused',
            later => 'failed deferred', both => 'finished partial', lost => 'failed unknown', wrong => 'failed unsent',
        }, 'by its outcome') or diag explain \%state;
        is($info{refused}{result}{code}, 550, 'with the code');
        is($info{later}{retries}, 2, 'who is put off is tried as often as it may');
        is($info{lost}{retries}, 0, 'what is unknown never again');
        is($info{lost}{notes}{net_smtp_xs_outcome}, 'unknown', '... and is marked');
        my @data = map { $_->{data} } @{ $server->finish->{messages} };
        is(scalar(grep { /\xe9\x00\r\n\z/ } @data), 1, 'octets arrive as they were');
        is(scalar(grep { /Subject: 5\r/ } @data), 1, 'who had the message does not get it again');
    };

    subtest "$name: two workers, one killed" => sub {
        my $minion = Minion->new($backend->());
        $minion->reset({ all => 1 });
        my $server = NSX::Author::Ledger->start(latency => 0.02, extensions => [qw(PIPELINING CHUNKING)]);
        my $mail = mail_on($minion, $server);
        my $messages = 200;
        $mail->enqueue(message($_)) for 1 .. $messages;
        my @pid = map { worker($backend, $server, limit => 5, lock_lasts => 5) } 1, 2;
        Time::HiRes::sleep(0.05) until ($minion->stats->{finished_jobs} || 0) >= 40;
        ok(end_of(KILL => $pid[0]), 'one is killed');
        ok(settled($minion, 'inactive'), 'the other takes the rest');
        ok(end_of(TERM => $pid[1]), '... and ends when told to');
        $minion->missing_after(0)->repair;
        ok(settled($minion, 'active'), 'no job stays with the dead');
        my $book  = $server->finish;
        my $taken = $book->taken;
        is_deeply([ grep { $_ > 1 } values %$taken ], [], 'nothing twice');
        my $jobs = $minion->jobs;
        my (@lost, $gone) = ();
        while (my $job = $jobs->next) {
            my ($id) = $job->{args}[0]{Data} =~ /(<\d+\@test>)/;
            push @lost, $id if $job->{state} eq 'finished' && !$taken->{$id};
            $gone++ if $job->{state} eq 'failed';
        }
        is_deeply(\@lost, [], 'what is finished is there');
        cmp_ok($gone || 0, '<=', 5, 'only what was being sent is unknown: ' . ($gone || 0));
        cmp_ok($book->most_sending, '<=', 5, 'both together kept the limit');
    };
}

# The manual's example compiles.
{
    open my $fh, '<', 'lib/Net/SMTP/XS/Minion.pod' or die "Minion.pod: $!";
    my ($code) = do { local $/; <$fh> } =~ /^=for example minion\n(.*?)^=for example end/ms;
    ok(defined $code && eval "use strict; use warnings; sub { $code }", 'the example compiles') or diag $@;
}

done_testing;
