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

# Another step than the talk's: what a caller's function gives is still to come.
use constant LATER => 'later';

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

# The same attempts are made in steps by begin and turn.
sub auth {
    my ($self,     $user) = @_;
    my ($password, @more) = map { \$_ } @_[2 .. $#_];
    @_ = ();    # or a stack trace would show them
    my $run = begin($self, $user, $password, @more) or return;
    while (my $turn = turn($run)) {
        die "auth: LATER is for start_session\n" if $turn eq LATER;
        next if $turn ne 'send';
        show($run);
        replied($run, $self->command(_talk_words($run->{talk}))->response || 0);
    }
    return if !defined $run->{result};
    return $run->{result};
}

# --- a run of attempts ------------------------------------------------------------

# A run, or nothing with the status set.  password and what follows it are
# references, which live as long as the run.
#
#   while (my $turn = turn($run)) {
#       send    show($run), send _talk_words($run->{talk}), with no Perl function
#               between, which would copy the line and be seen in a stack trace;
#               then replied($run, $class) tells of the reply
#       work    look at the clock and at signals
#       later   ask again when the caller's function may have its answer
#   }
#   $run->{result}    undef where nothing was asked, else whether it was accepted
#
# Dropped before its end it closes the session.
sub begin {
    my ($self, $user, $password, @more) = @_;
    @more = () if @more == 1;    # the core module takes no more
    my %option = _options(@more);

    my $offered = $self->supports('AUTH', 500, ["Command unknown: 'AUTH'"]);
    return if !defined $offered;
    my $run = { smtp => $self };
    return _with_object($run, $user, $offered)
        if ref $user && UNIVERSAL::isa($user, 'Authen::SASL');

    my $named = _mechanisms($option{mechanism});
    Carp::croak('auth(username, password)')
        if !(defined $user && length $user) && !defined $named;
    $run->{config} = {
        (defined $user && length $user ? (user => \$user) : ()),
        password       => _password($user, $password, $option{token}),
        service        => 'smtp',
        min_iterations => _least($option{min_iterations}),
        host           => _host($self),
        port           => _port($self),
        map { $_ => $option{$_}{value} } grep { $option{$_} } qw(authzid token realm host),
    };
    $run->{choice} = _choice($self, $offered, $named, $run->{config});
    return $run;
}

sub turn {
    my ($run) = @_;
    until ($run->{is_over}) {
        if (!$run->{talk}) {
            return LATER if !_next_exchange($run);
            next;
        }
        my $step = $run->{step};
        if    ($step eq 'over') { _exchanged($run) }
        elsif ($step eq 'work') {
            $run->{step} = _talk_work($run->{talk}, $run->{smtp}->timeout || 0);
            return $step if $run->{step} eq $step;
        }
        elsif ($step eq 'send') { return $step }
        else                    { $run->{step} = _served($run, $step) }
    }
    return;
}

# Before the line is sent.
sub show {
    my ($run) = @_;
    _show_answer($run->{smtp}, _talk_words($run->{talk})) if _is_shown($run->{smtp});
    return;
}

sub replied {
    my ($run,  $class) = @_;
    my ($self, $talk)  = @$run{qw(smtp talk)};

    if ($class == CMD_OK) { $run->{step} = _talk_reply($talk, $class * 100); return }
    my ($text) = $self->message;
    _show_decoded($self, 0, $text) if $class == CMD_MORE && _is_shown($self);
    $run->{step} = _talk_reply($talk, _code_of($self, $class), $text);
    return;
}

sub _over {
    my ($run, $result) = @_;
    $run->{is_over} = 1;
    $run->{result}  = $result;
    return 1;
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

# Begins the next exchange, or ends the run; false when that is to be tried again.
# A mechanism that binds the channel is tried with each binding there is, until
# the server knows it.
sub _next_exchange {
    my ($run) = @_;
    my $choice = $run->{choice};

    if (!@{ $run->{bindings} || [] }) {
        my $mechanism = _choose($choice) or return _over($run, _nothing_left($run));
        $run->{mechanism} = $mechanism;
        $run->{bindings}
            = [$mechanism->{binding} ? @{ $choice->{bindings} } : $choice->{bindings}[0]];
    }
    my $binding = $run->{bindings}[0];
    my %with    = %{ $run->{config} };
    @with{qw(binding_type binding_data)} = @$binding if $binding;
    my $talk = _talk_with($run, \%with) or return 0;
    shift @{ $run->{bindings} };
    return _converse($run, $talk);
}

# Nothing is left to be tried: the result of the run.
sub _nothing_left {
    my ($run) = @_;
    my $choice = $run->{choice};
    return !!0 if $run->{is_asked};
    $run->{smtp}->set_status(
          _choose({ %$choice, cleartext => 1 }) ? _tls_needed()
        : defined $run->{unfit}                 ? (CANCELLED, [$run->{unfit}])
        :                                         _nothing_fits(@$choice{qw(offered allowed)})
    );
    return undef;
}

# An exchange of ours is over: another binding, another mechanism, or the end.
sub _attempted {
    my ($run, $outcome, $why, $detail) = @_;
    my ($self, $choice, $mechanism) = @$run{qw(smtp choice mechanism)};

    $self->set_status($self->code, [$self->message, "$mechanism->{name}: $detail\n"])
        if $detail ne '' && $outcome =~ /\A(?:unsuited|refused)\z/;
    return if $outcome ne 'accepted' && $detail eq UNKNOWN_BINDING && @{ $run->{bindings} };
    $run->{bindings} = [];
    $outcome = 'refused' if $outcome eq 'unsuited' && $detail =~ $hopeless;
    if ($outcome eq 'unfit') {
        $choice->{unfit} |= $mechanism->{bit};
        $run->{unfit} = $why;
        return;
    }
    $run->{is_asked} = 1;
    return _over($run, $outcome eq 'accepted') if $outcome ne 'unsuited';
    $choice->{refused} |= $mechanism->{bit};
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

# A talk of ours; nothing while a function of the caller's has no answer.
sub _talk_with {
    my ($run, $with) = @_;
    my $mechanism = $run->{mechanism};
    my $asked     = $run->{asked} ||= {};

    for my $name ($mechanism->{token} ? qw(user token) : qw(user password)) {
        next if $asked->{$name} || !_is_function($with->{$name});
        $asked->{$name} = _ask($run->{smtp}, $mechanism, $with->{$name}) or return;
    }
    delete $run->{asked};
    my %given = (%$with, %$asked);

    # As the core module has it: the one who logs in, twice.
    $given{authzid} = $given{user}
        if $mechanism->{name} eq 'PLAIN' && !exists $given{authzid};
    my $talk = _talk_ours($mechanism->{name}, \%given);
    _wipe($$_) for values %$asked;
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
    return if ref $value && ref $value eq ref Net::SMTP::XS::LATER();
    $value = '' if !defined $value && !$mechanism->{token};
    return \$value;
}

# --- the exchange ------------------------------------------------------------------

# AUTH and what follows, to the server's last reply.  An exception on the way
# (from a signal handler, say) leaves the server in mid-exchange, where it would
# take the next command for an answer: the guard then closes the session.
sub _converse {
    my ($run, $talk) = @_;
    my $self = $run->{smtp};

    @$run{qw(talk secrecy guard)}
        = ($talk, _auth_secrecy($self), Net::SMTP::XS::SASL::Guard->new($self, $talk));
    return $run->{step} = _talk_start($talk);
}

sub _exchanged {
    my ($run) = @_;
    my ($self, $talk) = @$run{qw(smtp talk)};
    my $outcome = _talk_outcome($talk);

    $self->close if $outcome eq 'broken';
    $self->set_status(CANCELLED, [_talk_why($talk)])
        if $outcome eq 'broken' || $outcome eq 'cancelled';
    delete @$run{qw(talk secrecy guard)};
    return _attempted($run, $outcome, _talk_why($talk), _talk_detail($talk)) if !$run->{client};
    $self->set_status(CANCELLED, [_talk_why($talk)]) if $outcome eq 'unfit';
    return _over($run, $outcome eq 'accepted');
}

# What the caller's client has to do.
sub _served {
    my ($run, $step) = @_;
    return ($step eq 'challenge' ? \&_answer : \&_judge)->(@$run{qw(talk client)});
}

sub _is_shown {
    my ($self) = @_;
    return ${*$self}{net_smtp_debug_secrets} && $self->debug;
}

# What response answers decides, as in the core module.
sub _code_of {
    my ($self, $class) = @_;
    my $code = $self->code;
    return int($code / 100) == $class ? $code : $class * 100;
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
    my ($run, $sasl, $offered) = @_;
    my $self   = $run->{smtp};
    my $wanted = $sasl->mechanism;
    my $names  = _candidates($wanted, $offered);

    $names = [grep { /$keeps_secrets/ } @$names] if _cleartext_forbidden($self);
    my ($client, $first, $why) = _start_client($self, $sasl, $names);
    $sasl->mechanism($wanted) if defined $wanted && $wanted ne '';
    if ($client) {
        $run->{client} = $client;
        _converse($run, _talk_theirs($client->mechanism, $first));
        return $run;
    }
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

sub _answer {
    my ($talk, $client) = @_;
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
    my ($talk, $client) = @_;
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
