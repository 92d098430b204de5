package Net::SMTP::XS::Message;

# send_message: a whole message in one call.  Here its arguments are judged,
# before anything is sent; what is sent, and when, is decided behind.

use 5.014;
use strict;
use warnings;

use Carp ();
use Net::SMTP::XS;
use Net::SMTP::XS::Message::Body;
use Net::SMTP::XS::Result;

our @CARP_NOT = ('Net::SMTP::XS');

# The method whose arguments are judged, for what is said about them.
our $call = 'send_message';

# --- the rules of options ----------------------------------------------------------

my $xtext      = qr/(?:[!-*,-<>-~]|\+[0-9A-F]{2})/;
my $time       = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)/;
my $deliver_by = qr/(?:0|-?[1-9]\d{0,8});NT?|[1-9]\d{0,8};RT?/;

sub _matching {
    my ($pattern) = @_;
    my $whole = qr/\A(?:$pattern)\z/;
    return sub { !ref $_[0] && $_[0] =~ $whole };
}

sub _any { 1 }

sub _is_notify {
    my @events = ref $_[0] eq 'ARRAY' ? @{ $_[0] } : ref $_[0] ? () : $_[0];
    return 0 if !@events || grep { !defined || !/\A(?:NEVER|SUCCESS|FAILURE|DELAY)\z/i } @events;
    return @events == 1 || !grep { uc eq 'NEVER' } @events;
}

# OPTION => [what it takes, the test].
my %rule = (
    Size     => ['a number of octets', _matching(qr/\d{1,18}/)],
    Return   => ["'FULL' or 'HDRS'",   _matching(qr/FULL|HDRS/i)],
    Bits     => ["7, 8 or 'binary'",   _matching(qr/7|8|binary/)],
    Envelope => [
        'at most ' . MOST_ENVELOPE_ID . ' octets as xtext',
        sub {
            !ref $_[0] && length $_[0] && length Net::SMTP::XS::_xtext($_[0]) <= MOST_ENVELOPE_ID;
        }
    ],
    ENVID => [
        'xtext, at most ' . MOST_ENVELOPE_ID . ' octets',
        _matching(qr/(?:$xtext){1,${\ MOST_ENVELOPE_ID}}/)
    ],
    AUTH     => ["an address as xtext, or ''",                          _matching(qr/<>|$xtext*/)],
    XVERP    => ['true or false',                                       \&_any],
    SMTPUTF8 => ['true or false',                                       \&_any],
    Notify   => ["'NEVER', or any of 'SUCCESS', 'FAILURE' and 'DELAY'", \&_is_notify],
    SkipBad  => ['true or false',                                       \&_any],
    Pipelining => ["0, 'envelope' or 'message'", _matching(qr/0?|envelope|message/)],
    Chunking   => ['true or false',              \&_any],
    DeliverBy  => [
        "seconds and a mode, '120;R' or '120;N', with T for a trace",
        _matching($deliver_by)
    ],
    HoldFor    => ['seconds',               _matching(qr/[1-9]\d{0,8}/)],
    HoldUntil  => ['a time as in RFC 3339', _matching($time)],
    Priority   => ['a number from -9 to 9', _matching(qr/-[1-9]|\+?\d/)],
    RequireTLS => ['true or false',         \&_any],
    Deadline   => [
        'seconds, more than 0',
        sub { !ref $_[0] && $_[0] =~ /\A(?:\d+\.?\d*|\.\d+)\z/ && $_[0] > 0 }
    ],
    Progress => ['a code reference',      sub { ref $_[0] eq 'CODE' }],
    BareCR   => ["'convert' or 'refuse'", _matching(qr/convert|refuse/)],
);

# Those of them that the engine puts on the wire.
my @engine_options = qw(Size Return Bits Envelope ENVID AUTH XVERP SMTPUTF8 DeliverBy HoldFor
    HoldUntil Priority RequireTLS Notify);

my %recipient_rule = (
    Notify => $rule{Notify},
    ORcpt  => [
        "a type and an address as xtext, 'rfc822;bob\@example.org'",
        _matching(qr/[A-Za-z0-9-]+;$xtext+/)
    ],
);

# From here, at the line that called send_message.
sub _croak {
    my ($text) = @_;
    Carp::croak("$call: $text");
}

sub _wrong {
    my ($option, $rule) = @_;
    _croak("$option: it takes $rule");
}

sub _check {
    my ($rules, $option, $where) = @_;
    for my $name (keys %$option) {
        my $rule = $rules->{$name}
            or _croak(qq{${where}unknown option "$name"});
        if (!defined $option->{$name}) { delete $option->{$name}; next }
        _wrong("$where$name", $rule->[0]) if !$rule->[1]->($option->{$name});
    }
    return;
}

# --- addresses ---------------------------------------------------------------------

