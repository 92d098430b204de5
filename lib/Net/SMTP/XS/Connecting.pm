package Net::SMTP::XS::Connecting;

# A connection being made, without waiting: names, addresses, a proxy.  What it
# does is the engine's (csrc/nsx_dial.h).
#
#   my $c = Net::SMTP::XS::Connecting->to($type, $plan, $host, \%arg);
#   until ($c->turn) { wait for $c->{want} on $c->handle until $c->{until} }
#   my $object = $c->object;    # undef: $c->{why}, and errno in $c->{errno}
#
# {found} may be code that is called when addresses that were asked for arrive
# between two turns: the next one's time has come.
#
# $type is the class of the object, $plan what Net::SMTP::XS::Connect makes of
# the options that it knows (path, handle, proxy, resolve), or undef; %arg are all
# of new.

use 5.014;
use strict;
use warnings;

use Errno        ();
use IO::Handle   ();
use POSIX        ();
use Scalar::Util ();
use Socket       ();
use Symbol       ();
use Net::SMTP::XS;

our $VERSION  = '0.01';
our @CARP_NOT = ('Net::SMTP::XS', 'Net::SMTP::XS::Connect');

# A new thread's copy is an empty scalar.
sub CLONE_SKIP { 1 }

sub to {
    my ($class, $type, $plan, $host, $arg) = @_;
    my ($name,  $port)       = _split($host);
    my ($local, $local_port) = _split($arg->{LocalAddr});
    return $class->new(
        {
            type       => $type,
            host       => $name,
            port       => $port || $arg->{Port} || Net::SMTP::XS::SMTP_PORT(),
            timeout    => $arg->{Timeout},
            family     => $arg->{Domain} || $arg->{Family},
            local_host => $local,
            local_port => $local_port || $arg->{LocalPort},
            map { $_ => $plan && $plan->{$_} } qw(path handle proxy resolve),
        }
    );
}

