package LoopbackServer;

# A small SMTP server on the loopback interface, for demonstrations: core Perl
# only, a free port chosen by the system, one connection at a time.  It runs in
# a child process, keeps what is delivered in a temporary directory, and ends
# with the object, or after LIFETIME seconds whatever happens.
#
#   my $server = LoopbackServer->start;
#   ... deliver to 127.0.0.1, port $server->port ...
#   for my $mail ($server->deliveries) { print $mail->{from}, $mail->{data} }

use strict;
use warnings;

use File::Temp ();
use IO::Socket::INET ();
use POSIX ();

use constant {
    LIFETIME => 60,            # seconds
    MAX_SIZE => 10 * 1024**2,  # octets of one message, announced as SIZE
};

my @EXTENSIONS = ('PIPELINING', '8BITMIME', 'SIZE ' . MAX_SIZE);

my %VERB = (
    EHLO => \&_ehlo,
    HELO => sub { $_[0]->_reply(250, 'loopback.example') },
    MAIL => \&_mail,
    RCPT => \&_rcpt,
    DATA => \&_data,
    RSET => sub { $_[0]->_forget; $_[0]->_reply(250, 'Forgotten') },
    NOOP => sub { $_[0]->_reply(250, 'Still here') },
    VRFY => sub { $_[0]->_reply(252, 'Send some mail and see') },
    HELP => sub { $_[0]->_reply(214, 'See RFC 5321') },
    QUIT => sub { $_[0]->_reply(221, 'Goodbye'); 0 },
);

# Starts the server; dies when the system refuses a socket or a process.
sub start {
    my $class  = shift;
    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1',
        LocalPort => 0,
        Listen    => 5,
        Proto     => 'tcp',
    ) or die "no loopback socket: $@\n";

    my $self = bless {
        listen => $listen,
        port   => $listen->sockport,
        owner  => $$,
        spool  => File::Temp->newdir('loopback-XXXXXX', TMPDIR => 1),
    }, $class;

    defined($self->{pid} = fork) or die "no process for the server: $!\n";
    $self->_serve if $self->{pid} == 0;
    close delete $self->{listen};
    return $self;
}

sub port { $_[0]{port} }

# What has arrived, oldest first: { from, to => [...], data }; the data with
# CRLF line ends and without the dots the transfer added.
sub deliveries {
    my $self = shift;
    my @mail;
    for (my $n = 1; -e (my $file = "$self->{spool}/$n"); $n++) {
        open my $fh, '<:raw', $file or die "$file: $!\n";
        local $/ = "\n";
        chomp(my $envelope = <$fh>);
        my ($from, @to) = split /\t/, $envelope;
        local $/;
        push @mail, { from => $from, to => \@to, data => scalar <$fh> };
    }
    return @mail;
}

# For each connection a reference to the flights that came in: what the client
# sent without waiting for a reply.
sub flights {
    my $self = shift;
    my @connections;
    for (my $n = 1; -e (my $file = "$self->{spool}/flights-$n"); $n++) {
        open my $fh, '<:raw', $file or die "$file: $!\n";
        local $/;
        push @connections, [ split /\0/, scalar <$fh> ];
    }
    return @connections;
}

sub stop {
    my $self = shift;
    my $pid  = delete $self->{pid} or return;
    local $?;
    kill TERM => $pid;
    waitpid $pid, 0;
}

sub DESTROY {
    my $self = shift;
    $self->stop if $self->{owner} == $$;
}

# The child's whole life.  It leaves without END blocks and destructors, which
# are the parent's.
sub _serve {
    my $self = shift;
    $SIG{$_} = 'DEFAULT' for qw(TERM ALRM INT);
    $SIG{PIPE} = 'IGNORE';
    alarm LIFETIME;
    while (my $connection = $self->{listen}->accept) {
        $self->{peer} = $connection;
        @$self{qw(received replies flights)} = ('', '', []);
        eval { $self->_session };
        $self->_keep_flights;
        warn "loopback server: $@" if $@;
        close delete $self->{peer};
    }
    POSIX::_exit(0);
}

