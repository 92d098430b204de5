package Net::SMTP::XS::Operation::Session;

# What new does, in steps: connecting, the greeting, EHLO, STARTTLS, AUTH; and
# what quit does.  The work of a Net::SMTP::XS::Operation.
#
# A method that has to wait says for what, and which method goes on: what
# _wait's code answers is (want, until), or nothing when it is there.

use 5.014;
use strict;
use warnings;

use Carp         ();
use Scalar::Util ();
use Net::SMTP::XS;
use Net::SMTP::XS::Cmd qw(CMD_OK CMD_ERROR);
use Net::SMTP::XS::Connecting;
use Net::SMTP::XS::Message;
use Net::SMTP::XS::Operation;

our @CARP_NOT = ('Net::SMTP::XS', 'Net::SMTP::XS::Operation', 'Net::SMTP::XS::Connect');

# What sessions go through: a class that has its own has to be called.
my %ours = map { $_ => Net::SMTP::XS->can($_) } qw(new hello starttls auth supports command
    response getline ungetline parse_response set_status message code status close
    start_SSL _EHLO _HELO _STARTTLS _AUTH _QUIT);

sub _refuse_overrides {
    my ($call, $class) = @_;
    for my $name (sort keys %ours) {
        no warnings 'uninitialized';
        Carp::croak("$call: $class has a $name of its own, which may wait: use the blocking call")
            if $class->can($name) != $ours{$name};
    }
    return;
}

sub start_session {
    my $class = shift;
    my $type  = ref $class || $class;
    _refuse_overrides(start_session => $type);
    my $given = Net::SMTP::XS::_given($type, @_) || { type => $type, why => $@ };
    return Net::SMTP::XS::Operation->new(__PACKAGE__, $given);
}

sub start_quit {
    my ($smtp) = @_;
    my $reason = Net::SMTP::XS::Operation::_unready($smtp);
    Carp::croak("start_quit: $reason") if defined $reason;
    _refuse_overrides(start_quit => ref $smtp);
    return Net::SMTP::XS::Operation->new('Net::SMTP::XS::Operation::Quit', $smtp);
}

sub new {
    my ($class, $given) = @_;
    my $self = bless { given => $given, hosts => $given->{hosts} }, $class;
    $self->_fail($given->{why}) if defined $given->{why};
    $self->_connect if !$self->{is_over};
    return $self;
}

sub occupies { Net::SMTP::XS::Operation::OF_NOBODY() }    # nobody has the object yet

# --- going on ----------------------------------------------------------------------

sub _wait {
    my ($self, $for, $next) = @_;
    @$self{qw(for next)} = ($for, $next);
    return;
}

sub turn {
    my ($self) = @_;
    my $lived = eval {
        until ($self->{is_over}) {
            my ($want, $until) = $self->{for}->();
            if (defined $want) {
                @$self{qw(want until)} = ($want, $until);
                last;
            }
            my $next = $self->{next};
            $self->$next if !$self->{is_over};    # by a callback
        }
        1;
    };
    $self->_die($@) if !$lived;
    return $self->{is_over};
}

# A callback's exception, which is the result.
sub _die {
    my ($self, $reason) = @_;
    $self->{error} = $reason;
    return $self->_end;
}

sub _fail {
    my ($self, $why) = @_;
    $self->{why} = $why;
    return $self->_end;
}

# Without a session; another host may do.
sub _end {
    my ($self) = @_;
    my $smtp = $self->{smtp};
    delete @$self{qw(for connecting run target smtp)};
    $smtp->close if $smtp && defined fileno $smtp;
    $self->{is_over} = 1;
    return;
}

sub _next_host {
    my ($self, $why) = @_;
    $self->_fail($why);
    return if !$self->{given}{arg}{NextHost} || !@{ $self->{hosts} };
    delete @$self{qw(is_over why)};
    return $self->_connect;
}

# As new has it: code and text of the last reply.
sub _refused {
    my ($self) = @_;
    my $smtp = $self->{smtp};
    return $self->_next_host(ref($smtp) . ': ' . $smtp->code . ' ' . $smtp->message);
}

# Of a step behind the greeting.
sub _failed_at {
    my ($self, $step, $why) = @_;
    if (!defined $why) {
        my $smtp = $self->{smtp};
        ($why = join ' ', $smtp->code, $smtp->message) =~ s/\s*\n\s*/ /g;
        $why =~ s/ \z//;
    }
    return $self->_next_host("$self->{given}{type}: $step: $why");
}

sub cancel {
    my ($self) = @_;
    $self->_fail("$self->{given}{type}: cancelled") if !$self->{is_over};
    return;
}

