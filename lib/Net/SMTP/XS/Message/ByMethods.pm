package Net::SMTP::XS::Message::ByMethods;

# A message through the classic methods, one command at a time: mail,
# recipient, data, datasend, dataend, bdat, reset.  For objects whose class has
# methods of its own in place of ours, or whose handle is somebody else's code:
# all of it is called as a script would call it.

use 5.014;
use strict;
use warnings;

use Carp        ();
use Time::HiRes ();

our @CARP_NOT = ('Net::SMTP::XS', 'Net::SMTP::XS::Message');

use constant {
    CHUNK   => 1_048_576,    # octets of one BDAT, about
    DOT_END => ".\r\n",
};

# What decided without a reply (RFC 3463 3).
use constant {
    CONNECTION_LOST => '4.4.2',
    NO_FEATURE      => '5.3.3',
    TOO_BIG         => '5.3.4',
    TOO_MANY        => '5.5.3',
    BAD_CONTENT     => '5.6.0',
    NO_BINARY       => '5.6.3',
    NO_UTF8         => '5.6.7',
    NO_REQUIRETLS   => '5.7.30',
    LIMIT_REACHED   => '4.5.3',
};

# The engine's words for what the server should not do.
use constant {
    GONE     => 'connection closed by the peer',
    NO_CODE  => 'reply without a code',
    NO_SENSE => "the server's reply makes no sense here",
};

use constant SERVICE_CLOSES   => 421;
use constant TOO_MANY_FOR_NOW => 452;

sub send_one {
    my ($smtp, $message) = @_;
    my $run = bless {
        smtp         => $smtp,
        message      => $message,
        recipients   => [map { { address => $_->{address} } } @{ $message->{to} }],
        began        => Time::HiRes::time(),
        timeout      => scalar $smtp->timeout,
        round_trips  => 0,
        transactions => 0,
        octets       => 0,
        sent         => scalar Net::SMTP::XS::Message::_sent($smtp),
        },
        __PACKAGE__;
    my $lived = eval { _run($run); 1 };
    my $why   = $@;
    _show_last($run);
    $smtp->timeout($run->{timeout}) if defined $message->{Deadline};
    die $why if !$lived;
    return _result($run);
}

sub _run {
    my ($run)   = @_;
    my $message = $run->{message};
    my $body    = $message->{body};

    $run->{measure} = $body->measure($message->{bare_cr} eq 'convert') if $body->can_rewind;
    my $refusal = _unfit($run) || _unable($run);
    my @todo    = 0 .. $#{ $message->{to} };
    return _decide($run, unsent => $refusal, @todo) if $refusal;
    my $gone = _gone($run);
    return _decide($run, deferred => $gone,      @todo) if $gone;
    return _decide($run, deferred => _no_more(), @todo) if _is_mail_max($run);
    while (@todo) {
        @todo = _transaction($run, @todo);
    }
    return;
}

