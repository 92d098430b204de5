package Net::SMTP::XS;

use 5.014;
use strict;
use warnings;

use Carp       ();
use IO::Socket ();
use Net::SMTP::XS::Cmd;

our $VERSION = '0.01';

# IO::Socket::IP and the name of its address family argument, or
# IO::Socket::INET on a perl without it.
my ($socket_class, $family_key);

BEGIN {
    $socket_class = 'IO::Socket::IP';
    $family_key   = 'Family';
    if (!eval { require IO::Socket::IP; IO::Socket::IP->VERSION('0.25') }) {
        require IO::Socket::INET;
        $socket_class = 'IO::Socket::INET';
        $family_key   = 'Domain';
    }
}

# By name only where the stock modules are not loaded: scripts ask isa.
{ package Net::Cmd; }
{ package Net::SMTP; }
# Net::SMTP before what it inherits, so that C3 can merge them.
our @ISA = ('Net::SMTP::XS::Cmd', 'Net::SMTP', 'Net::Cmd', $socket_class);

use constant {
    DEFAULT_TIMEOUT => 120,          # seconds
    SMTP_PORT       => 'smtp(25)',
    SMTPS_PORT      => 465,
};

# --- replace mode ------------------------------------------------------------

# What each class is given: real subs, because subclasses copy the stash.
my @cmd_methods = qw(
    command response message code status ok set_status unsupported getline
    ungetline parse_response read_until_dot datasend rawdatasend dataend debug
    debug_print debug_text tied_fh TIEHANDLE READ READLINE PRINT PRINTF WRITE
    CLOSE toascii toebcdic DEF_REPLY_CODE _is_closed _set_status_closed
    _set_status_timeout _syswrite_with_timeout _print_isa
);
my @smtp_methods = qw(
    can_ssl can_inet6 host banner domain hello supports etrn auth starttls
    mail send send_or_mail send_and_mail send_message send_messages start_message start_quit reset
    recipient to cc bcc data bdat bdatlast datafh expand verify help quit DESTROY _addr _EHLO _HELO _MAIL
    _RCPT _SEND _SAML _SOML _VRFY _EXPN _HELP _RSET _NOOP _QUIT _DATA _BDAT
    _TURN _ETRN _AUTH _STARTTLS
);

# What IO::Socket::SSL has on an object with TLS.
my @tls_methods = qw(
    errstr is_SSL stop_SSL get_cipher get_sslversion get_sslversion_int
    get_servername get_session_reused alpn_selected next_proto_negotiated
    pending peek peer_certificate peer_certificates sock_certificate
    issuer_name subject_name dump_peer_certificate get_fingerprint
    get_fingerprint_bin verify_hostname ocsp_resolver want_read want_write
    can_client_sni can_server_sni can_multi_cert can_npn can_alpn can_ecdh
    can_ipv6 can_ocsp can_ticket_keycb can_pha can_partial_chain
);

# The version of Net::SMTP and Net::Cmd this module is the equal of.
use constant STOCK_VERSION => '3.15';

sub import {
    my ($class, @tags) = @_;
    return if $class ne __PACKAGE__;
    for my $tag (@tags) {
        Carp::croak(qq{"$tag" is not exported by Net::SMTP::XS: } . 'the only tag is :replace')
            if $tag ne ':replace';
        _replace();
    }
}

sub _install {
    my ($target, $source, @names) = @_;
    no strict 'refs';
    no warnings qw(redefine prototype);
    *{"${target}::$_"} = \&{"${source}::$_"} for @names;
}

sub _replace_cmd {
    no warnings 'once';
    _install('Net::Cmd', 'Net::SMTP::XS::Cmd', @cmd_methods);
    _install(
        'Net::Cmd', 'Net::SMTP::XS::Cmd',
        grep { !Net::Cmd->can($_) } @Net::SMTP::XS::Cmd::EXPORT
    );
    eval q{package Net::Cmd; use Carp; use Errno 'EINTR'; use Symbol 'gensym'; 1}
        or die $@;
    @Net::Cmd::EXPORT  = @Net::SMTP::XS::Cmd::EXPORT;
    @Net::Cmd::ISA     = ('Exporter') if !@Net::Cmd::ISA;
    $Net::Cmd::VERSION = STOCK_VERSION;
    $INC{'Net/Cmd.pm'} ||= $INC{'Net/SMTP/XS/Cmd.pm'};
}

