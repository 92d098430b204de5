package Net::SMTP::XS::Pool;

# Many messages over a few connections to one server; see Pool.pod.
#
# A turn of the pool steps the operations that can go on, gives messages to the
# connections that are free, and begins and ends connections.  It never waits:
# run does, between two turns.  What a turn finished is told to the program at its
# end, when the pool's own books are closed, so that a callback may die.

use 5.014;
use strict;
use warnings;

use Carp       ();
use IO::Poll   qw(POLLIN POLLOUT);
use List::Util qw(first max min);
use Net::SMTP::XS;
use Net::SMTP::XS::Pool::Connection;
use Net::SMTP::XS::Pool::Rate;
use Net::SMTP::XS::Pool::Window;
use Net::SMTP::XS::Result;
use Time::HiRes ();

our $VERSION = '0.01';

use constant {
    MOST_MOVES     => 3,       # of one message to another connection
    PROGRESS_EVERY => 0.25,    # seconds
    RATE_OVER      => 5,       # seconds, of the figure that Progress gets
};

# --- options -------------------------------------------------------------------

sub _is_count { $_[0] =~ /\A[1-9]\d{0,8}\z/ }

sub _is_seconds { $_[0] =~ /\A(?:\d+\.?\d*|\.\d+)\z/ && $_[0] > 0 }

my %own = (    # name => default, rule in words, rule
    Connections           => [10,    'a number of connections, 1 or more', \&_is_count],
    MessagesPerConnection => [100,   'a number of messages, 1 or more',    \&_is_count],
    IdleTimeout           => [60,    'seconds, more than 0',               \&_is_seconds],
    GiveUp                => [300,   'seconds, more than 0',               \&_is_seconds],
    QueueSize             => [1000,  'a number of messages, 1 or more',    \&_is_count],
    Rate                  => [undef, undef,                                sub { 1 }],
);

sub new {
    my ($class, %option) = @_;
    Carp::croak('Net::SMTP::XS::Pool: Host, Path: it takes one of them')
        if 1 != grep { defined $option{$_} } qw(Host Path);
    my $self = bless {
        pid    => $$, queue => [], open => {}, over => [], kept => [], iterator => undef, done => 0,
        failed => 0,  stopped => '', ends => [],
    }, $class;
    for my $name (keys %own) {
        my ($default, $rule, $is_right) = @{ $own{$name} };
        my $value = delete $option{$name};
        $value = $default if !defined $value;
        Carp::croak("Net::SMTP::XS::Pool: $name: it takes $rule") if !$is_right->($value);
        $self->{$name} = $value;
    }
    $self->{rate} = eval { Net::SMTP::XS::Pool::Rate->new($self->{Rate}) }
        || Carp::croak("Net::SMTP::XS::Pool: Rate: $@")
        if defined $self->{Rate};
    $self->{window} = Net::SMTP::XS::Pool::Window->new($self->{Connections});
    $self->{host}   = delete $option{Host};
    $self->{option} = \%option;
    return $self;
}

# --- what is to be sent ----------------------------------------------------------

sub add {
    my ($self, %message) = @_;
    my ($done, $to)      = (delete $message{Done}, $message{To});
    Carp::croak('Net::SMTP::XS::Pool: add: Done: it takes a code reference')
        if defined $done && ref $done ne 'CODE';
    for my $name (qw(From To Data)) {
        Carp::croak("Net::SMTP::XS::Pool: add: $name: it is required") if !defined $message{$name};
    }
    push @{ $self->{queue} }, { message => \%message, done => $done, moves => 0 };
    $self->_wake;
    return !$self->is_full;
}

# One message, and the others meanwhile.
sub send {
    my ($self, %message) = @_;
    my $result;
    $self->add(%message, Done => sub { $result = $_[0] });
    1 while !$result && $self->turn(PROGRESS_EVERY);
    return $result;
}

sub add_from {
    my ($self, $next) = @_;
    Carp::croak('Net::SMTP::XS::Pool: add_from: it takes a code reference') if ref $next ne 'CODE';
    Carp::croak('Net::SMTP::XS::Pool: add_from: the one before is not at its end')
        if $self->{iterator};
    $self->{iterator} = $next;
    return;
}

