package NSX::Test::Server::Session;

# The smtp mode of NSX::Test::Server: one SMTP or LMTP session that does what a
# server does, save where its table says otherwise, and that notes what a client
# must not do.
#
#   smtp => { extensions => [...], ... }      or a list of such tables, one for
#                                             each connection, the last for the rest
#
# The table:
#   extensions  lines of the reply to EHLO or LHLO, as they are: 'PIPELINING',
#               'SIZE 1000', 'CHUNKING', 'DELIVERBY 60', 'LIMITS RCPTMAX=3', ...
#   banner, domain   the greeting, the name in it
#   helo_only   1: no EHLO
#   lmtp        1: LHLO, and after the end a reply for each accepted recipient
#   replies     { VERB => reply | [ replies, one a time, the last stays ] | sub },
#               END for the end of the data or of BDAT LAST; `on` is the same with
#               '.' for END. A reply is text without its final CRLF, undef for the
#               usual one, or a reference to the name of a method of the
#               connection instead of a reply: \'reset', \'close', \'silence'.
#               A sub gets (line, session), for END (body, session, recipient),
#               the recipient under LMTP only; it may read on from {conn}.
#   delay       seconds before each reply, or { VERB => seconds }; what comes
#               meanwhile is read, so that a client that does not wait is caught
#   hold        { VERB => qr/.../ }: that reply leaves only when the octets from
#               the begin of its command match
#   gather      1: replies leave together, when all that has come is answered
#   no_ahead    1: an octet is read only when its turn has come
#   cut         { received => N or sent => N, how => 'fin', 'rst', 'close',
#               'silence' (reads on) or 'stuck' }: what happens after that many octets
#
# Without orders a recipient whose address begins with "bad" gets 550.
#
# In the log a connection then has
#   commands    [ { line, at, reply } ], `at` the octets received up to its end
#   breaches    texts: what RFC 5321, 2920, 3030, 2033 or an extension forbid
#   in, out     every octet received, sent; see NSX::Test::Server->turns

use strict;
use warnings;

# These wait for their reply: RFC 2920 3.1, RFC 3207 4.2, RFC 4954 4.
my %last_of_group = map { $_ => 1 }
    qw(EHLO HELO LHLO DATA VRFY EXPN TURN QUIT NOOP STARTTLS AUTH);

# Parameters and the extension each needs.
my %needs = (
    MAIL => {
        SIZE  => 'SIZE',      SMTPUTF8   => 'SMTPUTF8',   RET        => 'DSN',
        ENVID => 'DSN',       BY         => 'DELIVERBY',  HOLDFOR    => 'FUTURERELEASE',
        AUTH  => 'AUTH',      HOLDUNTIL  => 'FUTURERELEASE', 'MT-PRIORITY' => 'MT-PRIORITY',
        XVERP => 'XVERP',     REQUIRETLS => 'REQUIRETLS',
        'BODY=7BIT'     => '8BITMIME',
        'BODY=8BITMIME' => '8BITMIME',
        'BODY=BINARYMIME' => 'BINARYMIME',
    },
    RCPT => { NOTIFY => 'DSN', ORCPT => 'DSN' },
);

sub new {
    my ($class, $table, $conn, $log) = @_;
    my %cfg = (domain => 'mx.test', extensions => [], on => {}, %$table);
    my %replies = %{ $cfg{replies} || {} };
    $replies{'.'} = delete $replies{END} if exists $replies{END};
    $cfg{on} = { %{ $cfg{on} }, %replies };
    my $self = bless { cfg => \%cfg, conn => $conn, log => $log }, $class;
    $self->_forget;
    @$conn{qw(gather no_ahead out commands breaches)}
        = (@cfg{qw(gather no_ahead)}, '', [], []);
    $conn->{cut} = { %{ $cfg{cut} } } if $cfg{cut};
    return $self;
}

# The whole session, to QUIT or the client's end.
sub run {
    my $self = shift;
    my $cfg  = $self->{cfg};
    my $conn = $self->{conn};
    my $kind = $cfg->{lmtp} ? 'LMTP ready' : 'ready';
    $self->_say(CONNECT => $cfg->{banner} || "220 $cfg->{domain} $kind");
    while (1) {
        $self->{from_pos} = $conn->{pos};
        defined(my $line = $conn->line) or last;
        $self->_breach('a line that ends in LF alone') if $line !~ s/\r\n\z// && chomp $line;
        my $verb = uc((split ' ', $line)[0] || '');
        push @{ $conn->{commands} }, { line => $line, at => $conn->{pos} };
        $self->_wait($verb);
        $self->_watch($verb, $line);
        my $reply = $self->_special($cfg->{on}{$verb}, $line, $self);
        $self->_say($verb => $self->_answer($verb, $line, $reply));
        last if $verb eq 'QUIT';
    }
    $conn->flush;
    return;
}

# ---- replies