# As IO::Socket has it, a port behind the host's name counts before Port.
sub _split {
    my ($place) = @_;
    return ($1,     $2) if ($place // '') =~ /\A\[([^\]]*)\](?::([^\s:]*))?\z/;
    return ($1,     $2) if ($place // '') =~ /\A([^\s:]*):([^\s:]*)\z/;
    return ($place, undef);
}

sub new {
    my ($class, $how) = @_;
    my $self = bless { map { $_ => $how->{$_} } qw(type timeout path handle) }, $class;
    return $self if $self->{handle};
    $self->{is_by_proxy} = defined $how->{proxy};
    my $plan = _plan($how);
    my $dial = ref $plan ? Net::SMTP::XS::Dial::_begin($plan) : $plan;
    if (!ref $dial) {
        @$self{qw(why errno)} = ("$self->{type}: $dial", Errno::EINVAL());
        return $self;
    }
    $self->{dial} = $dial;
    _ask($self, $how->{resolve}, $plan->{port}) if $plan->{asks};
    return $self;
}

# --- what the engine is told -------------------------------------------------------

# The engine's plan, or a text that says why there is none.
sub _plan {
    my ($how) = @_;
    my $deadline = $how->{timeout} || 0;
    if (defined $how->{path}) {
        my $address = _unix_address($how->{path});
        return { to => [$address], deadline => $deadline } if defined $address;
        return "$how->{path}: " . do { local $! = Errno::ENAMETOOLONG(); "$!" };
    }
    my $port = _port($how->{port});
    return "no such port: $how->{port}" if !$port;
    my $local = _local($how);
    return $local if !ref $local;
    my %plan = (
        host     => $how->{host},
        port     => $port,
        family   => _family($how->{family}),
        local    => $local,
        deadline => $deadline,
        asks     => !!$how->{resolve},
    );
    return \%plan if !$how->{proxy};
    $plan{proxy} = { %{ $how->{proxy} }, host => $how->{host}, port => $port };
    @plan{qw(host port)} = @{ $how->{proxy} }{qw(host port)};
    return \%plan;
}

# 'name(number)' is the number where the system does not know the name.
sub _port {
    my ($port) = @_;
    my ($name, $number) = $port =~ /\A([^(]*)(?:\((\d+)\))?\z/ or return;
    return $name if $name =~ /\A\d+\z/;
    my $known = (getservbyname $name, 'tcp')[2];
    return defined $known ? $known : $number;
}

sub _family {
    my ($family) = @_;
    return 0 if !$family;
    return $family == Socket::AF_INET() ? 4 : 6;
}

# Nothing for a path that the system would cut off.
sub _unix_address {
    my ($path) = @_;
    local $SIG{__WARN__} = sub { };
    my $address = eval { Socket::pack_sockaddr_un($path) };
    return if !defined $address || Socket::unpack_sockaddr_un($address) ne $path;
    return $address;
}

sub _local {
    my ($how) = @_;
    my ($host, $port) = @$how{qw(local_host local_port)};
    return [] if !defined $host && !$port;
    my ($error, @found) = Socket::getaddrinfo(
        $host,
        $port || 0,
        {
            flags    => Socket::AI_PASSIVE(),
            family   => $how->{family} || 0,
            socktype => Socket::SOCK_STREAM(),
        }
    );
    return "LocalAddr: $error" if $error;
    return [map { $_->{addr} } @found];
}

# --- addresses from the caller's code ---------------------------------------------

sub _ask {
    my ($self, $resolve, $port) = @_;
    my $host = Net::SMTP::XS::Dial::_question($self->{dial});
    Scalar::Util::weaken(my $weak = $self);
    $resolve->($host, $port, sub { _found($weak, $port, @_) if $weak });
    return;
}

# As Socket's getaddrinfo answers: an error, and hashes with addr; or packed
# addresses, or numeric ones.
sub _found {
    my ($self, $port, $error, @found) = @_;
    my $dial = $self->{dial} or return;
    if ($error) { Net::SMTP::XS::Dial::_refuse($dial, "$error") }
    else {
        Net::SMTP::XS::Dial::_answer($dial, map { _packed($_, $port) } @found);
    }
    $self->{until} = 0;
    $self->{found}->() if $self->{found};
    return;
}

sub _packed {
    my ($found, $port) = @_;
    return $found->{addr} if ref $found;
    return $found if $found !~ /\A[0-9A-Fa-f.:]+\z/;
    my ($error, $numeric)
        = Socket::getaddrinfo($found, $port, { flags => Socket::AI_NUMERICHOST() });
    return $error ? () : $numeric->{addr};
}

# --- turns -------------------------------------------------------------------------

sub turn {
    my ($self) = @_;
    return 1 if defined $self->{object} || defined $self->{why};
    return _share($self) if $self->{handle};
    delete $self->{watched};
    my $dial = $self->{dial};
    my ($want, $until) = Net::SMTP::XS::Dial::_turn($dial);
    @$self{qw(want until)} = ($want, $until);
    return 0 if defined $want;
    my $fd = Net::SMTP::XS::Dial::_hand_over($dial);
    return _failed($self) if $fd < 0;
    delete $self->{dial};
    return _adopt($self, $fd);
}

# The step that failed, and why.
sub _failed {
    my ($self) = @_;
    my $dial   = delete $self->{dial};
    my $stage  = Net::SMTP::XS::Dial::_stage($dial);
    my @where
        = defined $self->{path} ? $self->{path}
        : $self->{is_by_proxy}  ? ('proxy', $stage eq 'proxy' ? () : $stage)
        :                         $stage;
    $self->{why}   = join ': ', $self->{type}, @where, Net::SMTP::XS::Dial::_why($dial);
    $self->{errno} = $! + 0;
    return 1;
}

sub _adopt {
    my ($self, $fd) = @_;
    my $object = bless Symbol::gensym(), $self->{type};
    if (!open $object, '+<&=', $fd) {
        my $place = $self->{handle} ? 'Handle' : 'connect';
        @$self{qw(why errno)} = ("$self->{type}: $place: $!", $! + 0);
        POSIX::close($fd) if !$self->{handle};
        return 1;
    }
    binmode $object;
    $object->timeout($self->{timeout});
    $self->{object} = $object;
    return 1;
}

# The object and the caller's handle stand for one descriptor, which is closed
# with the last of them.
sub _share { return _adopt($_[0], fileno $_[0]{handle}) }

# A handle of its own for what is to be waited for, as event loops want it.  It
# is to be held as long as it is watched.
sub handle {
    my ($self) = @_;
    return $self->{object} if $self->{object};
    my $fd = $self->{dial} ? Net::SMTP::XS::Dial::_fd($self->{dial}) : -1;
    return if $fd < 0;
    if (!$self->{watched}) {
        open my $watched, '+<&', $fd or return;    # whichever way it is watched
        $self->{watched} = $watched;
    }
    return $self->{watched};
}

sub object { $_[0]{object} }

# The same, waiting: the object, or undef with $@ and $! set.
sub finish {
    my ($self) = @_;
    until (turn($self)) {
        my $dial = $self->{dial};
        if (defined Net::SMTP::XS::Dial::_question($dial)) {
            Net::SMTP::XS::Dial::_refuse($dial, 'Resolve returned without an answer');
            next;
        }
        Net::SMTP::XS::Dial::_wait($dial);
    }
    return $self->{object} if $self->{object};
    ($@, $!) = @$self{qw(why errno)};
    return;
}

1;
