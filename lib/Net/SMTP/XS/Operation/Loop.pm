package Net::SMTP::XS::Operation::Loop;

# A session whose operations an event loop steps: what the adapters have in
# common.  Each of them says how its loop does things:
#
#   _default_loop                        where none is given
#   _promise                             a new promise, and code that keeps it with a
#                                        value, and that breaks it with a reason
#   _io($handle, $read, $write, $code)   calls the code when the handle is ready, and
#   _after($seconds, $code)              when the time has passed; both return code
#                                        that ends it

use 5.014;
use strict;
use warnings;

use Carp ();
use Net::SMTP::XS;

sub new {
    my ($class, %option) = @_;
    return bless { loop => $option{loop} // $class->_default_loop, smtp => $option{smtp} }, $class;
}

sub connect {
    my ($class, %option) = @_;
    my $self = $class->new(loop => delete $option{loop});
    my $type = delete $option{Class} // 'Net::SMTP::XS';
    if (my $resolve = $option{Resolve}) {
        $option{Resolve} = sub {
            my ($host, $port, $answer) = @_;
            $resolve->($host, $port, sub { $answer->(@_); $self->wake });
        };
    }
    return $self->_start(
        sub { $type->start_session(%option) },
        sub { $self->{smtp} = $_[0]; $self }
    );
}

sub smtp { $_[0]{smtp} }

sub send_message {
    my ($self, @message) = @_;
    return $self->_start(sub { $self->{smtp}->start_message(@message) });
}

sub quit {
    my ($self) = @_;
    return $self->_start(sub { $self->{smtp}->start_quit });
}

sub run {
    my ($self, $op) = @_;
    return $self->_start(sub { $op });
}

sub cancel {
    my ($self) = @_;
    my $run = $self->{run};
    return if !$run || !_is_ours($run);
    _unwatch($run);
    $run->{op}->cancel;
    return $self->wake;
}

# For what answered Net::SMTP::XS::LATER, and has more now.
sub wake {
    my ($self) = @_;
    my $run = $self->{run};
    $self->_step($run) if $run && !$run->{is_inside};
    return;
}

# The promise of the operation's result, or of what $made makes of it.  Until it is
# kept the watchers hold all that is needed.
sub _start {
    my ($self,    $start, $made)  = @_;
    my ($promise, $keep,  $break) = $self->_promise;
    my $op = eval {
        Carp::croak('an operation is under way: wait for its end') if $self->{run};
        $start->();
    };
    if (!$op) {
        $break->($@);
        return $promise;
    }
    $self->{run}
        = { op => $op, keep => $keep, break => $break, made => $made, stop => [], pid => $$ };
    $self->_step($self->{run});
    return $promise;
}

# No handle is watched while it may be closed.
sub _unwatch {
    my ($run) = @_;
    $_->() for splice @{ $run->{stop} };
    return;
}

# A child of fork has copies of the watchers, and perhaps the parent's loop behind
# them: it leaves both alone.
sub _is_ours { $_[0]{pid} == $$ }

sub _step {
    my ($self, $run) = @_;
    return if !_is_ours($run);
    _unwatch($run);
    $run->{is_inside} = 1;
    my $is_over = $run->{op}->step;
    $run->{is_inside} = 0;
    return $is_over ? $self->_finish($run) : $self->_watch($run);
}

sub _watch {
    my ($self, $run)     = @_;
    my ($op, $stop)      = @$run{qw(op stop)};
    my ($want, $seconds) = ($op->want, $op->timeout);
    my $handle = $want eq 'timer' ? undef : $op->handle;
    my $code   = sub { $self->_step($run) if $run->{op} };

    push @$stop, $self->_io($handle, $want ne 'write', $want ne 'read', $code) if $handle;
    push @$stop, $self->_after($seconds, $code) if defined $seconds;
    push @$stop, sub { undef $code }
        if !@$stop;    # holds it until it is woken
    return;
}

sub _finish {
    my ($self, $run) = @_;
    my ($op, $keep, $break, $made) = delete @$run{qw(op keep break made)};
    delete $self->{run};
    my ($value, $why);
    my $lived = eval { $value = $op->result; $why = $@; 1 };
    return $break->($@) if !$lived;
    return $break->($why) if !defined $value && $why ne '';
    return $keep->($made ? $made->($value) : $value);
}

1;