sub _special {
    my ($self, $rule, @args) = @_;
    return $rule->(@args) if ref $rule eq 'CODE';
    return @$rule > 1 ? shift @$rule : $rule->[0] if ref $rule eq 'ARRAY';
    return $rule;
}

sub _say {
    my ($self, $verb, $reply) = @_;
    return if !defined $reply;
    my $conn = $self->{conn};
    $conn->{commands}[-1]{reply} = $reply if @{ $conn->{commands} } && !ref $reply;
    if (ref $reply) { my $end = $$reply; $conn->$end; return }
    $conn->send("$reply\r\n");
    return;
}

# What is to come, or to pass, before the reply to this verb.
sub _wait {
    my ($self, $verb) = @_;
    my $conn  = $self->{conn};
    my $delay = $self->{cfg}{delay};
    $delay = $delay->{$verb} if ref $delay;
    $conn->linger($delay) if $delay;
    my $until = $self->{cfg}{hold} && $self->{cfg}{hold}{$verb} or return;
    while (substr($conn->{in}, $self->{from_pos}) !~ $until) {
        $conn->fill or last;
    }
    return;
}

sub _answer {
    my ($self, $verb, $line, $special) = @_;
    return $special if ref $special;
    return $self->_chunk($line, $special) if $verb eq 'BDAT';
    return $special if defined $special && $special !~ /^[23]/;
    return $self->_data($special) if $verb eq 'DATA';
    my $handler = $self->can("_do_$verb");
    my $usual = $handler ? $self->$handler($line) : '500 what?';
    return defined $special ? $special : $usual;
}

sub _forget {
    my $self = shift;
    @$self{qw(from to bits chunks utf8 lost)} = (undef, undef, undef, undef, undef, undef);
    return;
}

sub _do_EHLO {
    my ($self, $line, $lmtp) = @_;
    return '500 LHLO, please' if $self->{cfg}{lmtp} && !$lmtp;
    return '502 HELO, please' if $self->{cfg}{helo_only};
    $self->_forget;
    $self->{helo} = $line;
    my @lines = ("$self->{cfg}{domain} at your service", @{ $self->{cfg}{extensions} });
    $self->{offers} = { map { /^([^ =]+)/ ? (uc $1 => 1) : () } @{ $self->{cfg}{extensions} } };
    my $last = pop @lines;
    return join '', (map {"250-$_\r\n"} @lines), "250 $last";
}

sub _do_LHLO {
    my ($self, $line) = @_;
    return $self->{cfg}{lmtp} ? $self->_do_EHLO($line, 1) : '500 what?';
}

sub _do_HELO {
    my ($self, $line) = @_;
    return '500 LHLO, please' if $self->{cfg}{lmtp};
    @$self{qw(helo offers)} = ($line, {});
    return "250 $self->{cfg}{domain}";
}

sub _do_MAIL {
    my ($self, $line) = @_;
    $self->_forget;
    @$self{qw(from to bits)} = (_path($line), [], $line =~ /BODY=(\S+)/ ? $1 : undef);
    $self->{utf8} = $line =~ /> .*\bSMTPUTF8\b/i;
    return '250 sender ok';
}

sub _do_RCPT {
    my ($self, $line) = @_;
    return '503 MAIL first' unless $self->{to};
    my $to = _path($line);
    return '550 no such user' if $to =~ /^bad/;
    push @{ $self->{to} }, $to;
    return '250 recipient ok';
}

sub _do_RSET { $_[0]->_forget; return '250 reset' }
sub _do_NOOP { return '250 done' }
sub _do_QUIT { return '221 bye' }
sub _do_VRFY { return '252 try it' }
sub _do_ETRN { return '250 queue started' }
sub _do_HELP { return "214-first\r\n214 second" }
sub _do_EXPN { return "250-<a\@test>\r\n250 <b\@test>" }

sub _path { return $_[0] =~ /<([^>]*)>/ ? $1 : '' }

# ---- bodies

# A 354 ordered by the table is said even where there is no recipient.
sub _data {
    my ($self, $special) = @_;
    my $asked = defined $special ? $special : '354 go on';
    my $empty = !$self->{to} || !@{ $self->{to} };
    return '503 RCPT first' if $empty && !defined $special;
    $self->_say(DATA => $asked);
    return if $asked !~ /^3/;
    my $conn = $self->{conn};
    $self->{from_pos} = $conn->{pos};
    my $body = $conn->body;
    if (!defined $body) {    # it was cut off: nothing of it is a command
        $conn->{pos} = length $conn->{in};
        return;
    }
    push @{ $conn->{commands} }, { line => '.', at => $conn->{pos} };
    $self->_wait('END');
    $self->_watch_order('.');
    $body =~ s/\.\r\n\z//;
    $self->_breach('bare CR or LF in the message') if $body =~ /\r(?!\n)|(?<!\r)\n/;
    $body =~ s/^\.//mg;
    return $self->_end($body);
}

