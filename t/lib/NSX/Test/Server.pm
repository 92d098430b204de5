package NSX::Test::Server;

# A loopback SMTP server in a process of its own, for tests.
#
#   my $server = NSX::Test::Server->start(connections => [ \@script, ... ]);
#   my $server = NSX::Test::Server->start(smtp => { extensions => ['SIZE 1000'] });
#   ... connect to ($server->host, $server->port) ...
#   my $log = $server->finish;
#
# $log->{connections} holds, in order of arrival, { in => every octet received,
# end => 'eof', 'error' or 'open' }; $log->{messages} what the smtp mode
# delivered: { from, to => [], data, bits, helo }, data with the dot-stuffing
# removed; $log->{timed_out} is true when the limit (seconds) ended the server.
#
# Further arguments of start: limit, family => 6 for ::1, rcvbuf => N (octets, a
# small window), concurrent => 1 (connections side by side, not one after the other).
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
#   ['shut']                end our direction only
#   ['close'] ['reset']     end the connection, by FIN or by RST
#   sub { my $conn = shift } anything else, with the methods below
# After the last step the server reads to the client's end of file.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use File::Temp ();
use IO::Handle;
use POSIX ();
use Socket;
use Storable ();
use Time::HiRes ();

use constant SEGMENT_GAP => 0.002;    # long enough for a segment to travel alone
use constant READ_SIZE   => 65536;

sub start {
    my ($class, %arg) = @_;
    my $self = bless { limit => 20, owner => $$, %arg }, $class;
    $self->_listen;
    $self->{file} = File::Temp->new(TEMPLATE => 'nsx-server-XXXXXXXX', TMPDIR => 1);
    pipe my $stop, my $stopper or die "pipe: $!";
    $self->{stopper} = $stopper;

    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        close $stopper;
        $self->{stop} = $stop;
        my $ok = eval { $self->_serve; 1 };
        print STDERR "server: $@" unless $ok;
        POSIX::_exit($ok ? 0 : 1);
    }
    close delete $self->{listener};
    $self->{pid} = $pid;
    return $self;
}

sub host { $_[0]{host} }
sub port { $_[0]{port} }
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
    waitpid delete $self->{pid}, 0 if $self->{pid};
    return $self->log;
}

# The transcript of a server that has been waited for.
sub log {
    my $self = shift;
    my $log = eval { Storable::retrieve($self->{file}->filename) };
    return $log || { connections => [], messages => [], lost => 1 };
}