sub _replace_smtp {
    no warnings qw(once redefine);
    _install('Net::SMTP', __PACKAGE__, @smtp_methods);
    _install(
        'Net::SMTP', 'Net::SMTP::XS::Cmd',
        grep { !exists $Net::SMTP::{$_} } @Net::SMTP::XS::Cmd::EXPORT
    );
    eval q{
        package Net::SMTP;    # whose parents SUPER looks at
        use Carp;
        use IO::Socket;
        use Socket;
        sub new { Net::SMTP::XS::_new_as_stock(sub { shift->SUPER::new(@_) }, @_) }
        1;
    } or die $@;
    require Net::Config;    # scripts edit its hash without loading it
    *Net::SMTP::NetConfig = \%Net::Config::NetConfig;
    $Net::SMTP::VERSION   = STOCK_VERSION;
    $INC{'Net/SMTP.pm'} ||= __FILE__;
}

# The last parent of Net::SMTP in replace mode: what stock has not. It has no
# parents, for C3 to be able to merge it after the socket; this class stays a
# child of Net::SMTP.  Carp takes the way through it to our code.
@Net::SMTP::XS::InPlace::CARP_NOT = (__PACKAGE__);
use constant IN_PLACE => 'Net::SMTP::XS::InPlace';

sub _replace {
    no warnings 'once';
    return if grep { $_ eq IN_PLACE } @Net::SMTP::ISA;
    @Net::SMTP::ISA = ('Net::Cmd', $socket_class) if !@Net::SMTP::ISA;
    push @Net::SMTP::ISA, IN_PLACE;
    _replace_cmd();
    _replace_smtp();
    _install(IN_PLACE, __PACKAGE__, 'isa', @tls_methods);
    _in_place();
}

# Besides what inheritance says: in replace mode a Net::SMTP is one of this
# class, and an object that speaks TLS is an IO::Socket::SSL, as scripts ask
# for it.
sub isa {
    my ($self, $class) = @_;
    return 1 if UNIVERSAL::isa($self, $class);
    return '' if !defined $class;
    return 1
        if $class =~ /\ANet::SMTP::XS(?:::Cmd)?\z/
        && UNIVERSAL::isa($self, IN_PLACE);
    return !!($class eq 'IO::Socket::SSL'
        && ref $self
        && defined &Net::SMTP::XS::OpenSSL::_is_tls
        && Net::SMTP::XS::OpenSSL::_is_tls($self));
}

sub can_inet6 { $socket_class eq 'IO::Socket::IP' && $socket_class }

# TLS is always there.  Code that asks goes on to use IO::Socket::SSL where it
# is installed, as the stock class has loaded it then.
sub can_ssl {
    local ($@, $SIG{__DIE__});
    return eval { require IO::Socket::SSL; IO::Socket::SSL->VERSION('2.007') }
        ? 'IO::Socket::SSL'
        : 'Net::SMTP::XS::TLS';
}

# --- construction ----------------------------------------------------------

sub _configured_hosts {
    require Net::Config;
    return $Net::Config::NetConfig{smtp_hosts};
}

# Takes hosts off the list up to the first that takes a connection: the
# object, and that host.
sub _connect {
    my ($type, $super, $hosts, $arg) = @_;

    while (@$hosts) {
        my $host = shift @$hosts;
        my $obj  = $super->(
            $type,
            PeerAddr    => $host,
            PeerPort    => $arg->{Port} || SMTP_PORT,
            LocalAddr   => $arg->{LocalAddr},
            LocalPort   => $arg->{LocalPort},
            $family_key => $arg->{Domain} || $arg->{Family},
            Proto       => 'tcp',
            Timeout     => $arg->{Timeout},
        );
        return ($obj, $host) if defined $obj;
    }
    return;
}

# The server refused: the object is of no use, $@ says why.
sub _refused {
    my ($obj) = @_;
    my $why = ref($obj) . ': ' . $obj->code . ' ' . $obj->message;
    $obj->close;
    $@ = $why;
    return;
}

# Options that are dealt with elsewhere: connecting as Net::SMTP does is not
# touched by them.
my @connect_options = qw(Auth Handle Path Protocol Proxy Resolve StartTLS);

# True while Net::SMTP's own new is called: programs give it options of such
# names which they deal with themselves afterwards, and it ignores them.
our $as_stock;

