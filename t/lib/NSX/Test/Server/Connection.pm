package NSX::Test::Server::Connection;

# One connection of NSX::Test::Server, seen from the server: what scripts and
# the smtp mode read and write with.
#
# {in} holds every octet received, {pos} how many of them were taken. {end} is
# 'open', 'eof', 'error', 'closed' or 'cut'. Each send that follows a reading
# ends a turn: {turns} holds [octets received, octets sent] at the begin of each,
# from which NSX::Test::Server->turns makes the texts.
#
# The smtp mode sets
#   gather    what is sent waits until there is nothing left to take
#   no_ahead  1: not an octet is read before it is asked for
#   cut       { received => N or sent => N, how => 'fin', 'rst', 'close', 'silence' or 'stuck' }
#   {out}     to '', to have all that is sent kept there

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Socket;
use Time::HiRes ();

use constant {
    END_OF_DATA => "\r\n.\r\n",
    READ_SIZE   => 65536,
    MEETING_POLL => 0.01,
    SEGMENT_GAP => 0.002,         # long enough for a segment to travel alone
};

sub new {
    my ($class, $server, $fh) = @_;
    return bless {
        fh => $fh, server => $server, end => 'open',
        in => '', pos => 0, received => 0, sent => 0, turns => [], pending => '',
    }, $class;
}

# ---- reading

# More octets from the client, at most $most of them, waiting at most $limit
# seconds; false at the client's end, or when the server was told to stop.
sub fill {
    my ($self, $limit, $most) = @_;
    $self->flush;
    while ($self->{end} eq 'open') {
        return $self->_be_cut if $self->_room('received') <= 0;
        $self->{server}->wait_for($self->{fh}, 0, $limit) or return 0;
        my $n = sysread $self->{fh}, $self->{in}, $self->_share($most), length $self->{in};
        if ($n) { $self->_received($n); return 1 }
        next if !defined $n && ($! == EINTR or $! == EAGAIN or $! == EWOULDBLOCK);
        $self->{end} = defined $n ? 'eof' : 'error';
    }
    return 0;
}

# How much the next read may take.
sub _share {
    my ($self, $most) = @_;
    my $share = READ_SIZE;
    if ($self->{no_ahead}) {
        recv $self->{fh}, my $there, READ_SIZE, MSG_PEEK;
        my $at = index defined $there ? $there : '', "\n";
        $share = $at + 1 if $at >= 0;
        $share = $most   if defined $most && $most < $share;
    }
    my $room = $self->_room('received');
    return $share < $room ? $share : $room;
}

sub _received {
    my ($self, $n) = @_;
    my $turns = $self->{turns};
    push @$turns, [ $self->{received}, $self->{sent} ]
        if !@$turns || $turns->[-1][1] < $self->{sent};
    $self->{received} += $n;
    return;
}

# Octets that may still be received or sent before the connection is cut.
sub _room {
    my ($self, $direction) = @_;
    my $at = $self->{cut} && $self->{cut}{$direction};
    return defined $at ? $at - $self->{$direction} : 9**15;
}

sub line {
    my $self = shift;
    my $at;
    while (($at = index $self->{in}, "\n", $self->{pos}) < 0) {
        $self->fill or return;
    }
    return $self->_take($at + 1 - $self->{pos});
}

sub expect {
    my ($self, $pattern) = @_;
    my $line = $self->line;
    return unless defined $line;
    push @{ $self->{unexpected} }, $line if ref $pattern && $line !~ $pattern;
    return $line;
}

# A message with its terminator.
sub body {
    my $self = shift;
    my $from = $self->{pos};
    while (1) {
        return $self->_take(3) if substr($self->{in}, $self->{pos}, 3) eq ".\r\n";
        my $at = index $self->{in}, END_OF_DATA, $from;
        return $self->_take($at + length(END_OF_DATA) - $self->{pos}) if $at >= 0;
        $from = length($self->{in}) - length END_OF_DATA;
        $from = $self->{pos} if $from < $self->{pos};
        $self->fill or return;
    }
}

sub swallow {
    my $self = shift;
    until (substr($self->{in}, -length END_OF_DATA) eq END_OF_DATA) {
        my $excess = length($self->{in}) - length(END_OF_DATA) - $self->{pos};
        substr $self->{in}, $self->{pos}, $excess, '' if $excess > 0;
        $self->fill or return;
    }
    substr $self->{in}, $self->{pos}, length $self->{in}, '';
    return;
}

# As many octets, fewer only where the client ends before.
sub octets {
    my ($self, $count) = @_;
    while ((my $missing = $count - $self->unread) > 0) {
        $self->fill(undef, $missing) or last;
    }
    return $self->_take($count);
}

sub unread { my $self = shift; return length($self->{in}) - $self->{pos} }