sub is_full { @{ $_[0]{queue} } >= $_[0]{QueueSize} }

sub waiting { scalar @{ $_[0]{queue} } }

# Messages that could be begun now, besides those that wait.
sub room {
    my ($self) = @_;
    return 0 if $self->{stopped} || $self->_rate_wait(Time::HiRes::time());
    my $busy = grep { $_->is_sending } $self->_connections;
    return max(0, $self->{window}->size - $busy - @{ $self->{queue} });
}

# Takes from the iterator what the connections can soon use.
sub _draw {
    my ($self) = @_;
    while ($self->{iterator} && !$self->{stopped} && @{ $self->{queue} } < $self->{Connections}) {
        my $message = $self->{iterator}->();
        if (!defined $message) { $self->{iterator} = undef; last }
        Carp::croak(
            'Net::SMTP::XS::Pool: add_from: its code answers a reference to a hash, or undef')
            if ref $message ne 'HASH';
        $self->add(%$message);
    }
    return;
}

# --- what came of it ---------------------------------------------------------------

sub results { splice @{ $_[0]{kept} } }

sub _addresses {
    my ($to) = @_;
    return map { ref eq 'ARRAY' ? "$_->[0]" : "$_" } ref $to eq 'ARRAY' ? @$to : $to;
}

# A result of the pool's own, where no connection had the message.
sub _unsent {
    my ($entry, %record) = @_;
    my @recipients
        = map { { address => $_, code => undef, %record } } _addresses($entry->{message}{To});
    return Net::SMTP::XS::Result->new(
        recipients => \@recipients, skip_bad => !!$entry->{message}{SkipBad},
        octets     => 0, transactions => 0, round_trips => 0, elapsed => 0, is_reusable => '',
    );
}

# Nothing of the message has gone, or only its sender's name: another connection
# may send it.  What a handle or code gave cannot be had again.
sub _can_move {
    my ($entry, $result) = @_;
    return '' if $entry->{moves} >= MOST_MOVES;
    return 1 if $result->outcome eq 'deferred' && $result->stage eq 'connect';
    my $data = $entry->{message}{Data};
    return
           $result->outcome eq 'deferred'
        && $result->stage eq 'mail'
        && ($result->code || '') eq '421'
        && (!ref $data || ref $data eq 'SCALAR' || ref $data eq 'ARRAY');
}

# Of one message, as its connection has it.  error: why there is no result.
sub _settle {
    my ($self, $connection, $entry, $result, $error) = @_;
    my $now = Time::HiRes::time();
    $result //= _unsent(
        $entry, outcome => 'unsent', enhanced => undef, stage => 'local',
        message => $error
    );
    if (_can_move($entry, $result)) {
        $entry->{moves}++;
        $self->{window}->failed($now, $connection->began) if ($result->code || '') eq '421';
        unshift @{ $self->{queue} }, $entry;
        return;
    }
    if ($result->outcome eq 'accepted' || $result->outcome eq 'partial') {
        $self->{window}->succeeded;
        $self->{trouble} = undef;
    }
    elsif (($result->code || '') eq '421') {
        $self->{window}->failed($now, $connection->began);
    }
    $self->_over($entry, $result, $now);
    return;
}

sub _over {
    my ($self, $entry, $result, $now) = @_;
    $self->{ $result ? 'done' : 'failed' }++;
    push @{ $self->{ends} }, $now;
    push @{ $self->{over} }, [$entry->{done}, $result];
    return;
}

# A connection could not be made.  Where none could for long, or the options are
# wrong, what waits is given back: it was never sent.
sub _no_connection {
    my ($self, $connection, $why, $is_wrong) = @_;
    my $now = Time::HiRes::time();
    $self->{window}->failed($now, $connection->began);
    $self->{trouble} //= $connection->began;
    return if !$is_wrong && $now - $self->{trouble} < $self->{GiveUp};
    while (my $entry = shift @{ $self->{queue} }) {
        $self->_over(
            $entry,
            _unsent(
                $entry, outcome => 'deferred', enhanced => '4.4.1', stage => 'connect',
                message => $why
            ),
            $now
        );
    }
    $self->{trouble} = undef;
    return;
}