# An address as it goes between the brackets: the octets of its UTF-8.
sub _path {
    my ($smtp, $address, $option) = @_;
    my $path = eval { Net::SMTP::XS::_replaced_addr($smtp, $address) };
    _croak("$option: " . $@ =~ s/ at \S+ line \d+\.?\n\z//r) if !defined $path;
    $path =~ s/\A<(.*)>\z/$1/s;
    _wrong($option, 'addresses without control characters') if $path =~ /[\x00-\x1f\x7f]/;
    return _octets($path);
}

# Octets that are UTF-8 are taken for it, others for characters.
sub _octets {
    my ($text) = @_;
    return $text if $text !~ /[^\x00-\x7f]/;
    my $copy = $text;
    return $text if utf8::downgrade($copy, 1) && utf8::decode($copy);
    utf8::encode($text);
    return $text;
}

sub _recipients {
    my ($smtp, $to) = @_;
    my @to         = ref $to eq 'ARRAY' ? @$to : $to;
    my @recipients = map { _recipient($smtp, $_) } @to;
    _wrong('To', 'at least one recipient') if !@recipients;
    return \@recipients;
}

sub _recipient {
    my ($smtp, $element) = @_;
    if (defined $element && !ref $element) {
        my $path = _path($smtp, $element, 'To');
        return { address => $element, path => $path } if $path ne '';
    }
    my ($address, @option) = ref $element eq 'ARRAY' ? @$element : $element;
    _wrong('To', 'addresses, or [address, %options]')
        if !defined $address
        || @option % 2
        || ref $address && !overload::Method($address, '""');
    my %option = @option;
    _check(\%recipient_rule, \%option, 'To: ');
    my $path = _path($smtp, "$address", 'To');
    _wrong('To', 'addresses that are not empty') if $path eq '';
    return { address => "$address", path => $path, %option };
}

# --- arguments ---------------------------------------------------------------------

# One message, ready to be sent by either way.  Data stays the caller's own
# scalar: a copy might take as much memory again.
sub _message {
    my $smtp = shift;
    _croak('options come in pairs of name and value') if @_ % 2;
    my (%option, $data);
    for (my $i = 0; $i < @_; $i += 2) {
        if   ($_[$i] eq 'Data') { $data             = \$_[$i + 1] }
        else                    { $option{ $_[$i] } = $_[$i + 1] }
    }
    my ($from, $to) = delete @option{qw(From To)};
    _wrong('From', "an address, or '' for the null sender") if !defined $from;
    _wrong('To',   'a recipient') if !defined $to;
    _check(\%rule, \%option, '');
    _croak('HoldFor and HoldUntil: it takes one of them')
        if defined $option{HoldFor} && defined $option{HoldUntil};
    return {
        %option,
        from       => _path($smtp, "$from", 'From'),
        from_given => "$from",
        to         => _recipients($smtp, $to),
        body       => _body($data),
        bare_cr    => $option{BareCR} // ${*$smtp}{net_smtp_bare_cr} // '',
    };
}

sub _body {
    my ($data) = @_;
    my $body = eval { Net::SMTP::XS::Message::Body->new($data ? $$data : undef) };
    return $body if $body;
    _wrong('Data', ref $@ eq 'HASH' ? $@->{rule} : die $@);
}

sub send_message {
    my $smtp = shift;
    _deliver($smtp, \my @results, _message($smtp, @_));
    return $results[0];
}

# In order, each as an array or hash of send_message's arguments.
sub send_messages {
    my ($smtp, $list, $results) = @_;
    Carp::croak('send_messages: it takes a reference to an array of messages')
        if ref $list ne 'ARRAY';
    Carp::croak('send_messages: results go into an array that it is given a reference to')
        if defined $results && ref $results ne 'ARRAY';
    my @messages = map {
        my $type = ref;
              $type eq 'HASH'  ? _message($smtp, %$_)
            : $type eq 'ARRAY' ? _message($smtp, @$_)
            :   Carp::croak('send_messages: each message is a reference to its options');
    } @$list;
    @{ $results //= [] } = ();
    _deliver($smtp, $results, @messages);
    return @$results;
}

# --- who sends -----------------------------------------------------------------------

# Each result goes into the caller's array as soon as it is there: what comes
# after may die.
sub _deliver {
    my ($smtp, $results, @messages) = @_;
    _make_ready($smtp);
    if (_goes_by_methods($smtp)) {
        require Net::SMTP::XS::Message::ByMethods;
        push @$results, Net::SMTP::XS::Message::ByMethods::send_one($smtp, $_) for @messages;
        return;
    }
    my $handles = _begin($smtp);
    my $letter  = @messages ? _prepare($smtp, $handles, shift @messages) : undef;
    while ($letter) {
        my $next = @messages ? _prepare($smtp, $handles, shift @messages) : undef;
        _follow($letter, $next) if $next;
        push @$results, _send($smtp, $letter);
        $letter = $next;
    }
    return;
}

# The rest of what the engine wants to know, in its own words.
sub _prepare {
    my ($smtp, $handles, $message) = @_;
    my $body = $message->{body};
    $message->{pace}       = $message->{Pipelining} // 'envelope';
    $message->{chunking}   = $message->{Chunking} // 1;
    $message->{chunking}   = 1 if ($message->{Bits} // '') eq 'binary';
    $message->{items}      = $body->{items};
    $message->{can_rewind} = $body->can_rewind;
    $message->{options}
        = { map { ($_ => $message->{$_}) } grep { exists $message->{$_} } @engine_options };
    delete $message->{options}{XVERP} if !$message->{XVERP};
    $_->{Notify} = _list($_->{Notify})
        for grep { defined $_->{Notify} } $message->{options}, @{ $message->{to} };
    _wire($smtp, $message, $message->{from}, \$message->{from_wire});
    _wire($smtp, $message, $_->{path},       \$_->{wire}) for @{ $message->{to} };
    my $letter = _letter($smtp, $handles, $message);
    _croak($letter) if !ref $letter;
    my %lacking = map { $_ => 1 } @{ _left_out($letter) };
    Carp::carp("Net::SMTP::XS::$call: $_ option not supported by host") for sort keys %lacking;
    return $letter;
}

sub _list { ref $_[0] ? join ',', @{ $_[0] } : $_[0] }

# The path between its brackets; the domain in A-labels where the server does
# not know UTF-8.
sub _wire {
    my ($smtp, $message, $path, $wire) = @_;
    if ($path =~ /[^\x00-\x7f]/ && !defined scalar $smtp->supports('SMTPUTF8')) {
        my ($ascii) = ascii_path($path);
        if   (defined $ascii) { $path                 = $ascii }
        else                  { $message->{lacks_idn} = 1 }
    }
    $$wire = "<$path>";
    return;
}

# Between the engine's steps, by the glue: a reference to a piece, 'later', or
# undef at the end.
sub _next_piece {
    my ($body, $must_rewind) = @_;
    $body->rewind if $must_rewind;
    my $piece = $body->next;
    return $body->is_later($piece) ? 'later' : $piece;
}

sub _tell { my ($progress, @done) = @_; $progress->(@done); return }

# --- without blocking ----------------------------------------------------------------

sub start_message {
    my $smtp = shift;
    local $call = 'start_message';
    require Net::SMTP::XS::Operation;
    my $reason = Net::SMTP::XS::Operation::_unready($smtp);
    _croak($reason) if defined $reason;
    my $message = _message($smtp, @_);
    _croak(   'it takes an object of no overridden methods, without Debug and not tied: '
            . 'this one has to wait, use send_message')
        if _goes_by_methods($smtp);
    $message->{body}->may_wait or _wrong('Data', 'a handle of a file, or code that never waits');
    $message->{is_kept} = 1;
    my $letter = _prepare($smtp, _begin($smtp), $message);
    return Net::SMTP::XS::Operation->new('Net::SMTP::XS::Message::Run', $smtp, $letter);
}

# The work of such an operation.
package Net::SMTP::XS::Message::Run;

sub new {
    my ($class, $smtp, $letter) = @_;
    return bless { smtp => $smtp, letter => $letter }, $class;
}

sub occupies { Net::SMTP::XS::Operation::OF_MESSAGE() }

sub turn {
    my ($self) = @_;
    @$self{qw(want until)} = Net::SMTP::XS::Message::_step(@$self{qw(smtp letter)});
    return !defined $self->{want};
}

sub cancel { Net::SMTP::XS::Message::_cancel($_[0]{letter}) }
sub handle { $_[0]{smtp} }

sub result { Net::SMTP::XS::Message::_finish(@{ $_[0] }{qw(smtp letter)}) }

package Net::SMTP::XS::Message;

# --- internationalized domains -------------------------------------------------------

# What makes A-labels, by the modules that are installed.
my @idn = (
    ['Net::LibIDN2' => sub { Net::LibIDN2::idn2_lookup_u8($_[0], idn2_flags()) }],
    [
        'Net::IDN::Encode' =>
            sub { utf8::decode(my $name = $_[0]); Net::IDN::Encode::domain_to_ascii($name) }
    ],
);

sub idn2_flags { Net::LibIDN2::IDN2_NFC_INPUT() | Net::LibIDN2::IDN2_NONTRANSITIONAL() }

# The names of the modules.
sub idn_modules {
    map { $_->[0] } @idn;
}

# The path with its domain in A-labels, or nothing: neither module is there, or
# the domain is none.
sub ascii_path {
    my ($path) = @_;
    my ($local, $domain) = $path =~ /\A(.*)\@(.*)\z/s or return;
    return if $local =~ /[^\x00-\x7f]/;
    for my $idn (@idn) {
        my ($module, $encode) = @$idn;
        local ($@, $SIG{__DIE__});
        eval "require $module" or next;
        my $ascii = eval { $encode->($domain) };
        return defined $ascii && $ascii =~ /\A[!-~]+\z/ ? "$local\@$ascii" : ();
    }
    return;
}

1;
