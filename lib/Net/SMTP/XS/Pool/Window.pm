package Net::SMTP::XS::Pool::Window;

# How many connections a server gets at once.  It rises by one for about as many
# successes as there are connections, and falls by half when the server refuses
# one or says 421: once for all that were begun before the fall, since they tell of
# the same trouble.  Towards the size at which that was it rises more slowly.  When even one is refused, the next is tried after a pause that
# doubles.
#
#   my $window = Net::SMTP::XS::Pool::Window->new($most);
#   $window->size             connections that may be open, 1 or more
#   $window->pause($now)      seconds until another may be begun, 0: now
#   $window->succeeded
#   $window->failed($now, $began)    of what began then

use 5.014;
use strict;
use warnings;

our $VERSION = '0.01';

use constant {
    FALL          => 0.5,
    CAUTION       => 8,
    FIRST_PAUSE   => 0.25,    # seconds
    LONGEST_PAUSE => 30,
};

sub new {
    my ($class, $most) = @_;
    return bless {
        most  => $most, size => $most, fell => 0, fell_at => $most + 1, pause => 0,
        until => 0
    }, $class;
}

sub size { int $_[0]{size} }

sub pause {
    my ($self, $now) = @_;
    return $self->{until} > $now ? $self->{until} - $now : 0;
}

sub succeeded {
    my ($self) = @_;
    $self->{pause} = $self->{until} = 0;
    my $step = 1 / $self->{size};
    $step /= CAUTION if $self->{size} + 1 > $self->{fell_at};
    $self->{size} += $step;
    $self->{size} = $self->{most} if $self->{size} > $self->{most};
    return;
}

sub failed {
    my ($self, $now, $began) = @_;
    return if $began < $self->{fell};
    @$self{qw(fell fell_at)} = ($now, $self->{size});
    $self->{size}            = $self->{size} * FALL < 1 ? 1                  : $self->{size} * FALL;
    $self->{pause}           = $self->{pause}           ? 2 * $self->{pause} : FIRST_PAUSE;
    $self->{pause}           = LONGEST_PAUSE if $self->{pause} > LONGEST_PAUSE;
    $self->{until}           = $now + $self->{pause};
    return;
}

1;
