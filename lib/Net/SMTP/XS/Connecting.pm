package Net::SMTP::XS::Connecting;

# Connecting without waiting: the addresses one after the other.
#
#   my $c = Net::SMTP::XS::Connecting->new(\%how);
#       type, host, port, timeout; path or handle in place of the host
#   until ($c->turn) { wait for $c->{want} on $c->handle until $c->{until} }
#   my $object = $c->object;    # undef: $c->{why}

use 5.014;
use strict;
use warnings;

use Errno  ();
use Socket qw(SOCK_STREAM SOL_SOCKET SO_ERROR AF_UNIX
    AI_NUMERICHOST);
use Symbol ();
use Net::SMTP::XS::Operation;


use constant TRY_AGAIN_MS => 50;    # when a Unix socket's queue is full

sub new {
    my ($class, $how) = @_;
    my $timeout = $how->{timeout};
    my $self    = bless {%$how}, $class;
    $self->{deadline} = $timeout ? Net::SMTP::XS::Operation::_clock() + 1000 * $timeout : undef;
    $self->{until}    = $self->{deadline};
    $self->{left}     = eval { [_addresses($self)] };
    $self->{why}      = $@ if !$self->{left};
    return $self;
}

# Packed, with their families.
sub _addresses {
    my ($self) = @_;
    return if $self->{handle};
    return [AF_UNIX, Socket::pack_sockaddr_un($self->{path})] if defined $self->{path};
    my ($error, @found) = Socket::getaddrinfo(
        $self->{host} eq 'localhost'        ? '127.0.0.1' : $self->{host},
        $self->{port} =~ /\A\w+\((\d+)\)\z/ ? $1          : $self->{port},
        { socktype => SOCK_STREAM, flags => AI_NUMERICHOST }
    );
    die "$self->{type}: $self->{host}: $error\n" if $error;
    return map { [@$_{qw(family addr)}] } @found;
}

sub turn {
    my ($self) = @_;
    return 1 if defined $self->{object} || defined $self->{why};
    return _share($self) if $self->{handle};
    if (defined $self->{deadline} && Net::SMTP::XS::Operation::_clock() >= $self->{deadline}) {
        $! = Errno::ETIMEDOUT();
        return _failed($self);
    }
    return $self->{socket} ? _look($self) : _attempt($self);
}

sub _failed {
    my ($self) = @_;
    $self->{why} //= "$self->{type}: connect: $!";
    delete $self->{socket};
    return 1;
}

# The next address.
sub _attempt {
    my ($self) = @_;
    my ($family, $address) = @{ $self->{left}[0] };
    my $socket = bless Symbol::gensym(), $self->{type};
    socket $socket, $family, SOCK_STREAM, 0 or return _failed($self);
    IO::Handle::blocking($socket, 0);
    $self->{socket} = $socket;
    return _connected($self) if CORE::connect $socket, $address;
    @$self{qw(want until)} = ('write', $self->{deadline});
    return 0 if $!{EINPROGRESS} || $!{EINTR};

    if ($family == AF_UNIX && $!{EAGAIN}) {
        delete $self->{socket};
        @$self{qw(want until)} = ('timer', Net::SMTP::XS::Operation::_clock() + TRY_AGAIN_MS);
        return 0;
    }
    return _next($self);
}

sub _next {
    my ($self) = @_;
    shift @{ $self->{left} };
    return _failed($self) if !@{ $self->{left} };
    return _attempt($self);
}

sub _look {
    my ($self) = @_;
    my $error  = unpack 'i', getsockopt $self->{socket}, SOL_SOCKET, SO_ERROR;
    if ($error) { $! = $error; return _next($self) }
    return _connected($self) if defined getpeername $self->{socket};
    return 0;
}

sub _connected {
    my ($self) = @_;
    my $socket = delete $self->{socket};
    IO::Handle::blocking($socket, 1);
    return _made($self, $socket);
}

sub _made {
    my ($self, $object) = @_;
    binmode $object;
    $object->timeout($self->{timeout});
    $self->{object} = $object;
    return 1;
}

# The object and the caller's handle stand for one descriptor, which is closed
# with the last of them.
sub _share {
    my ($self) = @_;
    my $object = bless Symbol::gensym(), $self->{type};
    open $object, '+<&=', fileno $self->{handle} or return _failed($self);
    return _made($self, $object);
}

sub handle { $_[0]{socket} }
sub object { $_[0]{object} }

1;
