package Net::SMTP::XS::AnyEvent;

# Sessions for programs with AnyEvent: condition variables.

use 5.014;
use strict;
use warnings;

use AnyEvent ();
use Net::SMTP::XS::Operation::Loop;

our @ISA = ('Net::SMTP::XS::Operation::Loop');

sub _default_loop { 'AnyEvent' }

sub _promise {
    my $cv = AnyEvent->condvar;
    return ($cv, sub { $cv->send(@_) }, sub { $cv->croak(@_) });
}

sub _io {
    my ($self, $handle, $read, $write, $code) = @_;
    my @watcher = map { AnyEvent->io(fh => $handle, poll => $_, cb => $code) } $read ? 'r' : (),
        $write ? 'w' : ();
    return sub { @watcher = () };
}

sub _after {
    my ($self, $seconds, $code) = @_;
    AnyEvent->now_update;
    my $watcher = AnyEvent->timer(after => $seconds, cb => $code);
    return sub { undef $watcher };
}

1;
