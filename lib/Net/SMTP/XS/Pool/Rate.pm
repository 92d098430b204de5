package Net::SMTP::XS::Pool::Rate;

# A limit of messages in time: the generic cell rate algorithm (ITU-T I.371)
# without tolerance.  The next message may go one interval after the one before,
# so that no window of the period, wherever it begins, holds more than the count.
#
#   my $rate = Net::SMTP::XS::Pool::Rate->new('100/s');    # dies for a wrong one
#   $rate->wait($now)     seconds until one may go, 0: now
#   $rate->take($now)     one goes

use 5.014;
use strict;
use warnings;

our $VERSION = '0.01';

my %seconds = (s => 1, m => 60, h => 3600, d => 86400);

sub new {
    my ($class, $text) = @_;
    my ($count, $unit) = $text =~ m{\A(\d+(?:\.\d+)?)(?:/([smhd]))?\z}
        or die qq{"$text": it takes a number of messages and /s, /m, /h or /d\n};
    die qq{"$text": it takes more than none\n} if $count == 0;
    return bless { interval => $seconds{ $unit || 's' } / $count, next => undef }, $class;
}

sub wait {
    my ($self, $now) = @_;
    return 0 if !defined $self->{next} || $self->{next} <= $now;
    return $self->{next} - $now;
}

sub take {
    my ($self, $now) = @_;
    $self->{next} = $now + $self->{interval};
    return;
}

1;
