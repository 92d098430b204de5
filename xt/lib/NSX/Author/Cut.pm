package NSX::Author::Cut;

# A connection of NSX::Test::Server that is cut after so many octets, in the clear
# and under TLS, and that keeps what the client still hands over then.
#
#   bless $conn, 'NSX::Author::Cut';         # in the clear
#   NSX::Author::Cut::TLS->start($conn);     # from the first octet
#   bless $conn, 'NSX::Author::Cut::TLS';    # the smtp mode's reply to STARTTLS is \'start_tls'
#
# The cut is what NSX::Test::Server::Session says, in octets of the dialogue; under
# TLS { coded_received => N or coded_sent => N, how => ... } in octets of the
# records behind the handshake.  There each octet that is sent is a record of its
# own, and `how` may be 'goodbye', a close_notify and the end.  {coded_in} has the
# ends of the client's records, {coded_out} those of ours; {late} what the client
# said behind the cut.

use strict;
use warnings;

use NSX::Test::Server::Connection;
use POSIX ();
use Socket ();

our @ISA = ('NSX::Test::Server::Connection');

use constant READ_SIZE => 65_536;

my @kept;    # handles whose destruction would close another's descriptor

# The last octet before the cut is not answered.
sub send {
    my ($self, @octets) = @_;
    return $self->_be_cut if $self->{cut} && !$self->unread && $self->_room('received') <= 0;
    return $self->SUPER::send(@octets);
}

# As there, but what still comes is kept: it shows what the client handed over.
sub silence {
    my $self = shift;
    @$self{qw(end pending)} = ('cut', '');
    while ($self->{server}->wait_for($self->{fh}, 0)) {
        $! = 0;
        my $n = sysread $self->{fh}, my $late, READ_SIZE;
        if ($n) { $self->_keep($late); next }
        last if defined $n || !$!{EAGAIN} && !$!{EINTR};
    }
    return;
}

sub _keep { $_[0]{late} .= $_[1]; return }

sub reset {
    my $self = shift;
    my $fh = delete $self->{fh} or return;
    setsockopt $fh, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack 'ii', 1, 0;
    POSIX::close(fileno $fh);
    push @kept, $fh;
    $self->{end} = 'closed';
    return;
}

package NSX::Author::Cut::TLS;

our @ISA = ('NSX::Author::Cut');

use constant {
    CERTIFICATE => 't/certs/server.pem',
    HEADER      => 5,                      # octets of a record's header (RFC 8446 5.1)
};

my $context;

sub missing { return eval { require Net::SSLeay; 1 } ? '' : 'Net::SSLeay is not installed' }

sub _context {
    return $context if $context;
    Net::SSLeay::initialize();
    $context = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_server_method());
    Net::SSLeay::set_cert_and_key($context, CERTIFICATE, CERTIFICATE) or die 'no certificate';
    Net::SSLeay::CTX_set_num_tickets($context, 0);
    return $context;
}

sub start {
    my ($class, $conn) = @_;
    bless $conn, $class;
    return $conn->_handshake;
}

# The answer to STARTTLS.  The dialogue begins anew.
sub start_tls {
    my $self = shift;
    $self->send("220 go\r\n");
    $self->_handshake;
    @$self{qw(in pos received out sent)} = ('', 0, 0, '', 0);
    return;
}

