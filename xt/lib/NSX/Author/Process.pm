package NSX::Author::Process;

# A server that lives no longer than the test that wanted it.
#
#   my $process = NSX::Author::Process->start(\@command, log => $file,
#       own_session => 1,     # for a command that calls setsid itself
#       dir => $directory);   # removed when the test ends without stop
#   $process->alive;    # has it not ended yet?
#   $process->stop;     # TERM, then KILL to its group; returns when it is gone
#
# A keeper process sits between the two and holds one end of a pipe.  However
# the test ends, by exit, die or a signal, the pipe closes and the keeper ends
# the server, so that nothing is left running and nothing needs to be searched.

use strict;
use warnings;

use File::Path qw(remove_tree);
use POSIX qw(WNOHANG _exit);

use constant {
    GRACE_SECONDS => 8,       # between TERM and KILL
    TICK_SECONDS  => 0.05,    # how often the keeper looks at the server
};

sub start {
    my ($class, $command, %option) = @_;
    pipe my $rope_end, my $rope or die "pipe: $!";
    defined(my $keeper = fork) or die "fork: $!";
    if (!$keeper) {
        close $rope;
        keep($rope_end, $command, %option);
    }
    return bless { keeper => $keeper, rope => $rope, owner => $$ }, $class;
}

sub keep {
    my ($rope_end, $command, %option) = @_;
    $SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>>', $option{log} || '/dev/null';
    open STDERR, '>&', \*STDOUT;
    my $server = fork;
    if (defined $server && !$server) {
        setpgrp if !$option{own_session};
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        { no warnings "exec"; exec { $command->[0] } @$command }
        print STDERR "cannot run $command->[0]: $!\n";
        _exit(127);
    }
    until (rope_cut($rope_end)) {
        _exit(0) if waitpid($server, WNOHANG) != 0;
    }
    my $was_told = sysread $rope_end, my $word, 1;
    end_group($server);
    remove_tree($option{dir}) if $option{dir} && !$was_told;
    _exit(0);
}

# True when the other end of the pipe is closed or says stop; takes one tick
# otherwise.
sub rope_cut {
    my ($rope_end) = @_;
    vec(my $ready = '', fileno $rope_end, 1) = 1;
    return select($ready, undef, undef, TICK_SECONDS) > 0;
}

sub end_group {
    my ($server) = @_;
    kill TERM => $server;
    my $ticks = GRACE_SECONDS / TICK_SECONDS;
    while ($ticks-- > 0) {
        last if waitpid($server, WNOHANG) != 0;
        select undef, undef, undef, TICK_SECONDS;
    }
    kill KILL => -$server;
    waitpid $server, 0;
}

sub alive {
    my ($self) = @_;
    return 0 if !$self->{keeper};
    return 1 if waitpid($self->{keeper}, WNOHANG) == 0;
    delete $self->{keeper};
    return 0;
}

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    my $keeper = delete $self->{keeper} or return;
    local ($?, $!);
    local $SIG{PIPE} = 'IGNORE';
    # A keeper started later has a copy of this end, so closing is not enough.
    syswrite $self->{rope}, 'x';
    waitpid $keeper, 0;
}

sub DESTROY { $_[0]->stop }

1;