sub result {
    my ($self) = @_;
    die $self->{error} if exists $self->{error};
    return $self->{smtp};
}

sub handle { $_[0]{connecting} ? $_[0]{connecting}->handle : $_[0]{smtp} }

# --- a connection ------------------------------------------------------------------

sub _connect {
    my ($self) = @_;
    my ($type, $plan, $arg) = @{ $self->{given} }{qw(type plan arg)};
    $self->{host} = shift @{ $self->{hosts} };
    my $connect = $self->{connecting}
        = Net::SMTP::XS::Connecting->to($type, $plan, $self->{host}, $arg);
    Scalar::Util::weaken(my $weak = $self);
    $connect->{found} = sub { $weak->{until} = 0 if $weak };
    return $self->_wait(sub { $connect->turn ? () : @$connect{qw(want until)} }, '_connected');
}

# Hosts that take no connection are passed over, with NextHost or without.
sub _connected {
    my ($self) = @_;
    my ($given, $connect) = ($self->{given}, delete $self->{connecting});
    my $smtp = $connect->object;
    if (!$smtp) {
        return $self->_connect if @{ $self->{hosts} };
        return $self->_fail($connect->{why});
    }
    $self->{smtp} = $smtp;
    Net::SMTP::XS::_remember($smtp, $given, $self->{host});
    return $self->_greet if !@{ $given->{tls} };
    my ($context, $arg) = @{ $given->{tls} };
    return $self->_shake_hands($context, $arg, '_greet');
}

sub _greet {
    my ($self) = @_;
    my $smtp = $self->{smtp};
    Net::SMTP::XS::_set_up($smtp, $self->{given}{arg});
    Net::SMTP::XS::Operation::_await($smtp);
    return $self->_hear('_greeted');
}

sub _greeted {
    my ($self) = @_;
    my ($smtp, $arg) = ($self->{smtp}, $self->{given}{arg});
    return $self->_refused if !$self->_is_ok;
    Net::SMTP::XS::_greeted($smtp, $arg);
    return $self->_ready if exists $arg->{SendHello} && !$arg->{SendHello};
    return $self->_hello($arg->{Hello}, '_encrypt');
}

# --- commands ----------------------------------------------------------------------

sub _hear {
    my ($self, $next) = @_;
    my $smtp = $self->{smtp};
    $self->{class} = \my $class;    # of the reply
    my $for = sub {
        my @got = Net::SMTP::XS::Operation::_heard($smtp);
        return @got if @got == 2;
        ($class) = @got;
        return;
    };
    return $self->_wait($for, $next);
}

sub _is_ok { ${ $_[0]{class} } == CMD_OK }

sub _say {
    my ($self, $next, @words) = @_;
    Net::SMTP::XS::Operation::_say($self->{smtp}, @words);
    return $self->_hear($next);
}

# EHLO, or LHLO, or HELO where EHLO is not known; and then $next.
sub _hello {
    my ($self, $domain, $next) = @_;
    @$self{qw(hello after_hello)} = ($domain || 'localhost.localdomain', $next);
    return $self->_say('_helloed', $self->_speaks_lmtp ? 'LHLO' : 'EHLO', $self->{hello});
}

sub _speaks_lmtp { ${ *{ $_[0]{smtp} } }{net_smtp_lmtp} }

sub _helloed {
    my ($self) = @_;
    my $smtp = $self->{smtp};
    if ($self->_is_ok) {
        Net::SMTP::XS::Operation::_learn($smtp);
        return $self->_said_hello;
    }
    return $self->_not_greeted if $self->_speaks_lmtp || $smtp->status != CMD_ERROR;
    return $self->_say('_heloed', HELO => $self->{hello});
}

sub _heloed {
    my ($self) = @_;
    return $self->_not_greeted if !$self->_is_ok;
    delete ${ *{ $self->{smtp} } }{net_smtp_esmtp};
    return $self->_said_hello;
}

sub _said_hello {
    my ($self) = @_;
    ${ *{ $self->{smtp} } }{net_smtp_hello_domain} = $self->{hello};
    my $next = $self->{after_hello};
    return $self->$next;
}

sub _not_greeted {
    my ($self) = @_;
    return $self->{after_hello} eq '_authenticate'
        ? $self->_failed_at('STARTTLS')
        : $self->_refused;
}

# --- TLS ---------------------------------------------------------------------------