# The object has the last reply that made sense.
sub _show_last {
    my ($run) = @_;
    my $smtp = $run->{smtp};
    return if !$run->{is_lost};
    return $smtp->set_status(@{ $run->{last} }) if $run->{last};
    $smtp->set_status(SERVICE_CLOSES, '[' . ref($smtp) . '] ' . NO_CODE)
        if join('', $smtp->message) !~ /\A\[/;
    return;
}

sub _result {
    my ($run) = @_;
    return Net::SMTP::XS::Result->new(
        recipients   => $run->{recipients},
        skip_bad     => $run->{message}{SkipBad},
        octets       => $run->{octets},
        transactions => $run->{transactions},
        round_trips  => $run->{round_trips},
        elapsed      => Time::HiRes::time() - $run->{began},
        is_reusable  => _is_open($run) && !_is_mail_max($run),
    );
}

# --- records -----------------------------------------------------------------------

sub _local {
    my ($enhanced, $text, $stage) = @_;
    return { code => undef, enhanced => $enhanced, message => $text, stage => $stage || 'local' };
}

sub _decide {
    my ($run, $outcome, $reply, @index) = @_;
    for my $i (@index) {
        my $address = $run->{recipients}[$i]{address};
        $run->{recipients}[$i] = { %$reply, address => $address, outcome => $outcome };
    }
    return;
}

# As the reply has it: 5xx is for good.
sub _decide_by_reply {
    my ($run, $reply, @index) = @_;
    my $outcome = defined $reply->{code} && $reply->{code} =~ /\A5/ ? 'refused' : 'deferred';
    return _decide($run, $outcome, $reply, @index);
}

# The last reply as a record, or what stands in its place where none came.
sub _reply {
    my ($run, $stage) = @_;
    my $smtp  = $run->{smtp};
    my $code  = $smtp->code;
    my @lines = $smtp->message;
    my $text  = join '', @lines;

    $run->{is_lost}
        = $code !~ /\A[2-5]\d\d\z/ || $code eq SERVICE_CLOSES && (!@lines || $text =~ /\A\[/);
    return _no_reply($stage, $text) if $run->{is_lost};
    $run->{last} = [$code, [@lines]];
    my ($class) = $code =~ /\A(\d)/;
    my $enhanced;
    for my $line (@lines) {
        $enhanced = $1 if $line =~ s/\A($class\.\d{1,3}\.\d{1,3})(?: |$)//;
    }
    $text = join '', map { s/\r?\n\z/\n/r } @lines;    # a getline of others may keep the CR
    chomp $text;
    return { code => $code, enhanced => $enhanced, message => $text, stage => $stage };
}

# What the object says where no reply came is "[CLASS] WORDS".  The engine has
# words of its own.
my %words = ('Connection closed' => GONE, Timeout => 'timeout');

sub _no_reply {
    my ($stage, $text) = @_;
    my ($words) = $text =~ /\A\[[^\]\n]*\] (.*)/;
    return _local(CONNECTION_LOST, $words{ $words // '' } // $words // NO_CODE, $stage);
}

# --- what is known before the first octet ------------------------------------------

sub _offers {
    my ($run, $extension) = @_;
    my $words = $run->{smtp}->supports($extension);
    $words =~ s/\r\z// if defined $words;    # as in _reply
    return $words;
}

# What only informs: left out where the server does not know it.
my @informing = (
    [Size => 'SIZE'], [Return => 'DSN'],   [Envelope => 'DSN'], [ENVID => 'DSN'],
    [AUTH => 'AUTH'], [XVERP  => 'XVERP'], [Priority => 'MT-PRIORITY'],
);

# What changes who gets the message: without it the message is not sent.
my @binding = (
    [RequireTLS => 'REQUIRETLS',    NO_REQUIRETLS],
    [DeliverBy  => 'DELIVERBY',     NO_FEATURE],
    [HoldFor    => 'FUTURERELEASE', NO_FEATURE],
    [HoldUntil  => 'FUTURERELEASE', NO_FEATURE],
);

# The message itself cannot be sent as it is.
sub _unfit {
    my ($run)   = @_;
    my $message = $run->{message};
    my $measure = $run->{measure};
    my $binary  = ($message->{Bits} // '') eq 'binary';

    if ($measure) {
        $run->{size} = $measure->{ $binary ? 'raw' : 'size' };
        return _local(BAD_CONTENT, "bare CR in message data (BareCR => 'refuse')")
            if $measure->{bare_cr} && $message->{bare_cr} eq 'refuse' && !$binary;
    }
    my $limit  = _offers($run, 'SIZE') || 0;
    my ($size) = sort { $b <=> $a } grep { defined } @{$run}{'size'}, $message->{Size}, 0;
    return _local(TOO_BIG, "a message of $size octets; the server takes $limit")
        if $limit =~ /\A[1-9]\d*\z/ && $size > $limit;
    return;
}

# The server cannot do what the options, or the addresses, need.  Otherwise
# sets the options of mail.
sub _unable {
    my ($run)   = @_;
    my $message = $run->{message};
    my %mail    = map { defined $message->{$_} ? ($_ => $message->{$_}) : () }
        qw(Size Return Bits Envelope ENVID AUTH SMTPUTF8 DeliverBy HoldFor HoldUntil
        Priority RequireTLS);
    delete @mail{ grep { !$mail{$_} } grep { exists $mail{$_} } qw(SMTPUTF8 RequireTLS) };
    $mail{XVERP} = 1 if $message->{XVERP};

    for my $option (@binding) {
        my ($name, $extension, $enhanced) = @$option;
        return _local($enhanced, "$name: the server does not offer $extension")
            if exists $mail{$name} && !defined _offers($run, $extension);
    }
    my $missing = _choose_bits($run, \%mail) || _choose_paths($run, \%mail) || _too_many($run);
    return $missing if $missing;
    $mail{Size} = $run->{size}
        if defined $run->{size} && !defined $mail{Size} && defined _offers($run, 'SIZE');
    _leave_out($run, \%mail);
    $run->{mail} = \%mail;
    return;
}

sub _leave_out {
    my ($run, $mail) = @_;
    my $to = $run->{message}{to};
    my %missing;
    for my $option (@informing, [SMTPUTF8 => 'SMTPUTF8']) {
        my ($name, $extension) = @$option;
        next if !exists $mail->{$name} || defined _offers($run, $extension);
        delete $mail->{$name};
        $missing{$extension} = 1;
    }
    my $notify = $run->{message}{Notify};
    $run->{dsn} = defined _offers($run, 'DSN');
    $missing{DSN} = 1
        if !$run->{dsn} && (defined $notify || grep { $_->{Notify} || $_->{ORcpt} } @$to);
    Carp::carp("Net::SMTP::XS::send_message: $_ option not supported by host")
        for sort keys %missing;
    return;
}

sub _choose_bits {
    my ($run, $mail) = @_;
    my $bits  = $mail->{Bits};
    my $eight = defined _offers($run, '8BITMIME');

    if (!defined $bits) {
        $mail->{Bits} = 8 if $eight && (!$run->{measure} || $run->{measure}{eight_bit});
    }
    elsif ($bits eq 'binary') {
        return _local(
            NO_BINARY,
            "Bits => 'binary': the server does not offer BINARYMIME and CHUNKING"
        ) if !defined _offers($run, 'BINARYMIME') || !defined _offers($run, 'CHUNKING');
    }
    elsif (!$eight) {
        delete $mail->{Bits};
        Carp::carp('Net::SMTP::XS::send_message: 8BITMIME option not supported by host');
    }
    return;
}

# Which addresses need SMTPUTF8, or an ASCII form.
sub _choose_paths {
    my ($run, $mail) = @_;
    my $message = $run->{message};
    my $utf8    = defined _offers($run, 'SMTPUTF8');
    my @path    = (
        [$message->{from}, \$run->{from}],
        map { [$_->{path}, \$_->{ascii_path}] } @{ $message->{to} }
    );

    for my $path (grep { $_->[0] =~ /[^\x00-\x7f]/ } @path) {
        if ($utf8) { $mail->{SMTPUTF8} = 1; next }
        return _local(NO_UTF8, "<$path->[0]>: the server does not offer SMTPUTF8")
            if $path->[0] =~ /[^\x00-\x7f].*\@/s || $path->[0] !~ /\@/;
        my ($ascii) = Net::SMTP::XS::Message::ascii_path($path->[0]);
        return _local(
            NO_UTF8,
            "the server does not offer SMTPUTF8; the domain of $path->[0] needs it, or "
                . join(' or ', Net::SMTP::XS::Message::idn_modules())
                . ' to be written in ASCII'
        ) if !defined $ascii;
        ${ $path->[1] } = $ascii;
    }
    return;
}

# LIMITS (RFC 9422).
sub _limit {
    my ($run, $name) = @_;
    my $limits = _offers($run, 'LIMITS') // '';
    return $limits =~ /(?:^| )$name=([1-9]\d{0,5})(?: |$)/i ? $1 : undef;
}

sub _too_many {
    my ($run) = @_;
    my @to = @{ $run->{message}{to} };
    return if @to == _group($run, 0 .. $#to);
    return if $run->{message}{SkipBad};
    return _local(TOO_MANY, 'more recipients than the server takes at once');
}

sub _is_mail_max {
    my ($run) = @_;
    my $limit = _limit($run, 'MAILMAX');
    return defined $limit && Net::SMTP::XS::Message::_mails($run->{smtp}) >= $limit;
}

sub _no_more {
    return _local(
        CONNECTION_LOST, 'the server takes no more messages on this connection',
        'connect'
    );
}

sub _full { return _local(LIMIT_REACHED, 'the server takes no more recipients with this', 'rcpt') }

# Those of these recipients that go into one transaction.
sub _group {
    my ($run, @index) = @_;
    my $most    = _limit($run, 'RCPTMAX') // @index;
    my $domains = _limit($run, 'RCPTDOMAINMAX') // @index;
    my (@group, %seen);
    for my $i (@index) {
        my ($domain) = $run->{message}{to}[$i]{path} =~ /\@([^@]*)\z/;
        last if @group == $most;
        $domain = lc($domain // '');
        next if !$seen{$domain} && keys %seen == $domains;
        $seen{$domain} = 1;
        push @group, $i;
    }
    return @group;
}

# --- the connection ----------------------------------------------------------------

sub _is_open { return defined fileno $_[0]{smtp} }

sub _close {
    my ($run) = @_;
    $run->{smtp}->close if _is_open($run);
    return 0;
}

# The connection is closed, or the server has said something unasked, which is
# its goodbye and no reply to MAIL.  Under TLS what can be read may be no reply.
sub _gone {
    my ($run) = @_;
    my $smtp = $run->{smtp};
    return _local(CONNECTION_LOST, 'Connection closed', 'connect') if !_is_open($run);
    _has_input($smtp) or return;
    _clock($run) or return _time_is_up('connect');
    return _goodbye($run, 'connect');
}

# What is there although nothing was asked: a 421, or nobody knows what it answers.
sub _goodbye {
    my ($run, $stage) = @_;
    my $last = $run->{last};
    $run->{smtp}->response;
    my $reply = _reply($run, $stage);
    _close($run);
    return $reply
        if $reply->{code}
        && $reply->{code} =~ ($stage eq 'end' ? qr/\A[45]/ : qr/\A${\ SERVICE_CLOSES}\z/);
    @$run{qw(last is_lost)} = ($last, 1);
    return _local(CONNECTION_LOST, defined $reply->{code} ? NO_CODE : $reply->{message}, $stage);
}

sub _has_input {
    my ($smtp) = @_;
    return 1 if Net::SMTP::XS::_unread($smtp);
    return 0 if tied *$smtp || !defined fileno $smtp;
    vec(my $readable = '', fileno $smtp, 1) = 1;
    return select($readable, undef, undef, 0) > 0;
}

sub _time_is_up { return _local(CONNECTION_LOST, 'timeout', $_[0]) }

# Lets no wait last longer than the Deadline: false when it has passed.
sub _clock {
    my ($run) = @_;
    my $deadline = $run->{message}{Deadline};
    return 1 if !defined $deadline;
    my $left = $run->{began} + $deadline - Time::HiRes::time();
    return 0 if $left <= 0;
    my $timeout = $run->{timeout};
    $run->{smtp}->timeout(!$timeout || $left < $timeout ? $left : $timeout);
    return 1;
}

# A command by its method: whether it was accepted.  $run->{reply} has why.
sub _ask {
    my ($run, $stage, $method, @argument) = @_;
    if (!_clock($run)) {
        _close($run);
        $run->{reply} = _time_is_up($stage);
        return 0;
    }
    if (!_is_open($run) || _has_input($run->{smtp})) {
        $run->{reply}
            = _is_open($run) ? _goodbye($run, $stage) : _local(CONNECTION_LOST, GONE, $stage);
        return 0;
    }
    $run->{round_trips}++;
    my $ok = $run->{smtp}->$method(@argument);
    return _answered($run, $stage, $ok);
}

sub _answered {
    my ($run, $stage, $ok) = @_;
    my $reply = _reply($run, $stage);
    $reply = _local(CONNECTION_LOST, NO_SENSE, $stage)
        if !$ok && defined $reply->{code} && $reply->{code} !~ /\A[45]/;
    $run->{reply} = $reply;
    _close($run) if !defined $run->{reply}{code} || $run->{reply}{code} eq SERVICE_CLOSES;
    return $ok && _is_open($run);
}

sub _reset {
    my ($run) = @_;
    return _is_open($run) && (_ask($run, 'body', 'reset') || _close($run));
}

# --- a transaction -------------------------------------------------------------------

# Sends the message to those of these recipients that fit: those that are left
# for another transaction.
sub _transaction {
    my ($run, @todo) = @_;
    my $message = $run->{message};
    my @group   = _group($run, @todo);
    my %grouped = map  { $_ => 1 } @group;
    my @rest    = grep { !$grouped{$_} } @todo;

    if (!_mail($run)) {
        _decide_by_reply($run, $run->{reply}, @group, @rest);
        return;
    }
    my ($accepted, $later) = _recipients($run, @group);
    my @accepted = @$accepted;
    if (!_is_open($run)) {
        _decide($run, deferred => $run->{reply}, @accepted, @rest);
        return;
    }
    if (@accepted < @group && !$message->{SkipBad}) {
        _decide($run, unsent => _worst($run, @group), @accepted);
        @accepted = ();
    }
    my $goes_on = @accepted ? _send_body($run, @accepted) : _reset($run);
    return sort { $a <=> $b } @rest, @accepted ? @$later : ()
        if $goes_on && !_is_mail_max($run) && _is_open($run) && $message->{body}->can_rewind;
    if (_is_open($run)) { _leave($run, $run->{refusal} || _full(), @rest) }
    else                { _decide($run, deferred => _lost($run), @rest) }
    return;
}

# Those whom no transaction asked.
sub _leave {
    my ($run, $why, @index) = @_;
    return _decide($run, unsent => $why, @index);
}

sub _lost {
    my ($run) = @_;
    my $code = $run->{reply}{code};
    return $run->{reply} if !defined $code || $code =~ /\A4/;
    return _local(CONNECTION_LOST, 'Connection closed', $run->{reply}{stage});
}

# As it was given, for the methods' own code to look at; what is not ASCII as
# the octets that were made of it.
sub _wire_form {
    my ($given, $path, $ascii) = @_;
    return defined $ascii ? "<$ascii>" : $path =~ /[^\x00-\x7f]/ ? "<$path>" : $given;
}

sub _mail {
    my ($run)   = @_;
    my $message = $run->{message};
    my $from    = _wire_form($message->{from_given}, $message->{from}, $run->{from});
    $run->{transactions}++;
    return _ask($run, 'mail', mail => $from, %{ $run->{mail} });
}

# Asks for each: those that were accepted, and those that a further transaction
# may ask again.
# Without SkipBad too all are asked, so that each has a reply of its own.
sub _recipients {
    my ($run, @group) = @_;
    my (@accepted, @later);
    while (defined(my $i = shift @group)) {
        my $to      = $run->{message}{to}[$i];
        my $address = _wire_form(@$to{qw(address path ascii_path)});
        if (_ask($run, 'rcpt', recipient => $address, _dsn($run, $to))) {
            push @accepted, $i;
        }
        elsif (!_is_open($run)) {
            _decide($run, deferred => $run->{reply}, $i, @group);
            last;
        }
        else {
            _decide_by_reply($run, $run->{reply}, $i);
            push @later, $i if _is_for_later($run);
        }
    }
    return (\@accepted, \@later);
}

sub _is_for_later {
    my ($run) = @_;
    return
           $run->{reply}{code} eq TOO_MANY_FOR_NOW
        && $run->{message}{SkipBad}
        && $run->{message}{body}->can_rewind;
}

# The options of recipient: also where there are none, lest an address be
# taken for them.
sub _dsn {
    my ($run, $to) = @_;
    return {} if !$run->{dsn};
    my $notify = $to->{Notify} // $run->{message}{Notify};
    return {
        (defined $notify      ? (Notify => ref $notify ? $notify : [$notify]) : ()),
        (defined $to->{ORcpt} ? (ORcpt  => $to->{ORcpt})                      : ()),
    };
}

# Of the refusals of a group the one that counts for all.
sub _worst {
    my ($run, @group) = @_;
    my @refused = grep { defined $_->{outcome} } @{ $run->{recipients} }[@group];
    my ($worst) = ((grep { $_->{outcome} eq 'refused' } @refused), @refused);
    return { map { $_ => $worst->{$_} } qw(code enhanced message stage) };
}

# --- the body --------------------------------------------------------------------

sub _send_body {
    my ($run, @accepted) = @_;
    my $message = $run->{message};
    my $binary  = ($message->{Bits} // '') eq 'binary';
    my $chunks  = $binary
        || $run->{measure} && ($message->{Chunking} // 1) && defined _offers($run, 'CHUNKING');

    $message->{body}->rewind if $run->{transactions} > 1;
    $run->{octets} = 0;
    return $chunks ? _send_chunks($run, $binary, @accepted) : _send_data($run, @accepted);
}

sub _progress {
    my ($run) = @_;
    my $tell = $run->{message}{Progress} or return;
    $tell->($run->{octets}, $run->{size});
    return;
}

# A command that is given in between ends the session, lest it be text.
sub _busy {
    my ($run, $more) = @_;
    Net::SMTP::XS::Message::_busy($run->{smtp}, $more);
    return;
}

# What the caller's code does may die: then nobody gets the message.
sub _from_caller {
    my ($run, $code, $give_up) = @_;
    my $value;
    _busy($run, 1);
    my $lived = eval { $value = $code->(); 1 };
    my $why   = $@;
    _busy($run, -1);
    return $value if $lived;
    {
        local $@;
        eval { $give_up->() }
    }
    die $why;
}

# By DATA.  Nothing but the end of the connection keeps a half-sent message
# from being delivered.
sub _send_data {
    my ($run, @accepted) = @_;
    my $body    = $run->{message}{body};
    my $encoder = _encoder($run);
    my $close   = sub { _close($run) };

    if (!_ask($run, data => 'data')) {
        my $reply = $run->{reply};
        _reset($run);
        return _refuse($run, $reply, @accepted);
    }
    my $last;
    until ($last) {
        my $piece = _from_caller($run, sub { $body->next }, $close);
        $last = !$piece;
        my $octets = _from_caller($run, sub { $encoder->($last ? '' : $$piece, $last) }, $close);
        next if !length $octets && !$last;
        if (!_clock($run)) {
            _close($run);
            return _refuse($run, _time_is_up('body'), @accepted);
        }
        if (length $octets && !$run->{smtp}->datasend($octets)) {
            _answered($run, 'body', 0);
            _close($run);
            return _refuse($run, $run->{reply}, @accepted);
        }
        $run->{octets} += length $octets;
        _from_caller($run, sub { _progress($run) }, $close);
    }
    my $ok = _ask_end($run, length DOT_END, 'dataend');
    return _end($run, $ok, @accepted);
}

# By BDAT: chunks, of which the last one ends the message.
sub _send_chunks {
    my ($run, $binary, @accepted) = @_;
    my $smtp    = $run->{smtp};
    my $body    = $run->{message}{body};
    my $encoder = $binary ? sub { $_[0] } : _encoder($run);
    my $reset   = sub { _reset($run) };
    my ($chunk, $last) = ('', 0);

    while (!$last) {
        my $piece = _from_caller($run, sub { $body->next }, $reset);
        $last = !$piece;
        $chunk .= _from_caller($run, sub { $encoder->($last ? '' : $$piece, $last) }, $reset);
        next if !$last && length $chunk < CHUNK;
        $run->{octets} += length $chunk;
        _from_caller($run, sub { _progress($run) }, $reset) if $last;
        ${*$smtp}{net_smtp_chunking} = 1;
        last if $last;

        if (!_ask($run, body => bdat => $chunk)) {
            _decide_by_reply($run, $run->{reply}, @accepted);
            _reset($run);
            return 0;
        }
        _from_caller($run, sub { _progress($run) }, $reset);
        $chunk = '';
    }
    my $length = length $chunk;
    my $ok     = _ask_end($run, $length + length "BDAT $length LAST\r\n", bdatlast => $chunk);
    return _end($run, $ok, @accepted) || _reset($run) && 0;
}

# Line ends as they are sent, piece by piece: (octets, 1 at the end) to octets.
sub _encoder {
    my ($run) = @_;
    my $rule = $run->{message}{bare_cr};
    my ($held, $at_start) = ('', 1);    # a CR whose LF may come
    return sub {
        my ($octets, $is_end) = @_;
        $octets = $held . $octets;
        $held   = '';
        $held   = chop $octets if !$is_end && $octets =~ /\r\z/;
        die "send_message: BareCR: the body has a CR that no LF follows\n"
            if $rule eq 'refuse' && $octets =~ /\r(?!\n)/;
        $octets =~ s/\r(?!\n)/\r\n/g if $rule eq 'convert';
        $octets =~ s/(?<!\r)\n/\r\n/g;
        $at_start = $octets =~ /\n\z/ if length $octets;
        $octets .= "\r\n" if $is_end && !$at_start;
        return $octets;
    };
}

# What ends the message, of so many octets.  Notes whether all of them were
# handed over: then the server may have it.  A class that writes with code of its
# own can not be asked.
sub _ask_end {
    my ($run, $octets, $method, @argument) = @_;
    my ($asked, $sent) = ($run->{round_trips}, _sent($run));
    my $ok = _ask($run, end => $method, @argument);
    $run->{is_handed} = $run->{round_trips} > $asked
        && ($sent == $run->{sent} || _sent($run) - $sent >= $octets);
    return $ok;
}

sub _sent { return Net::SMTP::XS::Message::_sent($_[0]{smtp}) }

# The end was sent, and perhaps answered: one reply, by LMTP one a recipient.
# True where the message was accepted for anybody.
sub _end {
    my ($run, $ok, @accepted) = @_;
    my $lmtp = ${ *{ $run->{smtp} } }{net_smtp_lmtp};
    my $any  = $ok;
    while (@accepted) {
        my @answered = $lmtp ? shift @accepted : splice @accepted;
        my $reply    = $run->{reply};
        if (!defined $reply->{code} && $run->{is_handed}) {
            _decide($run, unknown => $reply, @answered, @accepted);
            last;
        }
        if ($ok) { _decide($run, accepted => $reply, @answered) }
        else     { _refuse($run, $reply, @answered) }
        last if !@accepted;
        if (!_is_open($run)) {
            _decide($run, unknown => $reply, @accepted);
            last;
        }
        $ok = _answered($run, 'end', $run->{smtp}->response eq '2');
        $any ||= $ok;
    }
    return $any;
}

# The reply is also the reason why others are not asked.
sub _refuse {
    my ($run, $reply, @index) = @_;
    $reply = { %$reply, stage => 'body' } if $reply->{stage} eq 'end' && !$run->{is_handed};
    $run->{refusal} = $reply;
    _decide_by_reply($run, $reply, @index);
    return 0;
}

1;
