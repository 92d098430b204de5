package Net::SMTP::XS::SASL;

# The AUTH command (RFC 4954): which mechanism, and the exchange.  What the
# mechanisms say is in C.
#
# Secrets are handed on by reference or by alias, never copied: a copy in a
# Perl variable could not be wiped.

use 5.014;
use strict;
use warnings;

use Carp ();
use Net::SMTP::XS::Cmd;
use Net::SMTP::XS::OpenSSL;

our $VERSION = '0.01';

use constant {
    LINE_LIMIT => 12_288,    # octets of an AUTH line with its end (RFC 4954 4)
    MOST_STEPS => 16,        # challenges in one exchange
};

# Statuses of what never came to a reply of the server.
use constant {
    NO_MECHANISM => 504,
    NEEDS_TLS    => 538,
    CANCELLED    => 501,
};

# Verdicts on an attempt.
use constant {
    DONE    => 'done',
    REFUSED => 'refused',    # by the server; another mechanism may do
    UNFIT   => 'unfit',      # nothing was sent: the credentials do not suit
    OVER    => 'over',
};

use constant WRONG_CREDENTIALS => 535;

# The server does not take this mechanism, or not with these credentials.
my %refusal = map { $_ => 1 } 504, 534, WRONG_CREDENTIALS, 538;

# Names of options in the caller's list.
my %known_option = map { $_ => 1 } qw(mechanism authzid token realm host
    min_iterations);

# Channel bindings, the better first (RFC 9266, RFC 5929).
my @binding_types = qw(tls-exporter tls-server-end-point);

# SCRAM's words for a wrong name or password: another channel binding would
# meet with the same answer.
my $wrong_credentials = qr/\A(?:invalid-proof|unknown-user|invalid-username-encoding)\b/;

# The server sees another TLS connection than we do.  Whoever is in between is
# not given the password by a weaker mechanism.
my $somebody_between = qr/\Achannel-bindings-dont-match\b/;

BEGIN {
    no strict 'refs';
    *$_ = \&{"Net::SMTP::XS::OpenSSL::$_"} for qw(_wipe _is_tls _channel_binding
        _auth_offered _auth_secrecy _auth_named _auth_choose _auth_binds
        _auth_begin _auth_first _auth_next _auth_done _auth_error _auth_reason);
}

sub auth {
    my ($self, $user) = @_;
    my $password = @_ > 2 ? \$_[2] : \undef;
    my %option   = _options(\@_);
    @_ = ();    # or a stack trace would show them

    my $offered = $self->supports('AUTH', 500, ["Command unknown: 'AUTH'"]);
    return if !defined $offered;
    return _with_object($self, $user, $offered)
        if ref $user && UNIVERSAL::isa($user, 'Authen::SASL');

    my $named = _mechanisms($option{mechanism});
    Carp::croak('auth(username, password)')
        if !(defined $user && length $user) && !defined $named;
    my %config = (
        (defined $user && length $user ? (user => $user) : ()),
        password => _password($user, $password, $option{token}),
        service  => 'smtp',
        min_iterations => _least($option{min_iterations}),
        host     => _host($self),
        port     => _port($self),
        map { $_ => $option{$_} } grep { exists $option{$_} } qw(authzid token realm host),
    );
    return _with_credentials($self, _choice($self, $offered, $named, \%config), \%config);
}

# --- arguments -----------------------------------------------------------------

# The options after the password, as references to the caller's own scalars.
sub _options {
    my ($args) = @_;
    return if @$args <= 3;
    Carp::croak('auth: options come in pairs of name and value') if @$args % 2 == 0;
    my %option;
    for (my $i = 3; $i < @$args; $i += 2) {
        my $name = $args->[$i];
        Carp::croak('auth: unknown option "' . (defined $name ? $name : '') . '"')
            if !defined $name || !$known_option{$name};
        $option{$name} = \$args->[ $i + 1 ] if defined $args->[ $i + 1 ];
    }
    return %option;
}

sub _words {
    my ($list) = @_;
    return grep {length} split /[\s,]+/, $list;
}

sub _mechanisms {
    my ($option) = @_;
    return if !$option;
    my @names = map { _words($_) } ref $$option eq 'ARRAY' ? @{$$option} : $$option;
    Carp::croak('auth: no mechanism named') if !@names;
    for my $name (@names) {
        Carp::croak(qq{auth: unknown mechanism "$name"}) if !_auth_named($name);
    }
    return join ' ', @names;
}