sub _plan {
    my ($type, $host, $arg) = @_;
    return if $as_stock || !grep { defined $arg->{$_} } @connect_options;
    require Net::SMTP::XS::Connect;
    return Net::SMTP::XS::Connect->new($type, $host, $arg);
}

# Our own options; what stock does not know it ignores.
sub _check_options {
    my ($arg) = @_;
    my $rule = $arg->{BareCR};
    Carp::croak(qq{BareCR => "$rule": it takes 'convert' or 'refuse'})
        if defined $rule && $rule !~ /\A(?:convert|refuse)\z/;
}

# What new was given, judged: class, hosts, plan, options and TLS; or nothing,
# with $@ set.
sub _given {
    my $self  = shift;
    my $type  = ref $self || $self;
    my $first = @_ % 2;
    my $host  = $first ? shift : undef;
    my %arg   = @_;
    $host = delete $arg{Host} if !$first;

    # A stack trace would show the arguments.
    no warnings 'once';
    local $Carp::MaxArgNums = -1 if defined $arg{Proxy};

    my @tls;
    if ($arg{SSL}) {
        require Net::SMTP::XS::TLS;
        $arg{Port} ||= SMTPS_PORT;
        @tls = Net::SMTP::XS::TLS::context_for_new(undef, %arg) or return;
    }
    _check_options(\%arg);
    my $plan  = _plan($type, $host, \%arg);
    my $place = $plan && $plan->place;
    my $hosts = defined $place ? [$place] : defined $host ? $host : _configured_hosts();
    $arg{Timeout} = DEFAULT_TIMEOUT if !defined $arg{Timeout};
    if (!defined $hosts || ref $hosts && !@$hosts) {
        $@ = "$type: no host given, and Net::Config names none in smtp_hosts";
        return;
    }
    return {
        type  => $type,
        hosts => [ref $hosts ? @$hosts : $hosts],
        place => $place,
        plan  => $plan,
        arg   => \%arg,
        tls   => \@tls,
    };
}

# What the object keeps of it.
sub _remember {
    my ($obj, $given, $host) = @_;
    ${*$obj}{net_smtp_lmtp} = 1 if $given->{plan} && $given->{plan}{lmtp};
    ${*$obj}{net_smtp_arg}  = $given->{arg};
    ${*$obj}{net_smtp_host} = $host;
    return;
}

sub _new {
    my $super = shift;
    my $given = &_given or return;
    my ($type, $plan, $arg) = @$given{qw(type plan arg)};
    my @hosts = @{ $given->{hosts} };
    local $Carp::MaxArgNums = -1 if $plan && $plan->{proxy};
    while (@hosts) {
        my ($obj, $host)
            = $plan
            ? $plan->connect(\@hosts, $arg)
            : _connect($type, $super, \@hosts, $arg);
        return if !ref $obj;
        _remember($obj, $given, $host);
        return $obj if _begin($obj, $arg, @{ $given->{tls} }) && (!$plan || $plan->log_in($obj));
        last if !$arg->{NextHost};
    }
    return;
}

# The session up to EHLO's answer: true, or false with $@ set and the object
# closed.
sub _begin {
    my ($obj, $arg, @tls) = @_;

    if (@tls) {
        Net::SMTP::XS::TLS::start_connected($obj, @tls) or return;
    }
    _set_up($obj, $arg);

    return _refused($obj) if $obj->response != CMD_OK;
    _greeted($obj, $arg);
    if (!exists $arg->{SendHello} || $arg->{SendHello}) {
        $obj->hello($arg->{Hello} || '') or return _refused($obj);
    }
    return 1;
}

sub _set_up {
    my ($obj, $arg) = @_;
    $obj->autoflush(1);
    $obj->debug(exists $arg->{Debug} ? $arg->{Debug} : undef);
    return;
}

# The greeting is the last reply.
sub _greeted {
    my ($obj, $arg) = @_;
    ${*$obj}{net_smtp_exact_addr}    = $arg->{ExactAddresses};
    ${*$obj}{net_smtp_bare_cr}       = $arg->{BareCR} if defined $arg->{BareCR};
    ${*$obj}{net_smtp_debug_secrets} = 1 if $arg->{DebugSecrets};
    (${*$obj}{net_smtp_banner}) = $obj->message;
    (${*$obj}{net_smtp_domain}) = $obj->message =~ /\A\s*(\S+)/;
    return;
}

