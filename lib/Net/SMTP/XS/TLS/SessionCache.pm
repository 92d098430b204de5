package Net::SMTP::XS::TLS::SessionCache;

# TLS sessions of earlier connections, to be resumed by later ones.

use 5.014;
use strict;
use warnings;

use Carp ();

sub new {
    my ($class, $size) = @_;
    my $cache = $size && $size =~ /\A[0-9]+\z/ ? _new($size) : undef;
    Carp::croak('the size of a session cache must be a number above 0') if !$cache;
    return bless $cache, $class;
}

# Forgets the sessions with a key ("host:port"), or all.
sub forget { _forget($_[0], $_[1]) }

1;
