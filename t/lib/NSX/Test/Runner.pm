package NSX::Test::Runner;

# Pieces of code in processes of their own, each with a time limit, so that a crash or a
# hang of one is that one's alone.
#
#   my $run = NSX::Test::Runner->start(sub { ... }, limit => SECS, forget => [SERVERS]);
#   my @over = NSX::Test::Runner->over($run, ...);    # waits until at least one is
#   $run->end       '' or how it ended: 'hung, killed', 'killed by signal N',
#                   'ended with status N'
#   $run->took      seconds
#
# The code decides how the process exits. Servers in forget are its parent's: it lets go
# of them.

use strict;
use warnings;

use POSIX ();
use Time::HiRes ();

use constant POLL => 0.01;    # seconds; the end of a process is seen earlier

sub start {
    my ($class, $code, %arg) = @_;
    my $now = Time::HiRes::time();
    my $self = bless { from => $now, until => $now + $arg{limit} }, $class;
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        delete local $SIG{CHLD};
        $_->forget for grep {$_} @{ $arg{forget} || [] };
        $code->();
        POSIX::_exit(0);
    }
    $self->{pid} = $pid;
    return $self;
}

sub over {
    my ($class, @runs) = @_;
    local $SIG{CHLD} = sub { };
    while (1) {
        my @over = grep { $_->_is_over } @runs;
        return @over if @over;
        Time::HiRes::sleep(POLL);
    }
}

sub _is_over {
    my $self = shift;
    return 1 if defined $self->{end};
    if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
        my ($signal, $status) = ($? & 127, $? >> 8);
        $self->{end} =
              $self->{hung} ? 'hung, killed'
            : $signal       ? "killed by signal $signal"
            : $status       ? "ended with status $status"
            :                 '';
        $self->{took} = Time::HiRes::time() - $self->{from};
        return 1;
    }
    kill 'KILL', $self->{pid} if Time::HiRes::time() > $self->{until} && !$self->{hung}++;
    return 0;
}

sub end  { $_[0]{end} }
sub took { $_[0]{took} }

1;
