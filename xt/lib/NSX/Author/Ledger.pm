package NSX::Author::Ledger;

# A server for many connections at once, in one process, that keeps a ledger: a
# line for each thing that happened, with its time.
#
#   my $server = NSX::Author::Ledger->start(%option);
#   ... $server->host, $server->port ...
#   my $ledger = $server->finish;      # see NSX::Author::Ledger::Book
#
#   latency     seconds before each reply
#   extensions  of the reply to EHLO
#   most        connections at once; more are greeted by 421
#   per_connection   messages; the MAIL after them gets 421
#   faults      { WHAT => probability of each command }, WHAT one of
#                 close (instead of a reply), late_close (after a message was
#                 taken, instead of its reply), 421 (and the end), 451, stall
#   seed        of the faults

use strict;
use warnings;

use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use NSX::Author::Ledger::Book;
use POSIX ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use constant {
    LIMIT => 600,      # seconds that a server lives at most
    CHUNK => 65_536,
};

sub start {
    my ($class, %option) = @_;
    my $listener = IO::Socket::INET->new(Listen => 1024, LocalAddr => '127.0.0.1') or die "listen: $!";
    my $self = bless { latency => 0, extensions => [], faults => {}, %option,
        listener => $listener, port => $listener->sockport, file => File::Temp->new, owner => $$ }, $class;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        eval { $self->_serve };
        print STDERR "ledger: $@" if $@;
        POSIX::_exit(0);
    }
    close delete $self->{listener};
    $self->{pid} = $pid;
    return $self;
}

sub host { '127.0.0.1' }
sub port { $_[0]{port} }

sub book { NSX::Author::Ledger::Book->read($_[0]{file}->filename) }

sub finish {
    my ($self) = @_;
    kill TERM => $self->{pid};
    waitpid delete $self->{pid}, 0;
    return $self->book;
}

