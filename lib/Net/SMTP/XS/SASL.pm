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

# Statuses of what never came to a reply of the server.
use constant {
    NO_MECHANISM => 504,
    NEEDS_TLS    => 538,
    CANCELLED    => 501,
};

# The first option's place among the arguments, and the names of options.
use constant FIRST_OPTION => 3;
my %known_option = map { $_ => 1 } qw(mechanism authzid token realm host
    min_iterations);

# Channel bindings, the better first (RFC 9266, RFC 5929).
my @binding_types = qw(tls-exporter tls-server-end-point);

# SCRAM's reason (RFC 5802 7) for which another binding is worth an attempt, and
# those for which nothing is: a wrong name or password, or the server sees
# another TLS connection than we do.
use constant UNKNOWN_BINDING => 'unsupported-channel-binding-type';
my $hopeless = qr/\A(?:invalid-proof|unknown-user|invalid-username-encoding
    |channel-bindings-dont-match)\b/x;

BEGIN {
    no strict 'refs';
    *$_ = \&{"Net::SMTP::XS::OpenSSL::$_"} for qw(_wipe _is_tls _channel_binding
        _auth_offered _auth_secrecy _auth_named _auth_choose _auth_binds
        _talk_ours _talk_theirs _talk_start _talk_words _talk_reply _talk_work
        _talk_challenge _talk_answer _talk_believe _talk_cancel _talk_outcome
        _talk_why _talk_detail);
}

sub auth {
    my ($self, $user)     = @_;
    my ($password, @more) = map { \$_ } @_[2 .. $#_];
    @_    = ();                  # or a stack trace would show them
    @more = () if @more == 1;    # the core module takes no more
    my %option = _options(@more);

    my $offered = $self->supports('AUTH', 500, ["Command unknown: 'AUTH'"]);
    return if !defined $offered;
    return _with_object($self, $user, $offered)
        if ref $user && UNIVERSAL::isa($user, 'Authen::SASL');

    my $named = _mechanisms($option{mechanism});
    Carp::croak('auth(username, password)')
        if !(defined $user && length $user) && !defined $named;
    my %config = (
        (defined $user && length $user ? (user => \$user) : ()),
        password       => _password($user, $password, $option{token}),
        service        => 'smtp',
        min_iterations => _least($option{min_iterations}),
        host           => _host($self),
        port           => _port($self),
        map { $_ => $option{$_}{value} } grep { $option{$_} } qw(authzid token realm host),
    );
    return _with_credentials($self, _choice($self, $offered, $named, \%config), \%config);
}

# --- arguments -----------------------------------------------------------------

# What is wrong may be a secret in the wrong place, and is not quoted.
sub _wrong {
    my ($place, $text) = @_;
    Carp::croak("auth: argument $place$text");
}

# The options after the password, from references to the caller's own scalars:
# { value => reference, place => number of the argument }.
sub _options {
    my (@more) = @_;
    Carp::croak('auth: options come in pairs of name and value') if @more % 2;
    my %option;
    for (my $place = FIRST_OPTION; my ($name, $value) = splice @more, 0, 2; $place += 2) {
        _wrong($place, ' is no option') if !defined $$name || !$known_option{$$name};
        $option{$$name} = { value => $value, place => $place + 1 } if defined $$value;
    }
    return %option;
}

sub _words {
    my ($list) = @_;
    return grep { length } split /[\s,]+/, $list;
}

sub _mechanisms {
    my ($option) = @_;
    return if !$option;
    my ($value, $place) = (${ $option->{value} }, $option->{place});
    my @names = map { _words($_) } ref $value eq 'ARRAY' ? @$value : $value;
    _wrong($place, ' names no mechanism') if !@names;
    _wrong($place, ' names an unknown mechanism') if grep { !_auth_named($_) } @names;
    return join ' ', @names;
}

# A missing password is an empty one, unless there is something in its place.
sub _password {
    my ($user, $password, $token) = @_;
    return $password if $password && defined $$password;
    return $token || !(defined $user && length $user) ? undef : \'';
}

# 0 is the engine's own.
sub _least {
    my ($option) = @_;
    return 0 if !$option;
    my $least = ${ $option->{value} };
    return $least if $least =~ /\A[1-9][0-9]{0,8}\z/;
    _wrong($option->{place}, ', min_iterations, is not a positive number');
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
        my ($outcome, $why) = _attempt($self, $mechanism, $choice->{bindings}, $config);
        if ($outcome eq 'unfit') {
            $choice->{unfit} |= $mechanism->{bit};
            $unfit = $why;
            next;
        }
        $asked = 1;
        return $outcome eq 'accepted' if $outcome ne 'unsuited';
        $choice->{refused} |= $mechanism->{bit};
    }
    return !!0 if $asked;
    $self->set_status(
          _choose({ %$choice, cleartext => 1 }) ? _tls_needed()
        : defined $unfit                        ? (CANCELLED, [$unfit])
        :                                         _nothing_fits(@$choice{qw(offered allowed)})
    );
    return;
}