# A missing password is an empty one, unless there is something in its place.
sub _password {
    my ($user, $password, $token) = @_;
    return $password if defined $$password;
    return $token || !(defined $user && length $user) ? undef : \'';
}

# 0 is the engine's own.
sub _least {
    my ($option) = @_;
    return 0 if !$option;
    return $$option if $$option =~ /\A[1-9][0-9]{0,8}\z/;
    Carp::croak('auth: min_iterations is not a positive number');
}

# The server's name without the port.
sub _host {
    my ($self) = @_;
    my $host = $self->host;
    return undef if !defined $host;
    return $1 if $host =~ /\A\[([^\]]+)\](?::\S+)?\z/;
    $host =~ s/:[^:]*\z// if ($host =~ tr/://) == 1;
    return $host;
}

sub _port {
    my ($self) = @_;
    local $@;
    return scalar eval { $self->peerport };
}

# --- the mechanism ----------------------------------------------------------------

# Through a handle of IO::Socket::SSL the octets are encrypted as well.
sub _encrypted {
    my ($self) = @_;
    return 1 if _is_tls($self);
    my $tie = tied *$self;
    return $tie && ref($tie) =~ /\AIO::Socket::SSL\b/ ? 1 : 0;
}

sub _cleartext_forbidden {
    my ($self) = @_;
    my $arg = ${*$self}{net_smtp_arg};
    return ref $arg eq 'HASH' && $arg->{AuthRequiresTLS} && !_encrypted($self);
}

sub _bindings {
    my ($self) = @_;
    return if !_is_tls($self);
    return grep { defined $_->[1] } map { [$_ => _channel_binding($self, $_)] } @binding_types;
}

# What _auth_choose is asked, and what it is not: bindings, forced.
sub _choice {
    my ($self, $offered, $named, $config) = @_;
    my $own      = _auth_offered($self);
    my @bindings = _bindings($self);
    $config->{server_binds} = $own eq '' || _auth_binds($own);
    return {
        offered   => $offered,
        allowed   => $named,
        password  => defined $config->{password},
        token     => defined $config->{token},
        tls       => _encrypted($self),
        binding   => scalar @bindings,
        cleartext => !_cleartext_forbidden($self),
        refused   => 0,
        unfit     => 0,
        bindings  => \@bindings,
        forced    => !defined $named && $offered ne $own,
    };
}

# A script that wrote the list itself named what is in it.
sub _choose {
    my ($choice) = @_;
    my $mechanism = _auth_choose($choice);
    return $mechanism if $mechanism || !$choice->{forced};
    return _auth_choose({ %$choice, allowed => $choice->{offered} });
}

sub _with_credentials {
    my ($self, $choice, $config) = @_;
    my ($asked, $unfit);

    while (my $mechanism = _choose($choice)) {
        my ($verdict, $why) = _attempt($self, $mechanism, $choice->{bindings}, $config);
        return !!1 if $verdict eq DONE;
        return !!0 if $verdict eq OVER;
        $choice->{ $verdict eq UNFIT ? 'unfit' : 'refused' } |= $mechanism->{bit};
        if ($verdict eq UNFIT) { $unfit = $why; next }
        $asked = 1;
        # The password may be wrong: it is not sent in the clear after that.
        $choice->{cleartext} = 0 if $self->code == WRONG_CREDENTIALS;
    }
    return !!0 if $asked;
    $self->set_status(
          _choose({ %$choice, cleartext => 1 }) ? _tls_needed()
        : defined $unfit                        ? (CANCELLED, [$unfit])
        :              _nothing_fits(@$choice{qw(offered allowed)}));
    return;
}

# Why the server was not asked, as a status.
sub _tls_needed {
    return (NEEDS_TLS, ['Encryption required: AuthRequiresTLS forbids to send a'
                . ' password in the clear']);
}

sub _nothing_fits {
    my ($offered, $wanted) = @_;
    return (NO_MECHANISM, ["No authentication mechanism fits: the server offers"
                . " '$offered'" . (defined $wanted ? ", wanted is '$wanted'" : '')]);
}

# One mechanism: its verdict and, where nothing was sent, the reason.  One that
# binds the channel is tried with each binding there is.
sub _attempt {
    my ($self, $mechanism, $bindings, $config) = @_;
    my ($verdict, $why, $reason);

    for my $binding ($mechanism->{binding} ? @$bindings : $bindings->[0]) {
        my %with = %$config;
        @with{qw(binding_type binding_data)} = @$binding if $binding;
        # As the core module has it: the one who logs in, twice.
        $with{authzid} = $with{user}
            if $mechanism->{name} eq 'PLAIN' && !exists $with{authzid};
        ($verdict, $why, $reason) = _exchange($self, $mechanism, \%with);
        last if $verdict ne REFUSED || $reason =~ $wrong_credentials;
    }
    $verdict = OVER if $reason =~ $somebody_between;
    return ($verdict, $why);
}

