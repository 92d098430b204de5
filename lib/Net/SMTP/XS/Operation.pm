package Net::SMTP::XS::Operation;

# Something under way that never waits: its program steps it, and waits for it
# where it waits for everything else.
#
# What there is to do is the work's: an object with
#   turn      does what can be done now; true at the end
#   cancel    ends it, at any time
#   result    once, after either: what the blocking call returns, or its exception
#   handle    what to wait on
#   occupies  the operation of the glue that no method of {smtp} may break into, or 0
# and with {want} and {until}, what its last turn asks for: milliseconds of the
# glue's clock, undef for no limit.

use 5.014;
use strict;
use warnings;

use Carp ();
use Net::SMTP::XS;
use Scalar::Util ();

our @CARP_NOT = ('Net::SMTP::XS', 'Net::SMTP::XS::Message');

# A new thread's copy is an empty scalar.
sub CLONE_SKIP { 1 }

sub new {
    my ($class, $kind, @of) = @_;
    my $work = $kind->new(@of);
    _occupy($work->{smtp}, $work->occupies) if $work->occupies;
    return bless { work => $work, pid => $$ }, $class;
}

# A child of fork has a copy, which must not send.
sub _is_owner { $_[0]{pid} == $$ }

sub _work {
    my ($self, $method) = @_;
    Carp::croak("$method: the operation is another process's") if !_is_owner($self);
    return $self->{work};
}

sub step {
    my $self = $_[0];
    my $work = _work($self, 'step') or return 1;
    Carp::croak('step: it is under way, and cannot be called from its own callback')
        if $work->{is_inside};
    Scalar::Util::weaken($self);    # a callback may drop it, and means it
    $work->{is_inside} = 1;
    my $is_over = $work->turn;
    $work->{is_inside} = 0;
    return '' if !$is_over && $self;
    _settle($self || { work => $work });
    return 1;
}

# At the end: the object is free again before it is closed or handed out.
sub _settle {
    my ($self) = @_;
    my $work = delete $self->{work};
    _occupy($work->{smtp}, OF_NOBODY()) if $work->occupies;
    local ($@, $SIG{__DIE__});
    $self->{error} = $@ if !eval { $self->{result} = $work->result; 1 };
    $self->{why}   = $work->{why};    # what $@ is to be where the result is undef
    return;
}

# In a callback the end comes as the callback returns.
sub cancel {
    my ($self) = @_;
    my $work = $self->{work};
    return if !$work || !_is_owner($self);
    $work->cancel;
    _settle($self) if !$work->{is_inside};
    return;
}

sub result {
    my ($self) = @_;
    Carp::croak('result: the operation is not finished') if $self->{work};
    die $self->{error} if exists $self->{error};
    $@ = $self->{why} if defined $self->{why};
    return $self->{result};
}

# --- what is to be waited for ------------------------------------------------------

sub want { $_[0]{work} && ($_[0]{work}{want} // 'timer') }

sub timeout {
    my ($self) = @_;
    my $work = $self->{work} or return 0;
    return 0 if !defined $work->{want};
    return undef if !defined $work->{until};
    my $left = $work->{until} - _clock();
    return $left > 0 ? $left / 1000 : 0;
}

sub handle { $_[0]{work} && $_[0]{work}->handle }

sub DESTROY {
    my ($self) = @_;
    return if !$self->{work} || !_is_owner($self);
    local ($@, $!, $?);
    eval { $self->cancel };
    return;
}

1;
