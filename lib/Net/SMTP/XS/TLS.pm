package Net::SMTP::XS::TLS;

# TLS for Net::SMTP::XS: starttls, SSL => 1, and the methods an object with
# TLS has.  What IO::Socket::SSL's users know keeps its name and meaning.

use 5.014;
use strict;
use warnings;

use Carp  ();
use Errno ();
use mro   ();
use Net::SMTP::XS::OpenSSL;
use Net::SMTP::XS::TLS::Certificate;
use Net::SMTP::XS::TLS::Context;
use Net::SMTP::XS::TLS::Handle;
use Net::SMTP::XS::TLS::SessionCache;
use Scalar::Util ();

our @CARP_NOT = qw(Net::SMTP::XS Net::SMTP::XS::TLS::Context);

# What _start answers is enum nsx_tls_started (STARTED, FAILED, TIMED_OUT, CLOSED; in
# steps also WANT_READ, WANT_WRITE, GO_ON), whose constants the shared object makes.

# --- errors ------------------------------------------------------------------

# Notes the reason everywhere it is looked for.
sub _note {
    my ($smtp, $why) = @_;
    no warnings 'once';
    my $error = Scalar::Util::dualvar(-1, $why);
    $IO::Socket::SSL::SSL_ERROR = $error;
    ${*$smtp}{net_smtp_tls_error} = $error if ref $smtp;
}

sub _failed {
    my ($smtp, $why) = @_;
    _note($smtp, $why);
    $@ = $why;
    return;
}

sub errstr {
    my ($self) = @_;
    no warnings 'once';
    my $error = ref $self && ${*$self}{net_smtp_tls_error};
    return $error || $IO::Socket::SSL::SSL_ERROR || '';
}

# --- starting ------------------------------------------------------------------

# The name of "host", "host:port", "[address]:port" or a plain IPv6 address.
sub _bare_name {
    my ($host) = @_;
    return $1 if $host =~ /\A\[([^\]]*)\](?::[\w()]+)?\z/;
    $host =~ s/:[\w()]+\z// if $host !~ /:.*:/;
    return $host;
}