sub _begin {
    my ($self, $mechanism, $with) = @_;
    my $token = $with->{token};

    return _auth_begin($mechanism->{name}, $with)
        if !$mechanism->{token} || ref $$token ne 'CODE';
    my $value    = $$token->($self, $mechanism->{name});
    my $exchange = _auth_begin($mechanism->{name}, { %$with, token => \$value });
    _wipe($value);
    return $exchange;
}

# --- the exchange ------------------------------------------------------------------

# With a mechanism of ours: verdict, the reason of UNFIT, the server's reason.
sub _exchange {
    my ($self, $mechanism, $with) = @_;
    my $exchange = _begin($self, $mechanism, $with);
    my $talk     = Net::SMTP::XS::SASL::Talk->new(
        name    => $mechanism->{name},
        next    => sub { _auth_next($exchange, $_[1]) },
        believe => sub { _auth_done($exchange) },
        error   => sub { _auth_error($exchange) },
    );
    $talk->{line} = _auth_first($exchange);
    return (UNFIT, _auth_error($exchange), '') if !defined $talk->{line};

    my $verdict = _converse($self, $talk);
    my $reason  = _auth_reason($exchange);
    $self->set_status($self->code, [$self->message, "$mechanism->{name}: $reason\n"])
        if $reason ne '' && $verdict ne DONE;
    return ($verdict, undef, $reason);
}

# AUTH and what follows, to the server's last reply.  An exception on the way
# (from a signal handler, say) leaves the server in mid-exchange, where it would
# take the next command for an answer: the talk then closes the session.
sub _converse {
    my ($self, $talk) = @_;
    $talk->{smtp} = $self;
    my $verdict = _to_the_end($self, $talk);
    delete $talk->{smtp};
    return $verdict;
}

# Of a talk: name, line (to be sent next; "" with AUTH is none), next (the line
# that answers a challenge, or undef), believe (the server's success), error.
# Lines go from the talk to command with no Perl function between: a stack trace
# would show them.
sub _to_the_end {
    my ($self, $talk) = @_;
    my $secrecy = _auth_secrecy($self);
    my $held    = length("AUTH $talk->{name} \r\n") + length $talk->{line} > LINE_LIMIT;
    my $steps   = 0;

    my $class = $self->command('AUTH', $talk->{name},
        $held || $talk->{line} eq '' ? () : $talk->{line})->response || 0;
    while ($class == CMD_MORE) {
        my $challenge = _challenge($self);
        if    (!$held)           { _answer($self, $talk, $challenge, ++$steps) }
        elsif ($challenge ne '') { _lose($talk, 'unexpected challenge') }
        $held = 0;
        return _cancel($self, $talk) if !defined $talk->{line};
        $class = $self->command($talk->{line})->response || 0;
    }
    _wipe($talk->{line});
    return $refusal{ $self->code } ? REFUSED : OVER if $class != CMD_OK;
    return DONE if $talk->{believe}->();
    _give_up($self, $talk);
    return OVER;
}

sub _challenge {
    my ($self) = @_;
    my ($text) = $self->message;
    $text = '' if !defined $text;
    $text =~ s/\A\s+|\s+\z//g;
    return $text;
}

# Puts the answer to a challenge into the talk, undef when there is none.
sub _answer {
    my ($self, $talk, $challenge, $steps) = @_;
    _wipe($talk->{line});
    return _lose($talk, 'the server asks without end') if $steps > MOST_STEPS;
    _show_decoded($self, 0, $challenge);
    $talk->{line} = $talk->{next}->($talk, $challenge);
    _show_decoded($self, 1, $talk->{line}) if defined $talk->{line};
}

sub _lose {
    my ($talk, $why) = @_;
    _wipe($talk->{line});
    $talk->{line} = undef;
    $talk->{why}  = "$talk->{name}: $why";
    return undef;
}

# As the core module does, but only where secrets are to be shown.
sub _show_decoded {
    my ($self, $out) = @_;
    return if !${*$self}{net_smtp_debug_secrets} || !$self->debug;
    require MIME::Base64;
    $self->debug_print($out, '(decoded) ' . MIME::Base64::decode_base64($_[2]) . "\n");
}