# The socket's constructor, as SUPER finds it where no Net::SMTP is loaded.
sub _new_socket {
    my $type = shift;
    my ($new) = grep { defined } map { $_->can('new') } grep { $_ ne 'Net::SMTP' } @ISA;
    return $type->$new(@_);
}

sub new { _new(\&_new_socket, @_) }

sub _new_as_stock {
    local $as_stock = 1;
    return &_new;
}

sub DESTROY { }

# --- what the object knows ---------------------------------------------------

sub host   { ${ *{ $_[0] } }{net_smtp_host} }
sub banner { ${ *{ $_[0] } }{net_smtp_banner} || undef }
sub domain { ${ *{ $_[0] } }{net_smtp_domain} || undef }

# --- options of MAIL and RCPT ------------------------------------------------

sub _unsupported_option {
    my ($name) = @_;
    Carp::carp("Net::SMTP::$name option not supported by host");
    return '';
}

# Raw values pass as they are but for what could end the line.
sub _raw {
    my ($value) = @_;
    $value =~ tr/\x00-\x1f\x7f/ /;
    return $value;
}

sub _body_option {
    my ($me, $esmtp, $bits) = @_;

    if ($bits eq '8') {
        return ' BODY=8BITMIME' if exists $esmtp->{'8BITMIME'};
        return _unsupported_option('mail: 8BITMIME');
    }
    if ($bits eq 'binary') {
        return _unsupported_option('mail: BINARYMIME')
            if !exists $esmtp->{BINARYMIME} || !exists $esmtp->{CHUNKING};
        ${*$me}{net_smtp_chunking} = 1;
        return ' BODY=BINARYMIME';
    }
    return ' BODY=7BIT'
        if exists $esmtp->{'8BITMIME'} || exists $esmtp->{BINARYMIME};
    Carp::carp('Net::SMTP::mail: 8BITMIME and BINARYMIME options not supported by host');
    return '';
}

# Each option of mail, in the order of its parameters on the wire: the
# extension it needs, and the parameter it makes.
my @mail_options = (
    [Size        => SIZE => sub { sprintf ' SIZE=%d', $_[1] + 0 }],
    [Return      => DSN  => sub { ' RET=' . (uc $_[1] eq 'FULL' ? 'FULL' : 'HDRS') }],
    [Bits        => undef, sub { _body_option($_[0], ${ *{ $_[0] } }{net_smtp_esmtp}, $_[1]) }],
    [Transaction => CHECKPOINT    => sub { ' TRANSID=' . _addr($_[0], $_[1]) }],
    [Envelope    => DSN           => sub { ' ENVID=' . _xtext($_[1]) }],
    [ENVID       => DSN           => sub { ' ENVID=' . _raw($_[1]) }],
    [AUTH        => AUTH          => sub { ' AUTH=' . ($_[1] eq '' ? '<>' : _raw($_[1])) }],
    [XVERP       => XVERP         => sub { ' XVERP' }],
    [SMTPUTF8    => SMTPUTF8      => sub { $_[1] ? ' SMTPUTF8' : '' }],
    [Priority    => 'MT-PRIORITY' => sub { ' MT-PRIORITY=' . _raw($_[1]) }],
    [DeliverBy   => DELIVERBY     => sub { ' BY=' . _raw($_[1]) }],
    [HoldFor     => FUTURERELEASE => sub { ' HOLDFOR=' . _raw($_[1]) }],
    [HoldUntil   => FUTURERELEASE => sub { ' HOLDUNTIL=' . _raw($_[1]) }],
    [RequireTLS  => REQUIRETLS    => sub { ' REQUIRETLS' }],
);

# What changes who gets the message, or when: never left out.
my %binding = (
    DeliverBy  => 'DELIVERBY',
    HoldFor    => 'FUTURERELEASE',
    HoldUntil  => 'FUTURERELEASE',
    RequireTLS => 'REQUIRETLS',
);

# Sets the status when the server cannot do what such an option asks for.
sub _cannot_bind {
    my ($me, $opt) = @_;
    my $esmtp = ${*$me}{net_smtp_esmtp} || {};

    delete $opt->{RequireTLS} if !$opt->{RequireTLS};
    for my $name (grep { defined $opt->{$_} } sort keys %binding) {
        next if exists $esmtp->{ $binding{$name} };
        $me->set_status(550, "the server does not offer $binding{$name}, which $name needs");
        return 1;
    }
    return 0;
}