sub _handshake {
    my $self = shift;
    my $ssl = Net::SSLeay::new(_context());
    my ($from, $to) = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) } 1 .. 2;
    Net::SSLeay::set_bio($ssl, $from, $to);
    @$self{qw(ssl from to)} = ($ssl, $from, $to);
    while (Net::SSLeay::accept($ssl) != 1) {
        $self->_write_coded(Net::SSLeay::BIO_read($to) // '');
        my $record = $self->_read_record;
        if (!defined $record) { $self->{end} = 'error'; return }
        Net::SSLeay::BIO_write($from, $record);
    }
    $self->_write_coded(Net::SSLeay::BIO_read($to) // '');
    @$self{qw(coded_received coded_sent coded_in coded_out coded)} = (0, 0, [], [], '');
    return;
}

# One record and nothing behind it, so that what follows the handshake can be counted.
sub _read_record {
    my $self = shift;
    my $record = '';
    while (length $record < HEADER || length $record < HEADER + _size($record)) {
        my $more = length $record < HEADER ? HEADER : HEADER + _size($record);
        $self->{server}->wait_for($self->{fh}, 0) or return;
        $! = 0;
        my $n = sysread $self->{fh}, $record, $more - length $record, length $record;
        return if !$n && !$!{EAGAIN} && !$!{EINTR};
    }
    return $record;
}

sub _size { return unpack 'x3 n', $_[0] }

sub fill {
    my ($self, $limit, $most) = @_;
    return $self->SUPER::fill($limit, $most) if !$self->{ssl};
    while ($self->{end} eq 'open') {
        return 1 if $self->_decode('in');
        my $room = $self->_room('coded_received');
        return $self->_be_cut if $room <= 0;
        $self->{server}->wait_for($self->{fh}, 0, $limit) or return 0;
        $! = 0;
        my $n = sysread $self->{fh}, my $coded, $room < $self->READ_SIZE ? $room : $self->READ_SIZE;
        if ($n) { $self->_take_coded($coded); next }
        next if !defined $n && ($!{EAGAIN} || $!{EINTR});
        $self->{end} = defined $n ? 'eof' : 'error';
    }
    return 0;
}

sub _take_coded {
    my ($self, $coded) = @_;
    Net::SSLeay::BIO_write($self->{from}, $coded);
    $self->{coded} .= $coded;
    while (length $self->{coded} >= HEADER && length $self->{coded} >= HEADER + _size($self->{coded})) {
        my $size = HEADER + _size($self->{coded});
        substr $self->{coded}, 0, $size, '';
        push @{ $self->{coded_in} }, ($self->{coded_in}[-1] || 0) + $size;
    }
    $self->{coded_received} += length $coded;
    return;
}

# The octets that the records have so far: true where there are any.
sub _decode {
    my ($self, $into) = @_;
    my $any = 0;
    while (1) {
        my ($octets, $n) = Net::SSLeay::read($self->{ssl});
        last if !defined $n || $n <= 0;
        $self->_received($n) if $into eq 'in';
        $self->{$into} .= $octets;
        $any = 1;
    }
    Net::SSLeay::ERR_clear_error();
    return $any;
}

sub send {
    my ($self, $octets) = @_;
    return $self->SUPER::send($octets) if !$self->{ssl};
    return $self->_be_cut if $self->{cut} && !$self->unread && $self->_room('coded_received') <= 0;
    return if $self->{end} ne 'open' || !$self->{fh};
    my ($coded, @ends) = ('');
    for my $octet (split //, $octets) {
        Net::SSLeay::write($self->{ssl}, $octet);
        $coded .= Net::SSLeay::BIO_read($self->{to});
        push @ends, length $coded;
    }
    my $room = $self->_room('coded_sent');
    substr $coded, $room, length $coded, '' if length $coded > $room;
    my $whole = grep { $_ <= length $coded } @ends;
    push @{ $self->{coded_out} }, map { $_ + $self->{coded_sent} } @ends;
    $self->{coded_sent} += length $coded;
    $self->{out} .= substr $octets, 0, $whole;
    $self->{sent} += $whole;
    $self->_write_coded($coded);
    $self->_be_cut if $self->_room('coded_sent') <= 0;
    return;
}

sub _write_coded {
    my ($self, $coded) = @_;
    while (length $coded) {
        $self->{server}->wait_for($self->{fh}, 1) or return;
        my $n = syswrite $self->{fh}, $coded;
        return if !defined $n && !$!{EAGAIN} && !$!{EINTR};
        substr $coded, 0, $n || 0, '';
    }
    return;
}

sub _keep {
    my ($self, $late) = @_;
    return $self->SUPER::_keep($late) if !$self->{ssl};
    Net::SSLeay::BIO_write($self->{from}, $late);
    $self->_decode('late');
    return;
}

sub goodbye {
    my $self = shift;
    Net::SSLeay::shutdown($self->{ssl});
    $self->_write_coded(Net::SSLeay::BIO_read($self->{to}) // '');
    return $self->fin;
}

1;