sub DESTROY {
    my ($self) = @_;
    return if !$self->{pid} || $self->{owner} != $$;
    local ($?, $!);
    kill KILL => $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

# ---- in the server's process

sub _serve {
    my ($self) = @_;
    my $ends = 0;
    local $SIG{TERM} = sub { $ends = 1 };
    local $SIG{PIPE} = 'IGNORE';
    srand($self->{seed} // 1);
    open $self->{ledger}, '>>', $self->{file}->filename or die "ledger: $!";
    $self->{ledger}->autoflush(1);
    @$self{qw(conn timers number select)} = ({}, [], 0, IO::Select->new($self->{listener}));
    my $until = time + LIMIT;
    while (!$ends && time < $until) {
        for my $fh ($self->{select}->can_read($self->_pause)) {
            if   ($fh == $self->{listener}) { $self->_accept }
            else                            { $self->_read($self->{conn}{ fileno $fh } || next) }
        }
        $self->_due;
    }
    return;
}

# Replies leave in the order in which they fell due: the latency is one for all.
sub _pause {
    my ($self) = @_;
    my $first = $self->{timers}[0] or return 0.5;
    my $left  = $first->[0] - time;
    return $left > 0 ? $left : 0;
}

sub _due {
    my ($self) = @_;
    while (@{ $self->{timers} } && $self->{timers}[0][0] <= time) {
        my (undef, $conn, $text, $ends) = @{ shift @{ $self->{timers} } };
        next if $conn->{over};
        syswrite $conn->{fh}, $text if length $text;
        $self->_end($conn) if $ends;
    }
    return;
}

sub _note {
    my ($self, $conn, @what) = @_;
    printf { $self->{ledger} } "%.6f %d %s\n", time, $conn->{number}, join ' ', @what;
    return;
}

sub _say {
    my ($self, $conn, $text, $ends) = @_;
    push @{ $self->{timers} }, [ time + $self->{latency}, $conn, $text, $ends ];
    return;
}

sub _accept {
    my ($self) = @_;
    my $fh = $self->{listener}->accept or return;
    $fh->blocking(0);
    setsockopt $fh, IPPROTO_TCP, TCP_NODELAY, 1;
    my $conn = { fh => $fh, in => '', number => ++$self->{number}, messages => 0 };
    if ($self->{most} && keys %{ $self->{conn} } >= $self->{most}) {
        $self->_note($conn, 'turned-away');
        syswrite $fh, "421 4.7.0 too many connections\r\n";
        close $fh;
        return;
    }
    $self->{conn}{ fileno $fh } = $conn;
    $self->{select}->add($fh);
    $self->_note($conn, 'open');
    $self->_say($conn, "220 ledger ready\r\n");
    return;
}

sub _end {
    my ($self, $conn) = @_;
    return if $conn->{over}++;
    $self->{select}->remove($conn->{fh});
    delete $self->{conn}{ fileno $conn->{fh} };
    close $conn->{fh};
    $self->_note($conn, 'closed');
    return;
}

sub _read {
    my ($self, $conn) = @_;
    my $n = sysread $conn->{fh}, $conn->{in}, CHUNK, length $conn->{in};
    return if !defined $n && $!{EAGAIN};
    return $self->_end($conn) if !$n;
    while (!$conn->{over} && !$conn->{stalled}) {
        $self->_body($conn)    or last if $conn->{in_body};
        $self->_command($conn) or last;
    }
    return;
}

# True when the whole body is there.
sub _body {
    my ($self, $conn) = @_;
    my $body;
    if (defined $conn->{octets}) {
        return 0 if length $conn->{in} < $conn->{octets};
        $body = substr $conn->{in}, 0, $conn->{octets}, '';
    }
    else {
        my $at = index $conn->{in}, "\r\n.\r\n";
        return 0 if $at < 0;
        $body = substr $conn->{in}, 0, $at + 5, '';
    }
    @$conn{qw(in_body octets)} = (0, undef);
    $self->_message($conn, $body);
    return !$conn->{over};
}

sub _message {
    my ($self, $conn, $body) = @_;
    my ($id) = $body =~ /^Message-ID: *(\S+)/im;
    return $self->_say($conn, "503 5.5.1 no recipient\r\n") if !$conn->{to};
    $conn->{to} = 0;
    return if $self->_fault($conn, $id);
    $conn->{messages}++;
    $self->_note($conn, taken => $id // '-');
    return $self->_end($conn) if $self->_strikes('late_close');
    $self->_say($conn, "250 2.0.0 taken\r\n");
    return;
}

sub _strikes { my ($self, $what) = @_; my $p = $self->{faults}{$what}; return $p && rand() < $p }

# True when something happened instead of the reply.
sub _fault {
    my ($self, $conn, @about) = @_;
    for my $what (qw(close 421 451 stall)) {
        next if !$self->_strikes($what);
        $self->_note($conn, fault => $what, @about);
        $conn->{to} = 0 if $what eq '451' && @about;
        if    ($what eq 'close') { $self->_end($conn) }
        elsif ($what eq 'stall') { $conn->{stalled} = 1 }
        else {
            $self->_say($conn, "$what 4.3.2 as it happens\r\n", $what eq '421');
            $conn->{stalled} = 1 if $what eq '421';
        }
        return 1;
    }
    return 0;
}

sub _command {
    my ($self, $conn) = @_;
    $conn->{in} =~ s/\A(.*?)\r\n//s or return 0;
    my $line = $1;
    my ($verb) = map {uc} $line =~ /\A(\w+)/ or return 0;
    if ($verb eq 'BDAT') {
        @$conn{qw(in_body octets)} = (1, $line =~ /(\d+)/);
        return 1;
    }
    if ($verb =~ /\A(?:MAIL|RCPT|DATA)\z/ && $self->_fault($conn)) { return !$conn->{stalled} }
    my $do = $self->can("_$verb");
    $do ? $self->$do($conn, $line) : $self->_say($conn, "250 2.0.0 ok\r\n");
    return 1;
}

sub _EHLO {
    my ($self, $conn) = @_;
    my @line = ('ledger', @{ $self->{extensions} });
    my $last = pop @line;
    $self->_say($conn, join '', (map {"250-$_\r\n"} @line), "250 $last\r\n");
    return;
}

sub _MAIL {
    my ($self, $conn) = @_;
    $conn->{to} = 0;
    if ($self->{per_connection} && $conn->{messages} >= $self->{per_connection}) {
        $self->_note($conn, 'enough');
        $self->_say($conn, "421 4.7.0 enough on this connection\r\n", 1);
        $conn->{stalled} = 1;
        return;
    }
    $self->_note($conn, 'mail');
    $self->_say($conn, "250 2.1.0 ok\r\n");
    return;
}

sub _RCPT { my ($self, $conn) = @_; $conn->{to}++; $self->_say($conn, "250 2.1.5 ok\r\n"); return }

sub _DATA {
    my ($self, $conn) = @_;
    return $self->_say($conn, "503 5.5.1 RCPT first\r\n") if !$conn->{to};
    $conn->{in_body} = 1;
    $self->_say($conn, "354 go on\r\n");
    return;
}

sub _QUIT { my ($self, $conn) = @_; $self->_say($conn, "221 2.0.0 bye\r\n", 1); return }

1;
