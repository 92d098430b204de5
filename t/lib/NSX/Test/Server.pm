package NSX::Test::Server;

# A loopback SMTP server in a process of its own, for tests.
#
#   my $server = NSX::Test::Server->start(connections => [ \@script, ... ]);
#   my $server = NSX::Test::Server->start(smtp => { extensions => ['SIZE 1000'] });
#   ... connect to ($server->host, $server->port), or to $server->path ...
#   my $log = $server->finish;
#
# $log->{connections} holds, in order of arrival, { in => every octet received,
# end => 'eof', 'error' or 'open' }; $log->{messages} what the smtp mode
# delivered: { from, to => [], data, bits, helo }, data with the dot-stuffing
# removed; $log->{timed_out} is true when the limit (seconds) ended the server.
#
# The smtp mode and its table are described in NSX::Test::Server::Session. Of its
# connections one can ask for the turns, the reading between two sendings:
#   my @turns = $server->turns($log->{connections}[0]);
# each { in => octets received, out => octets sent after them, commands => [ lines
# that were complete with it ] }; the first has the greeting only. What came
# together or in pieces while nothing was sent is one turn; use `hold` or `delay`
# where a test must not depend on how fast the client writes.
#
# Further arguments of start: always => SCRIPT for the connections that have no other,
# limit, family => 6 for ::1, path => FILE for a Unix socket there, rcvbuf => N (octets, a
# small window), concurrent => 1 (connections side by side, not one after the other; each
# lives as long as the limit), only => N (after so many connections it ends by itself: see
# wait, which is finish without hurry).
#
# A script is a list of steps:
#   "text"                  send the text as a line
#   qr/.../ or '<'          read one line; a line the pattern does not match is noted in {unexpected}
#   ['send', OCTETS]        send as is
#   ['pieces', OCTETS...]   send each piece as its own segment
#   ['bytes', OCTETS]       send octet by octet
#   ['drip', OCTETS, SECS, TIMES]   send the same again and again with pauses
#   ['line'] ['body'] ['octets', N] ['eof']   read that much
#   ['swallow']             read a message with its terminator, and keep nothing of it
#   ['delay', SECS]         pause, still open
#   ['stall', SECS]         the same: nothing is read meanwhile
#   ['meet']                wait until the client's process has called was_met
#   ['shut']                end our direction only
#   ['close'] ['reset']     end the connection, by FIN or by RST
#   sub { my $conn = shift } anything else, with the methods of
#                           NSX::Test::Server::Connection
# After the last step the server reads to the client's end of file.

use strict;
use warnings;

use File::Temp ();
use IO::Handle;
use POSIX ();
use Socket;
use Storable ();
use Time::HiRes ();

use NSX::Test::Server::Connection;
use NSX::Test::Server::Session;

sub start {
    my ($class, %arg) = @_;
    my $self = bless { limit => 180, owner => $$, %arg }, $class;
    $self->_listen;
    $self->{file} = File::Temp->new(TEMPLATE => 'nsx-server-XXXXXXXX', TMPDIR => 1);
    pipe my $stop, my $stopper or die "pipe: $!";
    $self->{stopper} = $stopper;

    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        setpgrp 0, 0;
        close $stopper;
        $self->{stop} = $stop;
        my $ok = eval { $self->_serve; 1 };
        print STDERR "server: $@" unless $ok;
        POSIX::_exit($ok ? 0 : 1);
    }
    close delete $self->{listener};
    setpgrp $pid, $pid;
    $self->{pid} = $pid;
    return $self;
}

# A connection script: banner, answer to EHLO with the extensions, and then a
# reply for each line of the client.
sub talk {
    my ($extensions, @replies) = @_;
    my @lines = ('mx.test greets you', @$extensions);
    my $last = pop @lines;
    return [
        '220 mx.test ready',
        qr/^EHLO /,
        (map {"250-$_"} @lines),
        "250 $last",
        map { ('<', $_) } @replies
    ];
}

# The server that an entry of a table of tests asks for: scripts, script, replies,
# or smtp with the extensions in ehlo; server has further arguments.
sub start_for {
    my ($class, $entry, $limit) = @_;
    my $ehlo = $entry->{ehlo} || [];
    my @how =
          $entry->{scripts} ? (connections => $entry->{scripts})
        : $entry->{script}  ? (connections => [ $entry->{script} ])
        : $entry->{replies} ? (connections => [ talk($ehlo, @{ $entry->{replies} }) ])
        :   (smtp => ref $entry->{smtp} eq 'ARRAY' ? $entry->{smtp} : { extensions => $ehlo, %{ $entry->{smtp} || {} } });
    return $class->start(@how, limit => $limit, %{ $entry->{server} || {} });
}

