package Net::SMTP::XS::Minion;

# Messages as jobs of Minion, sent by a worker that does not fork: it gives them to
# a pool of connections.

use 5.014;
use strict;
use warnings;

use Carp         ();
use MIME::Base64 ();
use Net::SMTP::XS::Pool;
use Time::HiRes ();

our $VERSION = '0.01';

use constant {
    HEARTBEAT => 30,      # seconds between two signs of life of the worker
    TURN      => 0.05,    # seconds that a turn of the pool may wait
};

sub new {
    my ($class, %arg) = @_;
    my $self = bless {
        task       => 'smtp', queue => 'smtp', tries => 10, poll => 0.5, limit => undef,
        lock_lasts => 300,
        %arg, held => {}, looked => 0, lived => 0,
    }, $class;
    Carp::croak('Net::SMTP::XS::Minion: minion: it is required') if !$self->{minion};
    Carp::croak('Net::SMTP::XS::Minion: pool: it takes a reference to a hash of options')
        if ref $self->{pool} ne 'HASH';
    $self->{destination} //= $self->{pool}{Host} // $self->{pool}{Path};
    $self->{minion}->add_task(
        $self->{task} => sub { $_[0]->fail('only run() of Net::SMTP::XS::Minion sends it') });
    return $self;
}

# --- jobs ------------------------------------------------------------------------

# Octets travel as they are where JSON and PostgreSQL keep them.
sub enqueue {
    my ($self, $message, $option) = @_;
    my %message = %$message;
    my $data    = delete $message{Data};
    Carp::croak('Net::SMTP::XS::Minion: Data: it takes octets') if !defined $data || ref $data;
    if ($data =~ /[^\t\n\r -~]/) { $message{DataBase64} = MIME::Base64::encode($data, '') }
    else                         { $message{Data} = $data }
    return $self->{minion}->enqueue(
        $self->{task} => [\%message],
        { queue => $self->{queue}, %{ $option || {} } }
    );
}

sub _message {
    my ($job)   = @_;
    my %message = %{ $job->args->[0] };
    my $base64  = delete $message{DataBase64};
    $message{Data} = MIME::Base64::decode($base64) if defined $base64;
    return %message;
}

# --- what becomes of them -----------------------------------------------------------

# The result as Minion keeps it.
sub _facts {
    my ($result) = @_;
    return {
        outcome  => $result->outcome,  text  => "$result", code => $result->code,
        enhanced => $result->enhanced, stage => $result->stage,
        map { ($_ => [$result->$_]) } qw(accepted refused deferred unknown unsent),
    };
}

# Tries of these recipients, this one included.
sub _tries { my ($job) = @_; return 1 + $job->retries + ($job->args->[1] || 0) }

# Who was put off gets it later, nobody twice: a further try is for them alone.
sub _close {
    my ($self, $job, $result) = @_;
    my @again = _tries($job) < $self->{tries} ? $result->retry : ();
    return $job->retry({ delay => $self->_delay($job) })
        if @again && @again == (() = $result->recipients);
    $self->_again($job, @again) if @again;
    $job->note(net_smtp_xs_outcome => $result->outcome) if !$result;
    my $facts = _facts($result);
    return $result ? $job->finish($facts) : $job->fail($facts);
}

sub _delay {
    my ($self, $job) = @_;
    return $self->{minion}->backoff->(_tries($job) - 1);
}

# A job of its own for some of the recipients.
sub _again {
    my ($self, $job, @addresses) = @_;
    my %message = %{ $job->args->[0] };
    my %wanted  = map { $_ => 1 } @addresses;
    my @to      = ref $message{To} eq 'ARRAY' ? @{ $message{To} } : $message{To};
    $message{To} = [grep { $wanted{ ref eq 'ARRAY' ? $_->[0] : $_ } } @to];
    return $self->{minion}->enqueue(
        $self->{task} => [\%message, _tries($job)],
        {
            queue => $self->{queue}, delay => $self->_delay($job),
            notes => { net_smtp_xs_parent => $job->id }
        }
    );
}

# --- the worker ------------------------------------------------------------------------

sub stop { $_[0]{stopped} = 1; return }

# Until stop, TERM or INT: what is being sent is finished, nothing new begun.
sub run {
    my ($self) = @_;
    my $pool = $self->{connections} = Net::SMTP::XS::Pool->new(%{ $self->{pool} });
    $self->{worker}  = $self->{minion}->worker->register;
    $self->{stopped} = '';
    local @SIG{qw(TERM INT)} = (sub { $self->stop }) x 2;
    until ($self->{stopped}) {
        $self->_live;
        $self->_take($pool);
        Time::HiRes::sleep(TURN) if !$pool->turn(TURN);
    }
    $pool->stop;
    $pool->run;
    $self->_give_back($_) for values %{ $self->{held} };
    $self->{worker}->unregister;
    return;
}

# A job that the pool had not begun: another worker may have it at once.
sub _give_back {
    my ($self, $job) = @_;
    delete $self->{held}{ $job->id };
    $self->_unlock;
    $job->retry;
    return;
}

sub _live {
    my ($self) = @_;
    my $now = Time::HiRes::time();
    return if $now - $self->{lived} < HEARTBEAT;
    $self->{worker}->register;
    $self->{minion}->repair;
    $self->{lived} = $now;
    return;
}

sub _lock_name { "net-smtp-xs:$_[0]{destination}" }

sub _lock {
    my ($self) = @_;
    return 1 if !$self->{limit};
    return $self->{minion}
        ->lock(_lock_name($self), $self->{lock_lasts}, { limit => $self->{limit} });
}

sub _unlock {
    my ($self) = @_;
    $self->{minion}->unlock(_lock_name($self)) if $self->{limit};
    return;
}

# As many jobs as the pool can begin at once: the others stay for other workers.
sub _take {
    my ($self, $pool) = @_;
    my $now = Time::HiRes::time();
    return if $now - $self->{looked} < $self->{poll};
    while (!$self->{stopped} && $pool->room) {
        if (!$self->_lock) { $self->{looked} = $now; return }
        my $job = $self->{worker}->dequeue(0, { queues => [$self->{queue}] });
        if (!$job) {
            $self->_unlock;
            $self->{looked} = $now;
            return;
        }
        $self->_give($pool, $job);
    }
    return;
}

sub _give {
    my ($self, $pool, $job) = @_;
    $self->{held}{ $job->id } = $job;
    my $ok = eval {
        $pool->add(
            _message($job),
            Done => sub {
                delete $self->{held}{ $job->id };
                $self->_unlock;
                $self->_close($job, $_[0]);
            }
        );
        1;
    };
    return if $ok;
    delete $self->{held}{ $job->id };
    $self->_unlock;
    $job->fail("$@");
    return;
}

1;