sub _tell {
    my ($self) = @_;
    while (my $over = shift @{ $self->{over} }) {
        my ($done, $result) = @$over;
        if   ($done) { $done->($result) }
        else         { push @{ $self->{kept} }, $result }
    }
    return;
}

# --- turns ---------------------------------------------------------------------------

sub _connections { values %{ $_[0]{open} } }

sub _has_work { @{ $_[0]{queue} } && !$_[0]{stopped} }

# Seconds until the rate lets a message go.
sub _rate_wait { $_[0]{rate} ? $_[0]{rate}->wait($_[1]) : 0 }

sub _hand_out {
    my ($self, $now) = @_;
    my @free = grep { $_->is_free } $self->_connections;
    while (@free && $self->_has_work && !$self->_rate_wait($now)) {
        my $connection = shift @free;
        if (!$connection->has_more) { $connection->quit; next }
        $self->{rate}->take($now) if $self->{rate};
        $connection->send(shift @{ $self->{queue} });
        $self->_draw;
    }
    return;
}

# No more than there are messages for, and one at a time until the first is there.
sub _open {
    my ($self, $now) = @_;
    my @open       = $self->_connections;
    my $on_the_way = grep { $_->is_connecting } @open;
    while ($self->_has_work
        && @open < $self->{window}->size
        && $on_the_way < @{ $self->{queue} }
        && !$self->{window}->pause($now)
        && !(defined $self->{trouble} && $on_the_way)) {
        my $connection = Net::SMTP::XS::Pool::Connection->new(
            host   => $self->{host},
            option => $self->{option}, most => $self->{MessagesPerConnection}
        );
        $self->{open}{$connection} = $connection;
        push @open, $connection;
        $on_the_way++;
    }
    return;
}

sub _end_idle {
    my ($self, $now) = @_;
    my $is_over = !$self->_has_work && !$self->{iterator};
    for my $connection ($self->_connections) {
        next if !$connection->is_free;
        my $has_work = $self->_has_work;
        $connection->quit
            if $is_over && $self->{ending}
            || $now - $connection->free_since >= $self->{IdleTimeout};
    }
    return;
}

sub _step {
    my ($self, $connection) = @_;
    my $what = $connection->step or return;
    my ($event, @of) = @$what;
    if    ($event eq 'sent') { $self->_settle($connection, @of) }
    elsif ($event eq 'no')   { $self->_no_connection($connection, @of) }
    delete $self->{open}{$connection} if $connection->is_closed;
    return;
}

# True while something is under way or waits.
sub _turn {
    my ($self) = @_;
    Carp::croak("Net::SMTP::XS::Pool: it is another process's") if $self->{pid} != $$;
    $self->_draw;
    for my $connection ($self->_connections) {
        $self->_step($connection) if $connection->is_due(Time::HiRes::time());
    }
    my $now = Time::HiRes::time();
    $self->_hand_out($now);
    $self->_open($now);
    $self->_end_idle($now);
    return $self->_has_work || $self->{iterator} && !$self->{stopped} || %{ $self->{open} };
}

# Seconds until the next turn has something to do without any descriptor.
sub _pause {
    my ($self) = @_;
    my $now    = Time::HiRes::time();
    my @wait   = map { $_->wait($now, $self->{IdleTimeout}) } $self->_connections;
    if ($self->_has_work) {
        my $rate = $self->_rate_wait($now);
        push @wait, $rate if $rate && first { $_->is_free } $self->_connections;
        push @wait, $self->{window}->pause($now) || ()
            if $self->_connections < $self->{window}->size;
    }
    return max(0, min(PROGRESS_EVERY, @wait));
}

# --- the pool's own loop -----------------------------------------------------------------

my %events = (read => POLLIN, write => POLLOUT, both => POLLIN | POLLOUT);