sub host { $_[0]{host} }
sub port { $_[0]{port} }
sub path { $_[0]{path} }
sub pid  { $_[0]{pid} }

# What a forked child must let go of, so that it never ends its parent's server.
sub forget {
    my $self = shift;
    close delete $self->{stopper} if $self->{stopper};
    delete $self->{pid};
    return;
}

sub tell_to_stop {
    my $self = shift;
    my $fh = delete $self->{stopper} or return;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $fh, 'q';
    close $fh;
    return;
}

sub finish {
    my $self = shift;
    $self->tell_to_stop;
    return $self->wait;
}

sub wait {
    my $self = shift;
    if (my $pid = delete $self->{pid}) {
        waitpid $pid, 0;
        kill 'KILL', -$pid;
    }
    unlink $self->meeting;
    return $self->log;
}

# The transcript of a server that has been waited for.
sub log {
    my $self = shift;
    my $log = eval { Storable::retrieve($self->{file}->filename) };
    return $log || { connections => [], messages => [], lost => 1 };
}

# True, once, when the server's script stands at a ['meet'].
sub meeting { return $_[0]{file}->filename . '.meeting' }
sub was_met { return unlink $_[0]->meeting }

sub turns {
    my (undef, $conn) = @_;
    my @starts = @{ $conn->{turns} };
    unshift @starts, [ 0, 0 ] if !@starts || $starts[0][1] > 0;
    my @commands = @{ $conn->{commands} || [] };
    my @turns;
    for my $n (0 .. $#starts) {
        my ($in, $out) = @{ $starts[$n] };
        my ($in_end, $out_end) = $n < $#starts
            ? @{ $starts[ $n + 1 ] } : map { length $conn->{$_} } qw(in out);
        push @turns, {
            in  => substr($conn->{in},  $in,  $in_end - $in),
            out => substr($conn->{out}, $out, $out_end - $out),
            commands => [],
        };
        push @{ $turns[-1]{commands} }, shift(@commands)->{line}
            while @commands && $commands[0]{at} <= $in_end;
    }
    return @turns;
}

