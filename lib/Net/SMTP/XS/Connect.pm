package Net::SMTP::XS::Connect;

# What new does with the options that Net::SMTP lacks: other ways to a server
# than a host and a port (Path, Handle), another protocol (LMTP), and what
# follows the greeting (StartTLS, Auth).
#
#   my $plan = Net::SMTP::XS::Connect->new($class, \%arg);   # dies for wrong ones
#   $plan->place                   where to, undef: to the host
#   $plan->connect($timeout)       an object, or nothing with $@ set
#   $plan->log_in($object)         true, or false with $@ set and it closed

use 5.014;
use strict;
use warnings;

use Carp        ();
use Errno       ();
use Socket      ();
use Symbol      ();
use Time::HiRes ();

our @CARP_NOT = ('Net::SMTP::XS');

use constant {
    LMTP_PORT => 24,      # never 25 (RFC 2033 5)
    TRY_AGAIN => 0.05,    # seconds, when a Unix socket's queue is full
};

sub new {
    my ($class, $type, $host, $arg) = @_;
    my $self = bless { type => $type }, $class;
    my @ways = grep { defined } @$arg{qw(Path Handle)}, $host;

    Carp::croak('Host, Path and Handle: it takes one of them') if @ways > 1;
    @$self{qw(path handle starttls auth)} = @$arg{qw(Path Handle StartTLS Auth)};
    $self->_check_protocol($arg);
    $self->_check_handle if defined $self->{handle};
    $self->_check_log_in($arg);
    delete @$arg{qw(Auth Handle)};    # the object keeps the rest
    return $self;
}

sub _check_protocol {
    my ($self, $arg) = @_;
    my $protocol = defined $arg->{Protocol} ? $arg->{Protocol} : 'smtp';
    Carp::croak(qq{Protocol => "$protocol": it takes 'smtp' or 'lmtp'})
        if $protocol !~ /\A[sl]mtp\z/;
    return if $protocol eq 'smtp';
    $self->{lmtp} = 1;
    $arg->{Port} ||= LMTP_PORT;
    return;
}

sub _check_handle {
    my ($self)   = @_;
    my $fh       = $self->{handle};
    my $is_plain = eval { !tied *$fh && defined fileno $fh && -S $fh };
    Carp::croak('Handle: it takes a connected socket that is not tied') if !$is_plain;
    return;
}

sub _check_log_in {
    my ($self, $arg)  = @_;
    my ($how,  $auth) = @$self{qw(starttls auth)};
    Carp::croak(qq{StartTLS => "$how": it takes 'auto' or 'required'})
        if $how && $how !~ /\A(?:auto|required)\z/;
    Carp::croak('StartTLS and SSL: it takes one of them') if $how && $arg->{SSL};
    Carp::croak('Auth: it takes [$user, $password, %options] or a SASL object')
        if defined $auth && !ref $auth;
    Carp::croak('StartTLS and Auth need the greeting that SendHello forbids')
        if ($how || $auth) && exists $arg->{SendHello} && !$arg->{SendHello};
    return;
}

sub place {
    my ($self) = @_;
    return defined $self->{path} ? $self->{path} : $self->{handle} ? 'the handle' : undef;
}

# --- connecting ------------------------------------------------------------------

sub connect {
    my ($self, $timeout) = @_;
    my $smtp = bless Symbol::gensym(), $self->{type};
    my $ok
        = $self->{handle} ? _share($smtp, $self->{handle}) : _unix($smtp, $self->{path}, $timeout);
    if (!$ok) {
        $@ = "$self->{type}: " . $self->place . ": $!";
        return;
    }
    binmode $smtp;
    $smtp->timeout($timeout);
    return $smtp;
}

# The object and the caller's handle stand for one descriptor, which is closed
# with the last of them.
sub _share {
    my ($smtp, $fh) = @_;
    return open $smtp, '+<&=', fileno $fh;
}

# Nothing for a path that the system would cut off.
sub _unix_address {
    my ($path) = @_;
    local $SIG{__WARN__} = sub { };
    my $address = eval { Socket::pack_sockaddr_un($path) };
    return if !defined $address || Socket::unpack_sockaddr_un($address) ne $path;
    return $address;
}

# A full queue refuses at once; there is nothing to wait for but time.
sub _unix {
    my ($smtp, $path, $timeout) = @_;
    my $until = $timeout && Time::HiRes::time() + $timeout;

    socket $smtp, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or return 0;
    my $address = _unix_address($path);
    if (!defined $address) { $! = Errno::ENAMETOOLONG(); return 0 }
    IO::Handle::blocking($smtp, 0);
    until (CORE::connect($smtp, $address)) {
        next if $!{EINTR};
        return 0 if !$!{EAGAIN};
        if ($until && Time::HiRes::time() >= $until) { $! = Errno::ETIMEDOUT(); return 0 }
        select undef, undef, undef, TRY_AGAIN;
    }
    IO::Handle::blocking($smtp, 1);
    return 1;
}

# --- after the greeting ------------------------------------------------------------

sub log_in {
    my ($self, $smtp) = @_;
    return _encrypt($self, $smtp) && _authenticate($self, $smtp);
}

sub _failed {
    my ($self, $smtp, $step, $why) = @_;
    $smtp->close if defined fileno $smtp;
    $@ = "$self->{type}: $step: $why";
    return 0;
}

sub _last_reply {
    my ($smtp) = @_;
    my $text   = join ' ', $smtp->code, $smtp->message;
    $text =~ s/\s*\n\s*/ /g;
    $text =~ s/ \z//;
    return $text;
}

# With 'auto' a server that refuses the command is talked to in the clear; a
# handshake that fails ends the session either way.
sub _encrypt {
    my ($self, $smtp) = @_;
    my $how = $self->{starttls} or return 1;
    if (!defined scalar $smtp->supports('STARTTLS')) {
        return $how eq 'auto' || _failed($self, $smtp, 'STARTTLS', 'the server does not offer it');
    }
    return 1 if $smtp->starttls;
    my $is_open = defined fileno $smtp;
    return 1 if $is_open && $how eq 'auto' && $smtp->status =~ /\A[45]/;
    return _failed($self, $smtp, 'STARTTLS', $is_open || !$@ ? _last_reply($smtp) : $@);
}

sub _authenticate {
    my ($self, $smtp) = @_;
    my $auth = delete $self->{auth} or return 1;
    my $ok   = ref $auth eq 'ARRAY' ? $smtp->auth(@$auth) : $smtp->auth($auth);
    return $ok || _failed($self, $smtp, 'AUTH', _last_reply($smtp));
}

1;
