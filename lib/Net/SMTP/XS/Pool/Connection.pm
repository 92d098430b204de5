package Net::SMTP::XS::Pool::Connection;

# One connection of a pool: what is under way on it, and what came of that.
#
#   my $connection = ...->new(host => $host, option => \%option, most => $messages);
#   $connection->step    as far as it goes: nothing, or
#                        ['ready'], ['no', $why, $is_wrong] (1: with an exception of the options),
#                        ['sent', $entry, $result, $error],
#                        ['quit']
#   $connection->send($entry)    where it is_free and has_more
#   $connection->quit

use 5.014;
use strict;
use warnings;

use Net::SMTP::XS;
use Time::HiRes ();

our $VERSION = '0.01';

sub new {
    my ($class, %arg) = @_;
    my $self
        = bless { %arg, sent => 0, state => 'connecting', due => 1, began => Time::HiRes::time() },
        $class;
    $self->{op} = eval {
        Net::SMTP::XS->start_session(defined $arg{host} ? $arg{host} : (), %{ $arg{option} });
    };
    $self->{error} = $@ if !$self->{op};
    return $self;
}

sub began         { $_[0]{began} }
sub free_since    { $_[0]{since} }
sub is_free       { $_[0]{state} eq 'free' }
sub is_connecting { $_[0]{state} eq 'connecting' }
sub is_sending    { $_[0]{state} eq 'sending' }
sub is_closed     { $_[0]{state} eq 'closed' }
sub has_more      { $_[0]{sent} < $_[0]{most} }

# --- waiting -----------------------------------------------------------------------

sub is_ready { $_[0]{due} = 1; return }

# 1 when a step may get on: just begun, its descriptor ready, its time over.
sub is_due {
    my ($self, $now) = @_;
    return 1 if $self->{due};
    return defined $self->{until} && $now >= $self->{until};
}

# Seconds, or nothing for no limit.
sub wait {
    my ($self, $now, $idle) = @_;
    return 0 if $self->{due};
    return $self->{since} + $idle - $now if $self->is_free;
    return defined $self->{until} ? $self->{until} - $now : ();
}

# The handle and what to wait for, where there is one.
sub watched {
    my ($self) = @_;
    my $op     = $self->{op} or return;
    my $want   = $op->want;
    return if $want eq 'timer';
    return ($op->handle, $want);
}

# --- going on ----------------------------------------------------------------------

sub step {
    my ($self) = @_;
    $self->{due} = '';
    my $op = $self->{op};
    if ($op && !$op->step) {
        my $seconds = $op->timeout;
        $self->{until} = defined $seconds ? Time::HiRes::time() + $seconds : undef;
        return;
    }
    my $over = "_over_$self->{state}";
    return $self->$over($op);
}

sub _free {
    my ($self) = @_;
    @$self{qw(state since until op)} = ('free', Time::HiRes::time(), undef, undef);
    return;
}

sub _close {
    my ($self) = @_;
    @$self{qw(state until op smtp)} = ('closed');
    return;
}

sub _over_connecting {
    my ($self, $op) = @_;
    my ($smtp, $why);
    $smtp = eval { my $got = $op->result; $why = $@ if !$got; $got } if $op;
    if (!$smtp) {
        $self->_close;
        return [no => $why || $@ || $self->{error}, !$op];
    }
    $self->{smtp} = $smtp;
    $self->_free;
    return ['ready'];
}

sub _over_sending {
    my ($self, $op) = @_;
    my $entry   = delete $self->{entry};
    my $result  = $op && eval { $op->result };
    my $error   = $result ? undef : $@ || $self->{error};
    my $is_open = defined fileno $self->{smtp};
    if    (!$is_open)                        { $self->_close }
    elsif ($result && !$result->is_reusable) { $self->quit }
    else                                     { $self->_free }
    return [sent => $entry, $result, $error];
}

sub _over_quitting {
    my ($self) = @_;
    $self->_close;
    return ['quit'];
}

sub send {
    my ($self, $entry) = @_;
    @$self{qw(state entry due since)} = ('sending', $entry, 1, undef);
    $self->{sent}++;
    $self->{op}    = eval { $self->{smtp}->start_message(%{ $entry->{message} }) };
    $self->{error} = $@ if !$self->{op};
    return;
}

sub quit {
    my ($self) = @_;
    @$self{qw(state due since)} = ('quitting', 1, undef);
    $self->{op} = eval { $self->{smtp}->start_quit };
    return;
}

1;