sub DESTROY {
    my $self = shift;
    return if $self->{owner} != $$ or !$self->{pid};
    local ($?, $!, $@);
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

sub _listen {
    my $self = shift;
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
    while (my $conn = $self->_accept) {
        my $script = $self->{smtp} ? [ sub { $self->_smtp($_[0]) } ] : shift @scripts;
        $script ||= [ ['close'] ];
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
    setsockopt $fh, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
    my $conn = bless { fh => $fh, server => $self, in => '', pos => 0, end => 'open' },
        'NSX::Test::Server::Connection';
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

# ---- the smtp mode: a server without surprises, save those asked for
#
# extensions => [ EHLO lines ], banner => LINE, domain => NAME, helo_only => 1,
# on => { VERB => reply | [ replies, one a time, the last stays ] | sub { my ($line, $session) = @_ } }
# where a reply is text without the final CRLF, or undef for the usual one.

sub _smtp {
    my ($self, $conn) = @_;
    my %cfg = (domain => 'mx.test', extensions => [], %{ $self->{smtp} });
    my $session = { cfg => \%cfg, conn => $conn, log => $self->{log}, chunks => '' };
    $conn->send(($cfg{banner} || "220 $cfg{domain} ready") . "\r\n");
    while (defined(my $line = $conn->line)) {
        $line =~ s/\r?\n\z//;
        my $verb = uc((split ' ', $line)[0] || '');
        my $reply = _special_reply($cfg{on}{$verb}, $line, $session);
        my $done  = _usual_reply($session, $verb, $line, $reply);
        $conn->send("$done\r\n") if defined $done;
        last if $verb eq 'QUIT';
    }
    return;
}

sub _special_reply {
    my ($rule, $line, $session) = @_;
    return $rule->($line, $session) if ref $rule eq 'CODE';
    return @$rule > 1 ? shift @$rule : $rule->[0] if ref $rule eq 'ARRAY';
    return $rule;
}

sub _usual_reply {
    my ($s, $verb, $line, $reply) = @_;
    my $refused = defined $reply && $reply !~ /^[23]/;
    if ($verb eq 'BDAT') {
        my ($size, $last) = $line =~ /^BDAT (\d+)( LAST)?/i;
        $s->{chunks} .= $s->{conn}->octets($size || 0);
        _deliver($s, delete $s->{chunks}) if $last && !$refused;
        return defined $reply ? $reply : '250 chunk taken';
    }
    return $reply if $refused;
    my $handler = __PACKAGE__->can("_do_$verb");
    my $usual = $handler ? $handler->($s, $line) : '500 what?';
    $usual = $s->{data_reply}->($reply) if $verb eq 'DATA' && $usual eq '354 go on';
    return defined $reply && $verb ne 'DATA' ? $reply : $usual;
}

sub _deliver {
    my ($s, $data) = @_;
    push @{ $s->{log}{messages} },
        { map { $_ => $s->{$_} } qw(from to bits helo) };
    $s->{log}{messages}[-1]{data} = $data;
    @$s{qw(from to bits chunks)} = (undef, undef, undef, '');
    return;
}

sub _do_EHLO {
    my ($s, $line) = @_;
    return '502 HELO, please' if $s->{cfg}{helo_only};
    $s->{helo} = $line;
    my @lines = ("$s->{cfg}{domain} at your service", @{ $s->{cfg}{extensions} });
    my $last = pop @lines;
    return join '', (map {"250-$_\r\n"} @lines), "250 $last";
}

sub _do_HELO { $_[0]{helo} = $_[1]; return "250 $_[0]{cfg}{domain}" }

sub _do_MAIL {
    my ($s, $line) = @_;
    @$s{qw(from to bits chunks)} = (_path($line), [], $line =~ /BODY=(\S+)/ ? $1 : undef, '');
    return '250 sender ok';
}

sub _do_RCPT {
    my ($s, $line) = @_;
    return '503 MAIL first' unless $s->{to};
    my $to = _path($line);
    return '550 no such user' if $to =~ /^bad/;
    push @{ $s->{to} }, $to;
    return '250 recipient ok';
}

sub _do_DATA {
    my $s = shift;
    return '503 RCPT first' unless $s->{to} && @{ $s->{to} };
    $s->{data_reply} = sub {
        my $special = shift;
        $s->{conn}->send((defined $special ? $special : '354 go on') . "\r\n");
        my $body = $s->{conn}->body;
        return unless defined $body;
        $body =~ s/\.\r\n\z//;
        $body =~ s/^\.//mg;
        _deliver($s, $body);
        my $end = _special_reply($s->{cfg}{on}{'.'}, $body, $s);
        return defined $end ? $end : '250 queued';
    };
    return '354 go on';
}

sub _do_RSET { @{ $_[0] }{qw(from to bits chunks)} = (undef, undef, undef, ''); return '250 reset' }
sub _do_NOOP { return '250 done' }
sub _do_QUIT { return '221 bye' }
sub _do_VRFY { return '252 try it' }
sub _do_ETRN { return '250 queue started' }
sub _do_HELP { return "214-first\r\n214 second" }
sub _do_EXPN { return "250-<a\@test>\r\n250 <b\@test>" }

sub _path { return $_[0] =~ /<([^>]*)>/ ? $1 : '' }

# ---- one connection

package NSX::Test::Server::Connection;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Socket;

use constant END_OF_DATA => "\r\n.\r\n";

# More octets from the client; false at its end, or when we were told to stop.
sub fill {
    my ($self, $limit) = @_;
    return 0 if $self->{end} ne 'open';
    while (1) {
        $self->{server}->wait_for($self->{fh}, 0, $limit) or return 0;
        my $n = sysread $self->{fh}, $self->{in}, NSX::Test::Server::READ_SIZE, length $self->{in};
        return 1 if $n;
        if (!defined $n) {
            next if $! == EINTR or $! == EAGAIN or $! == EWOULDBLOCK;
            $self->{end} = 'error';
            return 0;
        }
        $self->{end} = 'eof';
        return 0;
    }
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

sub octets {
    my ($self, $count) = @_;
    while (length($self->{in}) - $self->{pos} < $count) {
        $self->fill or last;
    }
    return $self->_take($count);
}

sub _take {
    my ($self, $count) = @_;
    my $taken = substr $self->{in}, $self->{pos}, $count;
    $self->{pos} += length $taken;
    return $taken;
}

sub drain { my $self = shift; 1 while $self->fill; return }
sub eof   { $_[0]->drain }

sub send {
    my ($self, $octets) = @_;
    my $done = 0;
    while ($done < length $octets && $self->{fh}) {
        $self->{server}->wait_for($self->{fh}, 1) or return;
        my $n = syswrite $self->{fh}, $octets, length($octets) - $done, $done;
        if (!defined $n) {
            next if $! == EINTR or $! == EAGAIN or $! == EWOULDBLOCK;
            return;
        }
        $done += $n;
    }
    return;
}

sub pieces {
    my ($self, @pieces) = @_;
    for my $piece (@pieces) {
        $self->send($piece);
        $self->delay(NSX::Test::Server::SEGMENT_GAP);
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
sub stall { my ($self, $secs) = @_; return $self->delay($secs) }
sub shut  { my $self = shift; shutdown $self->{fh}, 1; return }

sub close {
    my $self = shift;
    close delete $self->{fh} if $self->{fh};
    $self->{end} = 'closed' if $self->{end} eq 'open';
    return;
}

sub reset {
    my $self = shift;
    setsockopt $self->{fh}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    return $self->close;
}

1;