sub DESTROY {
    my $self = shift;
    return if $self->{owner} != $$ or !$self->{pid};
    local ($?, $!, $@);
    kill 'KILL', -$self->{pid}, $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

sub _listen {
    my $self = shift;
    return $self->_listen_at($self->{path}) if defined $self->{path};
    my $inet6 = ($self->{family} || 4) == 6;
    $self->{host} = $inet6 ? '::1' : '127.0.0.1';
    my $address =
        $inet6
        ? Socket::pack_sockaddr_in6(0, Socket::inet_pton(Socket::AF_INET6(), '::1'))
        : pack_sockaddr_in(0, INADDR_LOOPBACK);
    socket my $fh, $inet6 ? Socket::AF_INET6() : AF_INET, SOCK_STREAM, 0 or die "socket: $!";
    if ($self->{rcvbuf}) {
        setsockopt $fh, SOL_SOCKET, SO_RCVBUF, pack 'i', $self->{rcvbuf};
    }
    bind $fh, $address or die "bind: $!";
    listen $fh, 16 or die "listen: $!" unless $self->{deaf};
    $self->{port} =
        $inet6
        ? (Socket::unpack_sockaddr_in6(getsockname $fh))[0]
        : (unpack_sockaddr_in(getsockname $fh))[0];
    $self->{listener} = $fh;
    return;
}

sub _listen_at {
    my ($self, $path) = @_;
    socket my $fh, AF_UNIX, SOCK_STREAM, 0 or die "socket: $!";
    bind $fh, pack_sockaddr_un($path) or die "bind: $!";
    listen $fh, 16 or die "listen: $!" unless $self->{deaf};
    $self->{listener} = $fh;
    return;
}

# ---- in the server's process

sub _serve {
    my $self = shift;
    $self->{log} = { connections => [], messages => [] };
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{TERM} = 'DEFAULT';
    local $SIG{ALRM} = sub {
        $self->{log}{timed_out} = 1;
        $self->_save($self->{file}->filename);
        POSIX::_exit(1);
    };
    alarm $self->{limit};
    my @scripts = @{ $self->{connections} || [] };
    my @pids;
    my $left = $self->{only};
    while ((!defined $left || $left-- > 0) and my $conn = $self->_accept) {
        my $script = $self->{smtp} ? $self->_smtp : shift @scripts;
        $script ||= $self->{always} || [ ['close'] ];
        if ($self->{concurrent}) {
            push @pids, $self->_serve_aside($conn, $script, scalar @pids);
            pop @{ $self->{log}{connections} };
        }
        else {
            $self->_serve_one($conn, $script);
        }
    }
    $self->_gather(@pids);
    $self->_save($self->{file}->filename);
    return;
}

# A script that is one session of the smtp mode.
sub _smtp {
    my $self   = shift;
    my $tables = $self->{smtp};
    my $table  = ref $tables ne 'ARRAY' ? $tables : @$tables > 1 ? shift @$tables : $tables->[0];
    return [ sub { NSX::Test::Server::Session->new($table, $_[0], $self->{log})->run } ];
}

sub _serve_one {
    my ($self, $conn, $script) = @_;
    $self->_play($conn, $script);
    $conn->drain;
    $conn->close;
    return;
}

sub _serve_aside {
    my ($self, $conn, $script, $n) = @_;
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    return $pid if $pid;
    alarm $self->{limit};
    close $self->{listener};
    $self->{log} = { connections => [$conn], messages => [] };
    $self->_serve_one($conn, $script);
    $self->_save($self->{file}->filename . ".$n");
    POSIX::_exit(0);
}

sub _gather {
    my ($self, @pids) = @_;
    for my $n (0 .. $#pids) {
        waitpid $pids[$n], 0;
        my $file = $self->{file}->filename . ".$n";
        my $part = eval { Storable::retrieve($file) } || { connections => [ { in => '' } ] };
        unlink $file;
        push @{ $self->{log}{$_} }, @{ $part->{$_} || [] } for qw(connections messages);
    }
    return;
}

sub _save {
    my ($self, $file) = @_;
    delete @{$_}{qw(fh server pos)} for @{ $self->{log}{connections} };
    Storable::nstore(_plain($self->{log}), "$file.new");
    rename "$file.new", $file or die "rename: $!";
    return;
}

sub _plain {
    my $log = shift;
    return { %$log, connections => [ map { +{%$_} } @{ $log->{connections} } ] };
}

sub _accept {
    my $self = shift;
    return if $self->{deaf};
    $self->wait_for($self->{listener}) or return;
    accept my $fh, $self->{listener} or return;
    $fh->blocking(0);
    setsockopt $fh, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1 if !defined $self->{path};
    my $conn = NSX::Test::Server::Connection->new($self, $fh);
    push @{ $self->{log}{connections} }, $conn;
    return $conn;
}

# True when the handle is ready. Once told to stop, only what is already there counts.
sub wait_for {
    my ($self, $fh, $for_write, $limit) = @_;
    my $until = defined $limit ? Time::HiRes::time() + $limit : undef;
    while (1) {
        my ($r, $w) = ('', '');
        vec($r, fileno $self->{stop}, 1) = 1 unless $self->{stopped};
        if ($fh) { vec($for_write ? $w : $r, fileno $fh, 1) = 1 }
        my $left = $self->{stopped} ? 0 : defined $until ? $until - Time::HiRes::time() : undef;
        $left = 0 if defined $left && $left < 0;
        my $n = select my $rout = $r, my $wout = $w, undef, $left;
        next if $n < 0;
        return 1 if $fh && vec($for_write ? $wout : $rout, fileno $fh, 1);
        return 0 if !$n;
        $self->{stopped} = 1;
    }
}

sub _play {
    my ($self, $conn, $script) = @_;
    for my $step (@$script) {
        last if $conn->{end} ne 'open' && ref $step ne 'CODE';
        if    (ref $step eq 'CODE')                    { $step->($conn) }
        elsif (ref $step eq 'Regexp' or $step eq '<')  { $conn->expect($step) }
        elsif (!ref $step)                             { $conn->send("$step\r\n") }
        else {
            my ($what, @args) = @$step;
            $conn->$what(@args);
        }
    }
    return;
}

1;