# Why the server was not asked, as a status.
sub _tls_needed {
    return (
        NEEDS_TLS,
        ['Encryption required: AuthRequiresTLS forbids to send a' . ' password in the clear']
    );
}

sub _nothing_fits {
    my ($offered, $wanted) = @_;
    return (
        NO_MECHANISM,
        [
                  "No authentication mechanism fits: the server offers"
                . " '$offered'"
                . (defined $wanted ? ", wanted is '$wanted'" : '')
        ]
    );
}

# One mechanism: the outcome and, where nothing was sent, the reason.  One that
# binds the channel is tried with each binding there is, until the server knows it.
sub _attempt {
    my ($self, $mechanism, $bindings, $config) = @_;
    my ($outcome, $why, $detail);

    for my $binding ($mechanism->{binding} ? @$bindings : $bindings->[0]) {
        my %with = %$config;
        @with{qw(binding_type binding_data)} = @$binding if $binding;
        ($outcome, $why, $detail) = _exchange($self, $mechanism, \%with);
        last if $outcome eq 'accepted' || $detail ne UNKNOWN_BINDING;
    }
    $outcome = 'refused' if $outcome eq 'unsuited' && $detail =~ $hopeless;
    return ($outcome, $why);
}

# Outcome, the reason where nothing was sent, the server's own.
sub _exchange {
    my ($self, $mechanism, $with) = @_;
    my $talk    = _begin($self, $mechanism, $with);
    my $outcome = _converse($self, $talk);
    my $detail  = _talk_detail($talk);

    $self->set_status($self->code, [$self->message, "$mechanism->{name}: $detail\n"])
        if $detail ne '' && $outcome =~ /\A(?:unsuited|refused)\z/;
    return ($outcome, _talk_why($talk), $detail);
}

sub _begin {
    my ($self, $mechanism, $with) = @_;
    my %asked = map { $_ => _ask($self, $mechanism, $with->{$_}) }
        grep { _is_function($with->{$_}) } $mechanism->{token} ? qw(user token) : qw(user password);
    my %given = (%$with, %asked);

    # As the core module has it: the one who logs in, twice.
    $given{authzid} = $given{user}
        if $mechanism->{name} eq 'PLAIN' && !exists $given{authzid};
    my $talk = _talk_ours($mechanism->{name}, \%given);
    _wipe($$_) for values %asked;
    return $talk;
}

# What Authen::SASL calls in the place of a value: code, or a list of code and
# its arguments.
sub _is_function {
    my ($value) = @_;
    return $value && ref($$value) =~ /\A(?:CODE|ARRAY)\z/;
}

sub _ask {
    my ($self, $mechanism, $function) = @_;
    my ($code, @args) = ref $$function eq 'ARRAY' ? @$$function : ($$function, $mechanism->{name});
    my $value = $code->($self, @args);
    $value = '' if !defined $value && !$mechanism->{token};
    return \$value;
}

# --- the exchange ------------------------------------------------------------------

# What is done in each step.  Lines go from the talk to command with no Perl
# function between: a stack trace would show them.
my %turn = (
    send      => \&_send,
    work      => \&_work,
    challenge => \&_answer,
    success   => \&_judge,
);

# AUTH and what follows, to the server's last reply.  An exception on the way
# (from a signal handler, say) leaves the server in mid-exchange, where it would
# take the next command for an answer: the guard then closes the session.
sub _converse {
    my ($self, $talk, $client) = @_;
    my $secrecy = _auth_secrecy($self);
    my $guard   = Net::SMTP::XS::SASL::Guard->new($self, $talk);
    my $step    = _talk_start($talk);

    $step = $turn{$step}->($self, $talk, $client) while $step ne 'over';
    my $outcome = _talk_outcome($talk);
    $self->close if $outcome eq 'broken';
    $self->set_status(CANCELLED, [_talk_why($talk)])
        if $outcome eq 'broken' || $outcome eq 'cancelled';
    return $outcome;
}

sub _send {
    my ($self, $talk) = @_;
    my $shown = ${*$self}{net_smtp_debug_secrets} && $self->debug;

    _show_answer($self, _talk_words($talk)) if $shown;
    my $class = $self->command(_talk_words($talk))->response || 0;
    return _talk_reply($talk, $class * 100) if $class == CMD_OK;
    my ($text) = $self->message;
    _show_decoded($self, 0, $text) if $shown && $class == CMD_MORE;
    return _talk_reply($talk, _code_of($self, $class), $text);
}

# What response answers decides, as in the core module.
sub _code_of {
    my ($self, $class) = @_;
    my $code = $self->code;
    return int($code / 100) == $class ? $code : $class * 100;
}

# Signal handlers run as the loop goes round.
sub _work {
    my ($self, $talk) = @_;
    my $seconds = $self->timeout || 0;
    my $step;

    do { $step = _talk_work($talk, $seconds) } while $step eq 'work';
    return $step;
}