# The client ends the exchange (RFC 4954 4).  A server that takes that for
# anything but a refusal is out of step.
sub _cancel {
    my ($self, $talk) = @_;
    my $why   = defined $talk->{why} ? $talk->{why} : $talk->{error}->();
    my $class = $self->command('*')->response || 0;

    $self->close if $class != CMD_REJECT && $class != CMD_ERROR;
    $self->set_status(CANCELLED, [$why]);
    return OVER;
}

# A server whose success is not to be believed is not the one it should be.
sub _give_up {
    my ($self, $talk) = @_;
    $self->close;
    $self->set_status(CANCELLED, [$talk->{error}->()]);
}

# --- an Authen::SASL object -----------------------------------------------------------

# Those that leave the password to whoever reads the wire, or may.
my $keeps_secrets = qr/\A(?:SCRAM-.*|CRAM-MD5|DIGEST-MD5|GSSAPI|GSS-SPNEGO
    |GS2-.*|KERBEROS_V[45]|NTLM|SRP|OTP|EXTERNAL|ANONYMOUS)\z/xi;

my $base64 = qr{\A(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\z};

# The server's mechanisms that the caller wants, where there is such a list, in
# its order.
sub _candidates {
    my ($wanted, $offered) = @_;
    my @names = _words($offered);

    return \@names if !defined $wanted || $wanted eq '';
    my %offered = map { uc() => $_ } @names;
    return [grep {defined} map { $offered{ uc() } } split /[^-\w]+/, $wanted];
}

sub _with_object {
    my ($self, $sasl, $offered) = @_;
    my $wanted = $sasl->mechanism;
    my $names  = _candidates($wanted, $offered);

    $names = [grep {/$keeps_secrets/} @$names] if _cleartext_forbidden($self);
    require MIME::Base64;
    my ($client, $first, $why) = _start_client($self, $sasl, $names);
    $sasl->mechanism($wanted) if defined $wanted && $wanted ne '';
    return _converse($self, _talk_of($client, $first)) eq DONE if $client;
    $self->set_status(
          defined $why                                      ? (CANCELLED, [$why])
        : @$names < @{ _candidates($wanted, $offered) }     ? _tls_needed()
        :                                 _nothing_fits($offered, $wanted));
    return;
}

# The client of the first mechanism that can begin, and what it says; else
# nothing but the last reason.
sub _start_client {
    my ($self, $sasl, $names) = @_;
    my ($why, @left) = (undef, @$names);

    while (@left) {
        $sasl->mechanism("@left");
        my $client = do {
            local ($@, $SIG{__DIE__});
            eval { $sasl->client_new('smtp', ${*$self}{net_smtp_host}, 0) };
        } or last;
        my $first  = $client->client_start;
        my $failed = $client->mechanism;
        return ($client, $first) if defined $first && defined $failed;
        last if !defined $failed;
        $why = $client->error;
        $why = defined $why ? "$failed: $why" : "$failed cannot be used";
        my $before = @left;
        @left = grep { uc($_) ne uc($failed) } @left;
        last if @left == $before;
    }
    return (undef, undef, $why);
}

sub _talk_of {
    my ($client, $first) = @_;
    my $talk = Net::SMTP::XS::SASL::Talk->new(
        name    => $client->mechanism,
        next    => sub { _step_client($client, @_) },
        believe => sub {1},
    );
    $talk->{line} = length $first ? MIME::Base64::encode_base64($first, '') : '';
    return $talk;
}

sub _step_client {
    my ($client, $talk, $challenge) = @_;
    return _lose($talk, "the server's challenge is not base64") if $challenge !~ $base64;
    my $answer = $client->client_step(MIME::Base64::decode_base64($challenge));
    return MIME::Base64::encode_base64($answer, '') if defined $answer;
    # No answer and no error is an empty answer: GSSAPI's last token.
    my $why = $client->error;
    return defined $why && length $why ? _lose($talk, $why) : '';
}

# A talk wipes the line it was about to send, however it ends, and closes the
# session when it does not come to its end.
package Net::SMTP::XS::SASL::Talk;

sub new {
    my ($class, %talk) = @_;
    return bless \%talk, $class;
}

sub DESTROY {
    my ($self) = @_;
    Net::SMTP::XS::OpenSSL::_wipe($self->{line});
    return if !$self->{smtp} || ${^GLOBAL_PHASE} eq 'DESTRUCT';
    local ($@, $!, $?);
    eval { $self->{smtp}->close };
}

1;