sub _chunk {
    my ($self, $line, $special) = @_;
    my ($size, $last) = $line =~ /^BDAT (\d+)( LAST)?\z/i;
    my $conn  = $self->{conn};
    my $chunk = $conn->octets($size || 0);
    return if length $chunk < ($size || 0);    # cut off: no answer to be had
    $conn->{commands}[-1]{at} = $conn->{pos};
    $self->_watch_order('BDAT');
    my $refusal = $self->_chunk_refusal($special);
    return $refusal if defined $refusal;
    $self->{chunks} = '' if !defined $self->{chunks};
    $self->{chunks} .= $chunk;
    return defined $special ? $special : '250 chunk taken' if !$last;
    $self->_breach('bare CR or LF in a chunk')
        if uc($self->{bits} || '') ne 'BINARYMIME' && $self->{chunks} =~ /\r(?!\n)|(?<!\r)\n/;
    return $self->_end($self->{chunks}, $special);
}

# After a refused chunk the rest of the message is refused until RSET: RFC 3030 3.
sub _chunk_refusal {
    my ($self, $special) = @_;
    my $lost = $self->{lost};
    my $refusal
        = defined $special && $special !~ /^2/ ? $special
        : $lost                                ? '503 RSET first'
        : !$self->{to} || !@{ $self->{to} }    ? '503 RCPT first'
        :                                        return;
    $self->{lost} = 1;
    return $refusal;
}

# The reply to the whole message, or under LMTP the replies; what is not refused
# is delivered.
sub _end {
    my ($self, $body, $special) = @_;
    my $to   = $self->{to} || [];
    my @asks = $self->{cfg}{lmtp} ? @$to : undef;
    my (@replies, @taken);
    for my $recipient (@asks) {
        my $reply = $self->_special($self->{cfg}{on}{'.'}, $body, $self, $recipient);
        $reply = defined $special ? $special : defined $self->{chunks} ? '250 chunk taken' : '250 queued'
            if !defined $reply;
        push @replies, $reply;
        push @taken, $recipient if !ref $reply && $reply =~ /^2/;
    }
    @taken = @$to if @taken && !$self->{cfg}{lmtp};
    $self->_deliver($body, \@taken) if grep { !ref && /^2/ } @replies;
    $self->_forget;
    my $last = pop @replies;
    $self->_say(END => $_) for @replies;
    return $last;
}

sub _deliver {
    my ($self, $data, $to) = @_;
    push @{ $self->{log}{messages} },
        { (map { $_ => $self->{$_} } qw(from bits helo)), to => $to, data => $data };
    return;
}

# ---- what a client must not do

sub _breach {
    my ($self, $text) = @_;
    push @{ $self->{conn}{breaches} }, $text;
    return;
}

sub _watch {
    my ($self, $verb, $line) = @_;
    $self->_watch_order($verb) if $verb ne 'BDAT';
    $self->_breach("$verb inside a transaction") if $verb eq 'MAIL' && defined $self->{from};
    $self->_breach("$verb without MAIL")
        if $verb =~ /^(?:RCPT|DATA|BDAT)\z/ && !defined $self->{from};
    $self->_breach('BDAT without CHUNKING') if $verb eq 'BDAT' && !$self->{offers}{CHUNKING};
    $self->_breach('BDAT without a size')
        if $verb eq 'BDAT' && $line !~ /^BDAT \d+(?: LAST)?\z/i;
    $self->_breach('DATA among chunks') if $verb eq 'DATA' && defined $self->{chunks};
    $self->_breach('DATA for a binary message')
        if $verb eq 'DATA' && uc($self->{bits} || '') eq 'BINARYMIME';
    $self->_breach("EHLO or HELO under LMTP") if $self->{cfg}{lmtp} && $verb =~ /^(?:EHLO|HELO)\z/;
    $self->_watch_parameters($verb, $line) if $needs{$verb};
    return;
}

sub _watch_order {
    my ($self, $verb) = @_;
    return if !$self->{conn}->unread;
    $self->_breach("octets before the reply to $verb") if $last_of_group{$verb};
    $self->_breach("octets before the reply to $verb without PIPELINING")
        if !$last_of_group{$verb} && !$self->{offers}{PIPELINING};
    return;
}

sub _watch_parameters {
    my ($self, $verb, $line) = @_;
    my ($parameters) = $line =~ /> (.*)\z/;
    my $utf8 = $self->{utf8} || defined $parameters && $parameters =~ /\bSMTPUTF8\b/i;
    $self->_breach("octets above 127 in $verb without SMTPUTF8")
        if !$utf8 && $line =~ /[\x80-\xff]/;
    for my $parameter (split ' ', defined $parameters ? $parameters : '') {
        my ($name) = $parameter =~ /^([^=]*)/;
        my $key = uc($name) eq 'BODY' ? uc $parameter : uc $name;
        my $needed = $needs{$verb}{$key};
        $self->_breach("$verb with an unknown $name"), next if !$needed;
        $self->_breach("$verb with $name without $needed") if !$self->{offers}{$needed};
    }
    return;
}

1;
