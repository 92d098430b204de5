package Net::SMTP::XS::IOAsync;

# Sessions for programs with IO::Async: futures.

use 5.014;
use strict;
use warnings;

use IO::Async::Loop ();
use Scalar::Util    ();
use Net::SMTP::XS::Operation::Loop;

our @ISA = ('Net::SMTP::XS::Operation::Loop');

sub _default_loop { IO::Async::Loop->new }

# A future that is cancelled cancels what it stands for.
sub _promise {
    my ($self) = @_;
    my $future = $self->{loop}->new_future;
    Scalar::Util::weaken(my $weak = $self);
    $future->on_cancel(sub { $weak->cancel if $weak });
    return (
        $future,
        sub { $future->done(@_) if !$future->is_ready },
        sub { $future->fail($_[0], 'smtp') if !$future->is_ready }
    );
}

# The loop makes what it watches non-blocking, which the object is not.
sub _io {
    my ($self, $handle, $read, $write, $code) = @_;
    my $loop   = $self->{loop};
    my @on     = ($read ? 'on_read_ready' : (), $write ? 'on_write_ready' : ());
    my $blocks = $handle->blocking;
    $loop->watch_io(handle => $handle, map { $_ => $code } @on);
    return sub {
        return if !defined fileno $handle;    # by the program
        $loop->unwatch_io(handle => $handle, map { $_ => 1 } @on);
        $handle->blocking(1) if $blocks;
    };
}

sub _after {
    my ($self, $seconds, $code) = @_;
    my $loop = $self->{loop};
    my $id   = $loop->watch_time(after => $seconds, code => $code);
    return sub { $loop->unwatch_time($id) };
}

1;
