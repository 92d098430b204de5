package Net::SMTP::XS::Connect;

# What new does with the options that Net::SMTP lacks: other ways to a server
# than a host and a port (Path, Handle, Proxy, Resolve), another protocol (LMTP),
# and what follows the greeting (StartTLS, Auth).
#
#   my $plan = Net::SMTP::XS::Connect->new($class, \%arg);   # dies for wrong ones
#   $plan->place                   where to, undef: to the host
#   $plan->connect(\@hosts, \%arg) an object and its host, or nothing with $@ set
#   $plan->log_in($object)         true, or false with $@ set and it closed

use 5.014;
use strict;
use warnings;

use Carp ();
use Net::SMTP::XS::Connecting;

our @CARP_NOT = ('Net::SMTP::XS');

use constant LMTP_PORT => 24;    # never 25 (RFC 2033 5)

# Where proxies listen by default.
my %proxy_port = (socks5 => 1080, http => 80);

sub new {
    my ($class, $type, $host, $arg) = @_;
    my $self = bless { type => $type }, $class;
    my @ways = grep { defined } @$arg{qw(Path Handle)}, $host;

    Carp::croak('Host, Path and Handle: it takes one of them') if @ways > 1;
    @$self{qw(path handle starttls auth resolve)} = @$arg{qw(Path Handle StartTLS Auth Resolve)};
    $self->_check_protocol($arg);
    $self->_check_way($arg);
    $self->_check_handle if defined $self->{handle};
    $self->_check_log_in($arg);
    delete @$arg{qw(Auth Handle Proxy Resolve)};    # the object keeps the rest
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

sub _check_way {
    my ($self, $arg) = @_;
    Carp::croak('Resolve: it takes a code reference')
        if defined $self->{resolve} && ref $self->{resolve} ne 'CODE';
    return if !defined $arg->{Proxy};
    Carp::croak('Proxy leads to a Host, not to a Path or Handle') if defined $self->place;
    $self->{proxy} = _proxy($arg->{Proxy});
    return;
}

# The parts of a proxy's address.  What is wrong is told without showing it: it
# may have a password.
sub _proxy {
    my ($url) = @_;
    my ($kind, $login, $host, $port) = $url =~ m{
        \A (socks5h?|http):// (?: ([^/?\#]*) @ )?
        ( \[ [0-9A-Fa-f:.]+ \] | [A-Za-z0-9._-]+ ) (?: : ([0-9]{1,5}) )? /? \z
    }xi;
    Carp::croak(q{Proxy: it takes 'socks5://[user:password@]host[:port]' or 'http://...'})
        if !defined $host;
    $kind = lc substr $kind, 0, $kind =~ /\Ahttp/i ? 4 : 6;
    $host =~ tr/[]//d;
    my ($user, $password) = map { _unescaped($_) } split /:/, $login // '', 2;
    my %proxy = (
        kind     => $kind,
        host     => $host,
        port     => $port // $proxy_port{$kind},
        user     => defined $login ? $user // ''     : undef,
        password => defined $login ? $password // '' : undef,
    );
    my $fault = Net::SMTP::XS::Dial::_check_proxy(\%proxy);
    Carp::croak("Proxy: $fault") if defined $fault;
    return \%proxy;
}

# RFC 3986 2.1.
sub _unescaped {
    my ($text) = @_;
    Carp::croak('Proxy: a % in user or password that is not followed by two digits')
        if $text =~ /%(?![0-9A-Fa-f]{2})/;
    Carp::croak('Proxy: wide characters in user or password')
        if !utf8::downgrade($text, 1);
    $text =~ s/%(..)/chr hex $1/ge;
    return $text;
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

# Takes hosts off the list up to the first that takes a connection: the object,
# and that host.
sub connect {
    my ($self, $hosts, $arg) = @_;
    while (@$hosts) {
        my $host = shift @$hosts;
        my $smtp = Net::SMTP::XS::Connecting->to($self->{type}, $self, $host, $arg)->finish;
        return ($smtp, $host) if $smtp;
    }
    return;
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