# As the core module does, but only where secrets are to be shown.
sub _show_decoded {
    my ($self, $out, $text) = @_;
    require MIME::Base64;
    $self->debug_print($out, '(decoded) ' . MIME::Base64::decode_base64($text) . "\n");
}

sub _show_answer {
    my ($self, @words) = @_;
    _show_decoded($self, 1, @words) if @words == 1 && $words[0] ne '*';
}

# --- an Authen::SASL object -----------------------------------------------------------

# Those that leave the password to whoever reads the wire, or may.
my $keeps_secrets = qr/\A(?:SCRAM-.*|CRAM-MD5|DIGEST-MD5|GSSAPI|GSS-SPNEGO
    |GS2-.*|KERBEROS_V[45]|NTLM|SRP|OTP|EXTERNAL|ANONYMOUS)\z/xi;

# The server's mechanisms that the caller wants, where there is such a list, in
# its order.
sub _candidates {
    my ($wanted, $offered) = @_;
    my @names = _words($offered);

    return \@names if !defined $wanted || $wanted eq '';
    my %offered = map { uc() => $_ } @names;
    return [grep { defined } map { $offered{ uc() } } split /[^-\w]+/, $wanted];
}

sub _with_object {
    my ($self, $sasl, $offered) = @_;
    my $wanted = $sasl->mechanism;
    my $names  = _candidates($wanted, $offered);

    $names = [grep { /$keeps_secrets/ } @$names] if _cleartext_forbidden($self);
    my ($client, $first, $why) = _start_client($self, $sasl, $names);
    $sasl->mechanism($wanted) if defined $wanted && $wanted ne '';
    return _with_client($self, $client, $first) if $client;
    $self->set_status(
          defined $why                                  ? (CANCELLED, [$why])
        : @$names < @{ _candidates($wanted, $offered) } ? _tls_needed()
        :                                                 _nothing_fits($offered, $wanted)
    );
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
            }
            or last;
        my $first  = $client->client_start;
        my $failed = $client->mechanism;
        return ($client, $first) if defined $first && defined $failed;
        last if !defined $failed;
        $why = _error_of($client);
        $why = $why ne '' ? "$failed: $why" : "$failed cannot be used";
        my $before = @left;
        @left = grep { uc($_) ne uc($failed) } @left;
        last if @left == $before;
    }
    return (undef, undef, $why);
}

sub _with_client {
    my ($self, $client, $first) = @_;
    my $talk    = _talk_theirs($client->mechanism, $first);
    my $outcome = _converse($self, $talk, $client);

    $self->set_status(CANCELLED, [_talk_why($talk)]) if $outcome eq 'unfit';
    return $outcome eq 'accepted';
}

sub _answer {
    my ($self, $talk, $client) = @_;
    my $answer = $client->client_step(_talk_challenge($talk));
    return _talk_answer($talk, $answer) if defined $answer;
    # No answer and no error is an empty answer: GSSAPI's last token.
    my $why = _error_of($client);
    return $why ne '' ? _talk_cancel($talk, $why) : _talk_answer($talk, '');
}

# Not every client can tell.
sub _error_of {
    my ($client) = @_;
    my $why      = $client->can('error') ? $client->error : undef;
    return defined $why ? "$why" : '';
}

sub _judge {
    my ($self, $talk, $client) = @_;
    return _talk_believe(
        $talk, _is_proved($client),
        'success reported, but the server has not proved who it is'
    );
}

# Mechanisms in which the server owes a proof.
my $mutual = qr/\A(?:SCRAM-.*|DIGEST-MD5|GSSAPI|GSS-SPNEGO|GS2-.*|KERBEROS_V[45]|SRP)\z/xi;

# What the client can tell about it: nothing, and the server is believed.
sub _is_proved {
    my ($client) = @_;
    return 1 if $client->mechanism !~ $mutual;
    my $asked = $client->can('is_success');
    return 1 if $asked && $client->is_success;
    # This one never says that it is through, but then it has chosen a layer.
    return defined $client->property('ssf') ? 1 : 0
        if $client->isa('Authen::SASL::Perl::GSSAPI');
    # In its family need_step is false after an error as well.
    return 0 if $client->isa('Authen::SASL::Perl');
    return $client->need_step ? 0 : 1 if $client->can('need_step');
    return $asked             ? 0 : 1;
}

# Closes the session of a talk that does not come to its end.
package Net::SMTP::XS::SASL::Guard;

sub new {
    my ($class, $smtp, $talk) = @_;
    return bless { smtp => $smtp, talk => $talk }, $class;
}

sub DESTROY {
    my ($self) = @_;
    return if ${^GLOBAL_PHASE} eq 'DESTRUCT';
    return if Net::SMTP::XS::OpenSSL::_talk_outcome($self->{talk}) ne 'pending';
    local ($@, $!, $?);
    eval { $self->{smtp}->close };
}

1;
