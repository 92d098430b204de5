package Net::SMTP::XS::Mojo;

# Sessions for programs with Mojolicious: promises.

use 5.014;
use strict;
use warnings;

use Mojo::IOLoop  ();
use Mojo::Promise ();
use Net::SMTP::XS::Operation::Loop;

our @ISA = ('Net::SMTP::XS::Operation::Loop');

sub _default_loop { Mojo::IOLoop->singleton }

sub _promise {
    my ($self) = @_;
    my $promise = Mojo::Promise->new;
    $promise->ioloop($self->{loop});
    return ($promise, sub { $promise->resolve(@_) }, sub { $promise->reject(@_) });
}

sub _io {
    my ($self, $handle, $read, $write, $code) = @_;
    my $reactor = $self->{loop}->reactor;
    $reactor->io($handle => $code)->watch($handle, $read, $write);
    return sub { $reactor->remove($handle) if defined fileno $handle };
}

sub _after {
    my ($self, $seconds, $code) = @_;
    my $reactor = $self->{loop}->reactor;
    my $id      = $reactor->timer($seconds => $code);
    return sub { $reactor->remove($id) };
}

1;