sub _session {
    my $self = shift;
    $self->_forget;
    $self->_reply(220, 'loopback.example ESMTP');
    while (defined(my $line = $self->_line)) {
        my ($verb, $argument) = $line =~ /\A([A-Za-z]+)(?: (.*))?\z/
            or $self->_reply(500, 'That is no command'), next;
        my $do = $VERB{ uc $verb }
            or $self->_reply(502, 'Not here'), next;
        $self->$do(defined $argument ? $argument : '') or last;
    }
}

# A line without its CRLF, undef at the end of the connection.  Replies leave
# when all that has come is answered: a flight of commands has one of replies.
sub _line {
    my $self = shift;
    my $at;
    while (($at = index $self->{received}, "\r\n") < 0) {
        $self->_answer;
        sysread $self->{peer}, my $octets, 65_536 or return;
        $self->{received} .= $octets;
        push @{ $self->{flights} }, '' if $self->{answered};
        $self->{answered} = 0;
        $self->{flights}[-1] .= $octets;
    }
    my $line = substr $self->{received}, 0, $at + 2, '';
    return substr $line, 0, $at;
}

sub _answer {
    my $self = shift;
    return if !length $self->{replies};
    syswrite $self->{peer}, $self->{replies};
    @$self{qw(replies answered)} = ('', 1);
}

# The lines of one reply.  Always true.
sub _reply {
    my ($self, $code, @lines) = @_;
    my $last = pop @lines;
    $self->{replies} .= join '', map({"$code-$_\r\n"} @lines), "$code $last\r\n";
    return 1;
}

sub _keep_flights {
    my $self = shift;
    my $file = "$self->{spool}/flights-" . ++$self->{connections};
    open my $fh, '>:raw', "$file.part" or die "$file: $!\n";
    print {$fh} join "\0", @{ $self->{flights} };
    close $fh or die "$file: $!\n";
    rename "$file.part", $file or die "$file: $!\n";
    $self->_answer;    # the goodbye, when the file is there
}

sub _forget {
    my $self = shift;
    $self->{from} = undef;
    $self->{to}   = [];
}

sub _ehlo {
    my $self = shift;
    $self->_forget;
    $self->_reply(250, 'loopback.example', @EXTENSIONS);
}

sub _mail {
    my ($self, $argument) = @_;
    my ($path) = $argument =~ /\AFROM:<([^<>\s]*)>/i
        or return $self->_reply(501, 'FROM:<address> is wanted');
    return $self->_reply(503, 'One sender at a time') if defined $self->{from};
    $self->{from} = $path;
    $self->_reply(250, 'Sender accepted');
}

sub _rcpt {
    my ($self, $argument) = @_;
    my ($path) = $argument =~ /\ATO:<([^<>\s]+)>/i
        or return $self->_reply(501, 'TO:<address> is wanted');
    return $self->_reply(503, 'MAIL comes first') unless defined $self->{from};
    push @{ $self->{to} }, $path;
    $self->_reply(250, 'Recipient accepted');
}

sub _data {
    my $self = shift;
    return $self->_reply(503, 'RCPT comes first') unless @{ $self->{to} };
    $self->_reply(354, 'End with a dot alone on a line');
    my $message = '';
    while (1) {
        my $line = $self->_line;
        return 0 unless defined $line;    # cut off: nothing is delivered
        last if $line eq '.';
        $line =~ s/\A\.//;
        $message .= "$line\r\n" if length $message <= MAX_SIZE;
    }
    return $self->_reply(552, 'Too big') if length $message > MAX_SIZE;
    $self->_keep($message);
    $self->_reply(250, 'Delivered');
}

# Files one message; it is complete before its number appears.
sub _keep {
    my ($self, $message) = @_;
    my $file = "$self->{spool}/" . ++$self->{count};
    open my $fh, '>:raw', "$file.part" or die "$file: $!\n";
    print {$fh} join("\t", $self->{from}, @{ $self->{to} }), "\n", $message;
    close $fh or die "$file: $!\n";
    rename "$file.part", $file or die "$file: $!\n";
    $self->_forget;
}

1;
