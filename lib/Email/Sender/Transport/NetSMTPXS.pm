package Email::Sender::Transport::NetSMTPXS;

use Moo;
extends 'Email::Sender::Transport::SMTP';

use Email::Sender::Failure::Multi;
use Email::Sender::Failure::Permanent;
use Email::Sender::Failure::Temporary;
use MooX::Types::MooseLike::Base qw(Bool HashRef);
use Net::SMTP::XS;

has persistent => (is => 'ro', isa => Bool, default => sub { 0 });

has message_options => (is => 'ro', isa => HashRef, default => sub { {} });

has pool => (
    is  => 'ro',
    isa => sub {
        die "pool: it takes a Net::SMTP::XS::Pool\n" if !eval { $_[0]->can('send') }
    },
);

has _client => (is => 'rw', init_arg => undef);

# --- the connection ----------------------------------------------------------

my %security = (
    0             => '',
    ''            => '',
    1             => 'ssl',
    ssl           => 'ssl',
    starttls      => 'starttls',
    maybestarttls => 'maybestarttls',
);

sub BUILD {
    my ($self) = @_;
    Carp::croak('ssl => "' . $self->ssl . q{": it takes 1, 'ssl', 'starttls' or 'maybestarttls'})
        if !exists $security{ lc $self->ssl };
    Carp::croak('sasl_username needs a sasl_password')
        if defined $self->sasl_username && !defined $self->sasl_password;
    return;
}

sub _connect {
    my ($self)   = @_;
    my $security = $security{ lc $self->ssl };
    my $client   = Net::SMTP::XS->new(
        [$self->hosts],
        Port    => $self->port,
        Timeout => $self->timeout,
        Debug   => $self->debug,
        ($security eq 'ssl' ? (SSL => 1, %{ $self->ssl_options }) : ()),
        (
            map { defined $_->[1] ? @$_ : () } [Hello => $self->helo],
            [LocalAddr => $self->localaddr], [LocalPort => $self->localport]
        ),
    );
    _fail(
        sprintf 'unable to establish SMTP connection to (%s) port %s: %s',
        join(', ', $self->hosts), $self->port, $@
    ) if !$client;
    my $wants_tls = $security eq 'starttls'
        || $security eq 'maybestarttls' && defined scalar $client->supports('STARTTLS');
    _fail_by_reply("can't STARTTLS", $client)
        if $wants_tls && !$client->starttls(%{ $self->ssl_options });
    _fail_by_reply('failed AUTH', $client)
        if defined $self->sasl_username
        && length $self->sasl_username
        && !$client->auth($self->sasl_username, $self->sasl_password);
    return $client;
}

sub disconnect {
    my ($self) = @_;
    my $client = $self->_client or return;
    $self->_client(undef);
    $client->quit;
    return;
}

# --- failures ------------------------------------------------------------------

my %class_of = (4 => 'Email::Sender::Failure::Temporary', 5 => 'Email::Sender::Failure::Permanent');

sub _failure {
    my ($message, $digit, $code, @recipients) = @_;
    my $class = $class_of{ $digit || '' } || 'Email::Sender::Failure';
    return $class->new(
        {
            message => $message,
            (defined $code ? (code => $code) : ()),
            recipients => \@recipients,
        }
    );
}

sub _fail { _failure(@_)->throw }

# The connection is of no further use.
sub _fail_by_reply {
    my ($what, $client) = @_;
    my ($code, $text)   = ($client->code, join ' ', map { s/\s+\z//r } $client->message);
    $client->quit if defined fileno $client;
    return _fail("$what: $text", substr($code, 0, 1), $code);
}

# The digit of what may be done about a record of a result: 4 to try again.
sub _digit { $_[0]->is_temporary ? 4 : $_[0]->is_permanent ? 5 : '' }

sub _failure_of {
    my ($recipient) = @_;
    my $text = join ' ', grep { defined && length } $recipient->enhanced, $recipient->message;
    $text = $recipient->outcome if !length $text;
    return _failure($text, _digit($recipient), $recipient->code, $recipient->address);
}

# Each recipient its own; of several, all in one.
sub _fail_for {
    my ($message, @recipients) = @_;
    my @failures = map { _failure_of($_) } @recipients;
    $failures[0]->throw if @failures == 1;
    return Email::Sender::Failure::Multi->throw({ message => $message, failures => \@failures });
}

# --- sending -------------------------------------------------------------------

# Local parts that RFC 5321 4.1.2 knows only as quoted strings.
sub _quoted {
    my ($address) = @_;
    my ($local, $at_domain) = $address =~ /\A(.*)(\@.*)\z/s or return $address;
    return $address if $local !~ /[\x00-\x1f\x7f<>()\[\]\\,;:@"]|\A\.|\.\z/;
    return qq("$local") . $at_domain;
}

sub _octets {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    return \$text;
}

# A connection that was found dead before anything went is made anew, once.
sub _deliver {
    my ($self, @message) = @_;
    if (my $client = $self->_client) {
        my $result = $client->send_message(@message);
        return ($client, $result) if $result->stage ne 'connect';
        $self->_client(undef);
    }
    my $client = $self->_connect;
    return ($client, $client->send_message(@message));
}

sub send_email {
    my ($self, $email, $envelope) = @_;
    my @to = grep { defined && length } @{ $envelope->{to} };
    _fail('no valid addresses in recipient list') if !@to;
    my $from    = defined $envelope->{from} ? $envelope->{from} : '';
    my @message = (
        %{ $self->message_options },
        From    => _quoted($from),
        To      => [map { [_quoted($_)] } @to],
        Data    => _octets($email->as_string),
        SkipBad => $self->allow_partial_success,
    );
    my ($result, $text)
        = $self->pool ? _by_pool($self->pool, @message) : $self->_by_client(@message);
    return $self->_success($result, $text) if $result;
    return _fail_by_result($result, $from);
}

# The result, and the text of the last reply.
sub _by_pool {
    my ($pool, @message) = @_;
    my $result = $pool->send(@message);
    my ($best) = ((grep { $_ } $result->recipients), $result);
    return ($result, join(' ', grep { defined && length } $best->enhanced, $best->message) . "\n");
}

sub _by_client {
    my ($self,   @message) = @_;
    my ($client, $result)  = $self->_deliver(@message);
    my $text = $client->message;
    $self->_keep($client, $result);
    return ($result, $text);
}

sub _keep {
    my ($self, $client, $result) = @_;
    if ($self->persistent && $result->is_reusable) {
        $self->_client($client);
        return;
    }
    $self->_client(undef);
    $client->quit if defined fileno $client;
    return;
}

sub _success {
    my ($self, $result, $text) = @_;
    my @failed = grep { !$_ } $result->recipients;
    return $self->success({ message => $text }) if !@failed;
    return $self->partial_success(
        {
            message => $text,
            failure => Email::Sender::Failure::Multi->new(
                {
                    message  => 'some recipients were rejected during RCPT',
                    failures => [map { _failure_of($_) } @failed],
                }
            ),
        }
    );
}

my %doing = (
    local   => 'refused before it was sent',
    connect => 'the connection is gone',
    data    => 'error at DATA start',
    body    => 'error at during DATA',
    end     => 'error at after DATA',
);

sub _fail_by_result {
    my ($result, $from) = @_;
    my @recipients = $result->recipients;
    my @decided    = grep { $_->outcome ne 'unsent' || $_->stage eq 'local' } @recipients;
    if ($result->stage eq 'rcpt' || $result->outcome eq 'partial') {
        my $who = @decided < @recipients ? 'some' : 'all';
        _fail_for("$who recipients were rejected during RCPT", @decided);
    }
    my $what = $doing{ $result->stage } || "$from failed after MAIL FROM";
    my $why  = join ' ', grep { defined && length } $result->enhanced, $result->message;
    return _fail(
        "$what: $why", _digit($result), $result->code,
        map { $_->address } grep { !$_ } @recipients
    );
}

no Moo;
1;

__END__

=encoding UTF-8

=head1 NAME

Email::Sender::Transport::NetSMTPXS - Email::Sender over Net::SMTP::XS

=head1 SYNOPSIS

    use Email::Sender::Simple qw(sendmail);
    use Email::Sender::Transport::NetSMTPXS;

    my $transport = Email::Sender::Transport::NetSMTPXS->new(
        host          => 'smtp.example.com',
        ssl           => 'starttls',
        sasl_username => 'me',
        sasl_password => $password,
        persistent    => 1,
    );
    sendmail($email, { transport => $transport });

=head1 DESCRIPTION

A transport with the attributes, the failures and the partial success of
L<Email::Sender::Transport::SMTP>, whose messages go by
L<send_message|Net::SMTP::XS::Message>: the whole envelope in one round trip
where the server offers PIPELINING. In a program that uses Email::Sender only
the transport's name changes. From the shell:
C<EMAIL_SENDER_TRANSPORT=NetSMTPXS>.

Email::Sender is no dependency of this distribution; who loads this module has
it.

=head1 ATTRIBUTES

Those of L<Email::Sender::Transport::SMTP/ATTRIBUTES>: C<host> or C<hosts>,
C<port>, C<timeout>, C<ssl>, C<ssl_options>, C<sasl_username>,
C<sasl_password>, C<allow_partial_success>, C<helo>, C<localaddr>,
C<localport>, C<debug>. An unknown C<ssl>, and a C<sasl_username> without a
C<sasl_password>, are exceptions of C<new>. Besides:

=over 4

=item persistent

True: the connection is kept for the next message, as
L<Email::Sender::Transport::SMTP::Persistent> does. No RSET goes between two
messages. A connection that the server closed meanwhile is made anew, once,
where nothing of the message had been sent. The default is false.

=item pool

A L<Net::SMTP::XS::Pool>, whose connections are used; the attributes that say where
to and how to connect count for nothing then. Several transports may share one.

=item message_options

A reference to a hash of further options of C<send_message>, for instance
C<< { Pipelining => 'message', Return => 'HDRS' } >>.

=back

=head1 METHODS

=over 4

=item disconnect

Says QUIT on the connection that is kept, if there is one.

=back

=head1 FAILURES

Of the classes and with the recipients that Email::Sender::Transport::SMTP
gives: L<Email::Sender::Failure::Permanent> for a 5xx,
L<Email::Sender::Failure::Temporary> for a 4xx and for a connection that was
lost before the end of the message, L<Email::Sender::Failure::Multi> for several
recipients that were refused, and with C<allow_partial_success>
L<Email::Sender::Success::Partial>.

Three things differ. A connection that is lost after the end of the message was
sent is an L<Email::Sender::Failure> that is neither temporary nor permanent: the
server may have the message, so that to send it again may deliver it twice. A
lost connection has no C<code>. Texts of replies come without the line end.

=head1 SEE ALSO

L<Net::SMTP::XS>, L<Net::SMTP::XS::Message>, L<Email::Sender>

=cut