# Whom the connection is with, by the options and the object.
sub _target {
    my ($smtp, $context, $arg) = @_;
    my $name   = _bare_name($arg->{SSL_verifycn_name} || $smtp->host // $smtp->peerhost // '');
    my $sni    = $arg->{SSL_hostname} // $name;
    my $verify = $name;

    $verify =~ s/%.*//s if $verify =~ /:/;    # an address may have a zone
    if ($verify eq '' && !$context->names_nobody) {
        return _failed($smtp, 'Cannot determine peer hostname for verification');
    }
    my $key = $arg->{SSL_session_key} // join ':', $name, $smtp->peerport // '';
    return {
        sni     => length $sni    ? "$sni"  : undef,
        verify  => length $verify ? $verify : undef,
        key     => $key,
        trap    => $arg->{SSL_error_trap},
        context => $context,
    };
}

# Judges the options before anything is sent.  Dies for those that are wrong in
# themselves, returns false for those that do not work here.
sub _context {
    my ($smtp, %option) = @_;
    my $arg     = { Net::SMTP::XS::TLS::Context::options(%option) };
    my $context = Net::SMTP::XS::TLS::Context->from_options($arg)
        or return _failed($smtp, $@);
    return ($context, $arg);
}

# What arrived in the clear must not be taken for the server's word under TLS
# (RFC 3207 6); the octets of the engine's own buffer are looked at there.
sub _has_leftovers {
    my ($smtp) = @_;
    return @{ ${*$smtp}{net_cmd_lines} || [] } > 0;
}

sub _why {
    my ($smtp, $result) = @_;
    my $host = $smtp->host // 'the server';
    return 'SSL connect attempt failed: '
        . (
        $result == TIMED_OUT
        ? "$host did not finish the handshake within the Timeout"
        : 'the connection was closed during the handshake'
        ) if $result != FAILED;
    my $why = _error($smtp) // 'for no known reason';
    return $why =~ /fail|clear|\Q$host\E/ ? $why : "SSL connect attempt failed: $host: $why";
}

# The connection ends with the attempt: nothing may follow in the clear.
sub _give_up {
    my ($smtp, $target, $result) = @_;
    my $why = _why($smtp, $result);

    _note($smtp, $why);
    my $trapped = !$target->{trap}
        || eval { $target->{trap}->($smtp, "$why\n"); 1 };
    my $trap_died = $@;
    _fail($smtp) if $result == FAILED;
    $smtp->close if defined fileno $smtp;
    $! = Errno::ETIMEDOUT() if $result == TIMED_OUT;
    die $trap_died if !$trapped;
    return _failed($smtp, $why);
}

# What _start and _begin take after the object.
sub _terms {
    my ($target) = @_;
    my $context = $target->{context};
    return (
        $context->config, @{$target}{qw(sni verify key)},
        scalar $context->judge($target->{verify})
    );
}

sub _forget_error {
    my ($smtp) = @_;
    no warnings 'once';
    $IO::Socket::SSL::SSL_ERROR = undef;
    delete ${*$smtp}{net_smtp_tls_error};
    return;
}

# Closes the object when the code dies.
sub _or_close {
    my ($smtp, $code) = @_;
    my @got;
    return @got if eval { @got = $code->(); 1 };
    my $reason = $@;
    $smtp->close;
    die $reason;
}

sub _handshake {
    my ($smtp, $target) = @_;
    _forget_error($smtp);
    my ($result) = _or_close($smtp, sub { _start($smtp, _terms($target)) });
    return _ended($smtp, $target, $result);
}

# The handshake is over, either way.
sub _ended {
    my ($smtp, $target, $result) = @_;
    return _give_up($smtp, $target, $result) if $result != STARTED;

    ${*$smtp}{net_smtp_tls_context} = $target->{context};
    tie *$smtp, 'Net::SMTP::XS::TLS::Handle', $smtp;
    return $smtp;
}

# In steps: (what to wait for, until when), or nothing when it is over.  Then
# $target->{started} is true, or $@ says why not.
sub step_handshake {
    my ($smtp,   $target) = @_;
    my ($result, $until)  = _or_close(
        $smtp,
        sub {
            _forget_error($smtp) if !$target->{handshake};
            $target->{handshake} //= _begin($smtp, _terms($target));
            return $target->{handshake} ? _go_on($smtp, $target->{handshake}) : FAILED;
        }
    );
    return ('read',  $until) if $result == WANT_READ;
    return ('write', $until) if $result == WANT_WRITE;
    return ('timer', 0) if $result == GO_ON;
    delete $target->{handshake};
    $target->{started} = _ended($smtp, $target, $result);
    return;
}

# As IO::Socket::SSL's, for an object of Net::SMTP::XS; only SSL_* options
# count.  The object keeps its class.
sub start_SSL {
    my ($class, $smtp, @option) = @_;
    _refuse_second($smtp) or return;
    my ($context, $arg) = _context($smtp, @option) or return;
    my $target = _target($smtp, $context, $arg) or return;
    return _handshake($smtp, $target);
}

sub _refuse_second {
    my ($smtp) = @_;
    Carp::croak('SMTP connection is already in SSL mode')
        if Net::SMTP::XS::OpenSSL::_is_tls($smtp)
        || ref tied *$smtp eq 'IO::Socket::SSL::SSL_HANDLE';
    return !tied *$smtp
        || _failed($smtp, 'TLS needs a handle that is not tied');
}

sub starttls {
    my ($smtp, @option) = @_;
    _refuse_second($smtp) or return;
    my ($context, $arg) = _context($smtp, %{ ${*$smtp}{net_smtp_arg} || {} }, @option)
        or return;
    my $target = _target($smtp, $context, $arg) or return;

    $smtp->_STARTTLS or return;
    if (_has_leftovers($smtp)) {
        my $why = 'data in the clear where TLS was to begin';
        $smtp->close;
        $smtp->set_status(Net::SMTP::XS::Cmd::DEF_REPLY_CODE(), $why);
        return _failed($smtp, $why);
    }
    _handshake($smtp, $target) or return;
    delete ${*$smtp}{net_smtp_esmtp};
    return $smtp->hello(${*$smtp}{net_smtp_hello_domain});
}

# For new: SSL => 1.  The context comes before the connection.
sub context_for_new { return _context(@_) }

sub start_connected {
    my ($smtp, $context, $arg) = @_;
    my $target = _target($smtp, $context, $arg);
    if (!$target) {
        my $why = $@;
        $smtp->close;
        $@ = $why;
        return;
    }
    return _handshake($smtp, $target);
}

# --- ending --------------------------------------------------------------------

# Takes TLS off the handle; wait: for the server's goodbye too.
sub _take_off {
    my ($smtp, $wait) = @_;
    my $error = _error($smtp);
    _note($smtp, $error) if defined $error;
    _end($smtp, $wait);
    my $tied = tied *$smtp;
    no warnings 'untie';
    untie *$smtp
        if ref $tied
        && Scalar::Util::blessed($tied)
        && $tied->isa('Net::SMTP::XS::TLS::Handle');
}

sub _closing { _take_off($_[0], 0) }

sub stop_SSL {
    my ($smtp, @option) = @_;
    my %option = @option == 1 && ref $option[0] ? %{ $option[0] } : @option;
    return 1 if !Net::SMTP::XS::OpenSSL::_is_tls($smtp);
    my $fast = $option{SSL_fast_shutdown} || $option{SSL_no_shutdown};
    _take_off($smtp, $fast ? 0 : 1);
    delete ${*$smtp}{net_smtp_tls_context};
    return 1;
}

# --- what the object knows ---------------------------------------------------

# 1 on an object with TLS; else the reason is noted.
sub _live {
    my ($self) = @_;
    return 1 if ref $self && Net::SMTP::XS::OpenSSL::_is_tls($self);
    _note(ref $self ? $self : undef, 'Undefined SSL object');
    return;
}

sub is_SSL { return ref $_[0] && Net::SMTP::XS::OpenSSL::_is_tls($_[0]) ? 1 : undef }

sub get_cipher         { _live($_[0]) ? _cipher($_[0])      : () }
sub get_sslversion     { _live($_[0]) ? _version($_[0])     : () }
sub get_sslversion_int { _live($_[0]) ? _version_int($_[0]) : () }
sub get_servername     { _live($_[0]) ? _servername($_[0])  : () }
sub get_session_reused { _live($_[0]) ? _reused($_[0])      : () }
sub alpn_selected      { _live($_[0]) ? _alpn($_[0])        : () }
sub pending            { _live($_[0]) ? _pending($_[0])     : () }

sub next_proto_negotiated {
    _note(ref $_[0] ? $_[0] : undef, 'NPN is not supported');
    return;
}

sub peer_certificate {
    my ($self, $field) = @_;
    _live($self) or return;
    my ($cert) = _peer_certificate($self);
    if (!$cert) {
        _note($self, 'Could not retrieve peer certificate');
        return;
    }
    return $field ? $cert->field($field, 'peer_certificate') : $cert;
}

sub sock_certificate {
    my ($self, $field) = @_;
    _live($self) or return;
    my ($cert) = _own_certificate($self);
    return if !$cert;
    return $field ? $cert->field($field, 'sock_certificate') : $cert;
}

sub peer_certificates { _live($_[0]) ? _certificates($_[0]) : () }
sub issuer_name       { $_[0]->peer_certificate('issuer') }
sub subject_name      { $_[0]->peer_certificate('subject') }

sub dump_peer_certificate {
    my ($self) = @_;
    my $cert = peer_certificate($self) or return;
    return $cert->dump;
}

sub get_fingerprint_bin {
    my ($self, $digest, $cert, $of_key) = @_;
    $cert   ||= peer_certificate($self) or return;
    $digest ||= 'sha256';
    my $octets = $cert->fingerprint_bin($digest, $of_key ? 1 : 0);
    die "Digest algorithm $digest is not available" if !defined $octets;
    return $octets;
}

sub get_fingerprint {
    my ($self, $digest, $cert, $of_key) = @_;
    my $octets = get_fingerprint_bin($self, $digest, $cert, $of_key);
    return if !defined $octets;
    return ($digest || 'sha256') . '$' . ($of_key ? 'pub$' : '') . unpack 'H*', $octets;
}

sub verify_hostname {
    my ($self, $host, $scheme) = @_;
    my $cert = peer_certificate($self) or return;
    my ($rules, $callback) = Net::SMTP::XS::TLS::Context::rules($scheme || 'default');
    return $callback->($host, $cert->common_name, $cert->alt_names) if $callback;
    return _names_host($cert, $host, $rules);
}

sub ocsp_resolver {
    Carp::croak('ocsp_resolver is not supported by Net::SMTP::XS: '
            . 'SSL_ocsp_mode looks at stapled answers');
}

# A look at what sysread would return.
sub peek {
    my ($self, undef, $len, $offset) = @_;
    _live($self) or return;
    my $more
        = Net::SMTP::XS::TLS::Handle::_buffered($self)
        ? STARTED
        : Net::SMTP::XS::TLS::Handle::_more($self);
    return if $more > Net::SMTP::XS::TLS::Handle::ENDED();
    my $octets = Net::SMTP::XS::TLS::Handle::_take($self, $len, 0);
    $_[1] = ($offset ? substr($_[1], 0, $offset) : '') . $octets;
    return length $octets;
}

sub want_read  { errstr($_[0]) == 2 }
sub want_write { errstr($_[0]) == 3 }

# --- what the class can do ---------------------------------------------------

sub can_client_sni    { 1 }
sub can_server_sni    { '' }
sub can_multi_cert    { 1 }
sub can_npn           { '' }
sub can_alpn          { 1 }
sub can_ecdh          { 'auto' }
sub can_ipv6          { Net::SMTP::XS->can_inet6 || '' }
sub can_ocsp          { 1 }
sub can_ticket_keycb  { '' }
sub can_pha           { 1 }
sub can_partial_chain { 1 }

# --- the way here --------------------------------------------------------------

# The method of another class of the object's, IO::Socket::SSL for one, when
# the object has no TLS of ours; else ours.
sub method_for {
    my ($self, $name) = @_;
    my $ours = Net::SMTP::XS::TLS->can($name);

    return $ours if ref $self && Net::SMTP::XS::OpenSSL::_is_tls($self);
    for my $class (@{ mro::get_linear_isa(ref $self || $self) }) {
        next if $class =~ /\ANet::SMTP::XS(?:::InPlace)?\z/;
        no strict 'refs';
        return \&{"${class}::$name"} if defined &{"${class}::$name"};
    }
    return $ours;
}

1;