sub _wait {
    my ($self, $most) = @_;
    my $poll = IO::Poll->new;
    my @watched;
    for my $connection ($self->_connections) {
        my ($handle, $want) = $connection->watched or next;
        $poll->mask($handle => $events{$want});
        push @watched, [$connection, $handle];
    }
    my $seconds = min($most, $self->_pause);
    if   (@watched) { $poll->poll($seconds) }
    else            { Time::HiRes::sleep($seconds) if $seconds }
    for my $pair (@watched) {
        my ($connection, $handle) = @$pair;
        $connection->is_ready if $poll->events($handle);
    }
    return;
}

sub turn {
    my ($self, $most) = @_;
    Carp::croak('Net::SMTP::XS::Pool: turn: it is under way') if $self->{inside};
    local $self->{inside} = 1;
    my $goes_on = $self->_turn;
    $self->_tell;
    $self->_wait(defined $most ? $most : 0) if $goes_on;
    return $goes_on ? 1 : '';
}

sub run {
    my ($self, %option) = @_;
    my $progress = delete $option{Progress};
    Carp::croak('Net::SMTP::XS::Pool: run: unknown option "' . (keys %option)[0] . '"') if %option;
    local $self->{ending} = 1;
    my $told = 0;
    while ($self->turn(PROGRESS_EVERY)) {
        next if !$progress || Time::HiRes::time() - $told < PROGRESS_EVERY;
        $progress->($self->_progress);
        $told = Time::HiRes::time();
    }
    $progress->($self->_progress) if $progress;
    $self->{stopped} = '';
    return !$self->{failed};
}

sub stop { $_[0]{stopped} = 1; return }

sub _progress {
    my ($self) = @_;
    my $ends   = $self->{ends};
    my $from   = Time::HiRes::time() - RATE_OVER;
    shift @$ends while @$ends && $ends->[0] < $from;
    my $seconds = @$ends > 1 ? $ends->[-1] - $ends->[0] : 0;
    return (
        $self->{done}, $self->{failed}, scalar @{ $self->{queue} },
        $seconds ? (@$ends - 1) / $seconds : 0
    );
}

# --- somebody else's loop ------------------------------------------------------------

# An adapter lends its loop: its promise, and its ways to watch and to wait.
sub start {
    my ($self, $adapter, %option) = @_;
    Carp::croak(
        "Net::SMTP::XS::Pool: start: it takes the name of an adapter, 'Net::SMTP::XS::AnyEvent'")
        if !eval "require $adapter; $adapter->can('_promise')";
    Carp::croak('Net::SMTP::XS::Pool: start: it is under way') if $self->{loop};
    my $loop = $adapter->new(%option);
    my ($promise, $keep, $break) = $loop->_promise;
    $self->{loop}   = { loop => $loop, keep => $keep, break => $break, stop => [] };
    $self->{ending} = 1;
    $self->_wake;
    return $promise;
}

sub _wake {
    my ($self) = @_;
    my $run = $self->{loop} or return;
    push @{ $run->{stop} }, $run->{loop}->_after(0, sub { $self->_loop_turn($run) });
    return;
}

# No handle is watched while it may be closed.
sub _loop_turn {
    my ($self, $run) = @_;
    return if $run->{is_inside};
    $_->() for splice @{ $run->{stop} };
    my $goes_on;
    {
        local $run->{is_inside} = 1;
        return $self->_loop_end($run, break => $@)
            if !eval { $goes_on = $self->_turn; $self->_tell; 1 };
    }
    return $self->_loop_end($run, keep => !$self->{failed}) if !$goes_on;
    for my $connection ($self->_connections) {
        my ($handle, $want) = $connection->watched or next;
        push @{ $run->{stop} }, $run->{loop}->_io(
            $handle,
            $want ne 'write',
            $want ne 'read',
            sub { $connection->is_ready; $self->_loop_turn($run) }
        );
    }
    push @{ $run->{stop} }, $run->{loop}->_after($self->_pause, sub { $self->_loop_turn($run) });
    return;
}

sub _loop_end {
    my ($self, $run, $how, $with) = @_;
    delete @$self{qw(loop ending)};
    $self->{stopped} = '';
    return $run->{$how}->($with);
}

1;
