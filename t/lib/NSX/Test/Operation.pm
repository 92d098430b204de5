package NSX::Test::Operation;

# Operations driven by the plainest loop there is.
#
#   my $result = run_to_end($op);    # dies as result does
#   wait_for($op);                   # between two steps
#
# $steps counts them, $worst is the seconds of the longest. $driver is code that runs
# an operation to its end in another way: an event loop's.

use strict;
use warnings;

use Exporter 'import';
use Time::HiRes ();

our @EXPORT = qw(run_to_end wait_for);

our ($steps, $worst, $driver) = (0, 0);

sub wait_for {
    my ($op, $most) = @_;
    my ($want, $timeout) = ($op->want, $op->timeout);
    $timeout = $most if defined $most && (!defined $timeout || $timeout > $most);
    return select undef, undef, undef, $timeout if $want eq 'timer';
    my ($read, $write) = ('', '');
    my $number = fileno $op->handle;
    return if !defined $number;
    vec($read,  $number, 1) = 1 if $want ne 'write';
    vec($write, $number, 1) = 1 if $want ne 'read';
    return select $read, $write, undef, $timeout;
}

sub step {
    my ($op) = @_;
    my $began = Time::HiRes::time();
    my $over  = $op->step;
    my $took  = Time::HiRes::time() - $began;
    $steps++;
    $worst = $took if $took > $worst;
    return $over;
}

sub run_to_end {
    my ($op) = @_;
    if ($driver) { $driver->($op) }
    else         { wait_for($op) until step($op) }
    return $op->result;
}

1;