# undef, with the status set, when the message must not be sent.
sub _mail_options {
    my ($me, %opt) = @_;
    my $params = '';

    return if _cannot_bind($me, \%opt);
    if (!exists ${*$me}{net_smtp_esmtp}) {
        Carp::carp('Net::SMTP::mail: ESMTP not supported by host - ' . 'options discarded :-(');
        return $params;
    }
    my $esmtp = ${*$me}{net_smtp_esmtp};
    for my $option (@mail_options) {
        my ($name, $extension, $make) = @$option;
        my $value = delete $opt{$name};
        next if !defined $value;
        $params
            .= !defined $extension || exists $esmtp->{$extension}
            ? $make->($me, $value)
            : _unsupported_option("mail: $extension");
    }
    Carp::carp('Net::SMTP::mail: unknown option(s) ' . join(' ', keys %opt) . ' - ignored')
        if %opt;
    return $params;
}

# The parameters of RCPT, and SkipBad.
sub _rcpt_options {
    my ($me, $hash) = @_;
    my %opt      = %$hash;
    my $skip_bad = delete $opt{SkipBad};
    my $params   = '';

    if (exists ${*$me}{net_smtp_esmtp}) {
        my $dsn    = exists ${*$me}{net_smtp_esmtp}{DSN};
        my $notify = delete $opt{Notify};
        $params
            .= !defined $notify ? ''
            : $dsn ? ' NOTIFY=' . join ',', map { _raw(uc) } @$notify
            :        _unsupported_option('recipient: DSN');
        my $orcpt = delete $opt{ORcpt};
        $params
            .= !defined $orcpt ? ''
            : $dsn             ? ' ORCPT=' . _raw($orcpt)
            :                    _unsupported_option('recipient: DSN');
        Carp::carp('Net::SMTP::recipient: unknown option(s) ' . join(' ', keys %opt) . ' - ignored')
            if %opt;
    }
    elsif (%opt) {
        Carp::carp(
            'Net::SMTP::recipient: ESMTP not supported by host - ' . 'options discarded :-(');
    }
    return [$params, $skip_bad];
}

# Called where a script put a function of its own in _addr's place.
my $own_addr = \&_addr;

sub _replaced_addr {
    my @args = @_;
    for my $function (\&Net::SMTP::XS::_addr, \&Net::SMTP::_addr) {
        return $function->(@args) if defined &$function && $function != $own_addr;
    }
    return $own_addr->(@args);
}

# --- TLS and AUTH, loaded with OpenSSL when first asked for ------------------

for my $name (@tls_methods) {
    no strict 'refs';
    *{$name} = sub {
        require Net::SMTP::XS::TLS;
        goto &{ Net::SMTP::XS::TLS::method_for($_[0], $name) };
    };
}

sub starttls {
    { local $@; require Net::SMTP::XS::TLS; }
    goto &Net::SMTP::XS::TLS::starttls;
}

sub auth {
    { local $@; require Net::SMTP::XS::SASL; }
    goto &Net::SMTP::XS::SASL::auth;
}

# --- whole messages, loaded when first asked for --------------------------------

# send_message where it is not as plain as C has it.
sub _send_message {
    { local $@; require Net::SMTP::XS::Message; }
    goto &Net::SMTP::XS::Message::send_message;
}

sub send_messages {
    { local $@; require Net::SMTP::XS::Message; }
    goto &Net::SMTP::XS::Message::send_messages;
}

sub start_message {
    { local $@; require Net::SMTP::XS::Message; }
    goto &Net::SMTP::XS::Message::start_message;
}

sub start_session {
    { local $@; require Net::SMTP::XS::Operation::Session; }
    goto &Net::SMTP::XS::Operation::Session::start_session;
}

sub start_quit {
    { local $@; require Net::SMTP::XS::Operation::Session; }
    goto &Net::SMTP::XS::Operation::Session::start_quit;
}

# What code that gives Data or a token answers when it has nothing yet.
sub LATER() {
    require Net::SMTP::XS::Message::Body;
    return Net::SMTP::XS::Message::Body::LATER();
}

# --- the rest ----------------------------------------------------------------

sub etrn {
    my $self = shift;
    return defined $self->supports('ETRN', 500, ["Command unknown: 'ETRN'"])
        && $self->_ETRN(@_);
}

sub datafh {
    my ($me) = @_;
    $me->_DATA or return;
    ${*$me}{net_cmd_sending} = 0;    # open: close must end it
    return $me->tied_fh;
}

1;