sub _shake_hands {
    my ($self, $context, $arg, $next) = @_;
    my $smtp   = $self->{smtp};
    my $target = $self->{target} = Net::SMTP::XS::TLS::_target($smtp, $context, $arg);
    return $self->_next_host($@) if !$target;
    $self->{after_tls} = $next;
    return $self->_wait(sub { Net::SMTP::XS::TLS::step_handshake($smtp, $target) }, '_shaken');
}

sub _shaken {
    my ($self) = @_;
    my $target = delete $self->{target};
    if (!$target->{started}) {
        return $self->{after_tls} eq '_greet'
            ? $self->_next_host($@)
            : $self->_failed_at('STARTTLS', $@);
    }
    my $next = $self->{after_tls};
    return $self->$next;
}

# With 'auto' a server that refuses the command is talked to in the clear.
sub _encrypt {
    my ($self) = @_;
    my $plan   = $self->{given}{plan} or return $self->_ready;
    my $how    = $plan->{starttls} or return $self->_authenticate;
    my $smtp   = $self->{smtp};
    if (!defined scalar $smtp->supports('STARTTLS')) {
        return $self->_authenticate if $how eq 'auto';
        return $self->_failed_at('STARTTLS', 'the server does not offer it');
    }
    require Net::SMTP::XS::TLS;
    my @context = Net::SMTP::XS::TLS::_context($smtp, %{ $self->{given}{arg} })
        or return $self->_failed_at('STARTTLS', $@);
    return if $self->{is_over};    # by a callback
    $self->{context} = \@context;
    return $self->_say('_may_encrypt', 'STARTTLS');
}

sub _may_encrypt {
    my ($self) = @_;
    my $smtp = $self->{smtp};
    return $self->_shake_hands(@{ $self->{context} }, '_encrypted') if $self->_is_ok;
    return $self->_authenticate
        if defined fileno $smtp
        && $self->{given}{plan}{starttls} eq 'auto'
        && $smtp->status =~ /\A[45]/;
    return $self->_failed_at('STARTTLS');
}

sub _encrypted {
    my ($self) = @_;
    delete ${ *{ $self->{smtp} } }{net_smtp_esmtp};
    return $self->_hello($self->{hello}, '_authenticate');
}

# --- AUTH --------------------------------------------------------------------------

sub _authenticate {
    my ($self) = @_;
    my $plan   = $self->{given}{plan} or return $self->_ready;
    my $auth   = $plan->{auth} or return $self->_ready;
    require Net::SMTP::XS::SASL;
    my ($user, @more)
        = ref $auth eq 'ARRAY' ? ($auth->[0], map { \$_ } @$auth[1 .. $#$auth]) : $auth;
    my $run = Net::SMTP::XS::SASL::begin($self->{smtp}, $user, @more)
        or return $self->_failed_at('AUTH');
    $self->{run} = $run;
    return $self->_attempt;
}

sub _attempt {
    my ($self) = @_;
    my $run    = $self->{run};
    my $turn   = Net::SMTP::XS::SASL::turn($run);
    return if $self->{is_over};    # by a callback
    if (!$turn) {
        delete $self->{run};
        return $run->{result} ? $self->_ready : $self->_failed_at('AUTH');
    }
    if ($turn eq 'send') {
        Net::SMTP::XS::SASL::show($run);
        Net::SMTP::XS::Operation::_say(
            $self->{smtp},
            Net::SMTP::XS::SASL::_talk_words($run->{talk})
        );
        return $self->_hear('_answered');
    }
    my @wait = $turn eq Net::SMTP::XS::SASL::LATER() ? ('timer', undef) : ('timer', 0);
    return $self->_wait(sub { splice @wait }, '_attempt');
}

sub _answered {
    my ($self) = @_;
    Net::SMTP::XS::SASL::replied($self->{run}, ${ $self->{class} });
    return $self->_attempt;
}

sub _ready { $_[0]{is_over} = 1 }

# --- quit --------------------------------------------------------------------------

package Net::SMTP::XS::Operation::Quit;

sub new {
    my ($class, $smtp) = @_;
    return bless { smtp => $smtp }, $class;
}

sub occupies { Net::SMTP::XS::Operation::OF_QUIT() }

sub turn {
    my ($self) = @_;
    my $smtp = $self->{smtp};
    Net::SMTP::XS::Operation::_say($smtp, 'QUIT') if !$self->{is_said}++;
    my @got = Net::SMTP::XS::Operation::_heard($smtp);
    @$self{qw(want until)} = @got if @got == 2;
    return @got != 2;
}

sub cancel { }

# Whatever the answer.
sub result { scalar $_[0]{smtp}->close }

sub handle { $_[0]{smtp} }

1;