# Reads, without taking, whatever comes within so many seconds.
sub linger {
    my ($self, $secs) = @_;
    my $until = Time::HiRes::time() + $secs;
    while ((my $left = $until - Time::HiRes::time()) > 0) {
        $self->fill($left) or last;
    }
    return;
}

sub _take {
    my ($self, $count) = @_;
    my $taken = substr $self->{in}, $self->{pos}, $count;
    $self->{pos} += length $taken;
    return $taken;
}

sub drain { my $self = shift; 1 while $self->fill; return }
sub eof   { $_[0]->drain }

# ---- writing

sub send {
    my ($self, $octets) = @_;
    if ($self->{gather}) { $self->{pending} .= $octets; return }
    my $room = $self->_room('sent');
    $self->_write(substr $octets, 0, $room);
    $self->_be_cut if $self->_room('sent') <= 0;
    return;
}

sub flush {
    my $self = shift;
    return if !length $self->{pending};
    local $self->{gather} = 0;
    my $octets = $self->{pending};
    $self->{pending} = '';
    $self->send($octets);
    return;
}

sub _write {
    my ($self, $octets) = @_;
    my $done = 0;
    while ($done < length $octets && $self->{fh} && $self->{end} ne 'cut') {
        $self->{server}->wait_for($self->{fh}, 1) or return;
        my $n = syswrite $self->{fh}, $octets, length($octets) - $done, $done;
        if (!defined $n) {
            next if $! == EINTR or $! == EAGAIN or $! == EWOULDBLOCK;
            return;
        }
        $self->{out} .= substr $octets, $done, $n if defined $self->{out};
        $self->{sent} += $n;
        $done += $n;
    }
    return;
}

sub pieces {
    my ($self, @pieces) = @_;
    for my $piece (@pieces) {
        $self->send($piece);
        $self->delay(SEGMENT_GAP);
    }
    return;
}

sub bytes { my ($self, $octets) = @_; return $self->pieces(split //, $octets) }

sub drip {
    my ($self, $octets, $pause, $times) = @_;
    for (1 .. $times) {
        $self->send($octets);
        $self->delay($pause);
        return if $self->{server}{stopped};
    }
    return;
}

sub delay { my ($self, $secs) = @_; $self->{server}->wait_for(undef, 0, $secs); return }
# Tells the client's process that the script has come so far, and waits until it
# has seen that: NSX::Test::Server->was_met is true there once.
sub meet {
    my $self = shift;
    my $file = $self->{server}->meeting;
    open my $fh, '>', $file or die "$file: $!";
    $self->delay(MEETING_POLL) until !-e $file or $self->{server}{stopped};
    return;
}

sub stall { my ($self, $secs) = @_; return $self->delay($secs) }

# Offers a data connection as FTP's server does (RFC 959 4.2): answers PASV; what
# comes back accepts it when called.
sub passive {
    my $self = shift;
    socket my $listener, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
    bind $listener, pack_sockaddr_in(0, INADDR_LOOPBACK) or die "bind: $!";
    listen $listener, 1 or die "listen: $!";
    my $port = (unpack_sockaddr_in(getsockname $listener))[0];
    $self->send(sprintf "227 Entering Passive Mode (127,0,0,1,%d,%d)\r\n", $port >> 8, $port & 255);
    return sub {
        accept my $data, $listener or die "accept: $!";
        return $data;
    };
}

# ---- ends

sub shut { my $self = shift; $self->flush; shutdown $self->{fh}, 1; return }

sub close {
    my $self = shift;
    $self->flush;
    close delete $self->{fh} if $self->{fh};
    $self->{end} = 'closed' if $self->{end} eq 'open';
    return;
}

sub reset {
    my $self = shift;
    $self->{pending} = '';
    setsockopt $self->{fh}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    return $self->close;
}

# Nothing is said any more; what comes is read to the client's end, and forgotten.
sub silence {
    my $self = shift;
    @$self{qw(end pending)} = ('cut', '');
    while ($self->{server}->wait_for($self->{fh}, 0)) {
        my $n = sysread $self->{fh}, my $lost, READ_SIZE;
        last if !$n && !(!defined $n && ($! == EINTR or $! == EAGAIN or $! == EWOULDBLOCK));
    }
    return;
}

# Nothing is said or read any more, until the server is told to stop.
sub stuck {
    my $self = shift;
    @$self{qw(end pending)} = ('cut', '');
    $self->{server}->wait_for(undef);
    return;
}

# The end of our direction, and silence. False, as fill is at the end.
sub fin { my $self = shift; $self->shut; return $self->silence }
sub rst { my $self = shift; return $self->reset }

sub _be_cut {
    my $self = shift;
    my $how = (delete $self->{cut})->{how} || 'fin';
    $self->{pending} = '';
    $self->$how;
    $self->{end} = 'cut';
    return 0;
}

1;
