package NSX::Test::TLS;

# A loopback SMTP server with TLS, for tests: NSX::Test::Server, whose connections can
# start TLS by the openssl command. Each that does gets an "openssl s_server" of its own on
# a Unix socket, and a relay between the two sides that can tamper with the stream.
#
#   my $why = NSX::Test::TLS->missing;          # a reason to skip, or ''
#   my $server = NSX::Test::TLS->start(script => sub { my $c = shift; ... },
#       connections => N, cert => 'server.pem', s_server => [more arguments]);
#   ... or ->implicit(...), ->starttls(...): a server that speaks SMTP
#   ... connect to ('127.0.0.1', $server->port) ...
#   my @seen = $server->finish;                 # one text for each connection
#
# The script is called for each connection, in a process of its own, with an
# NSX::Test::Server::Connection that blocks, and where
#   $c->line           is without its end
#   $c->say(@lines)    sends each as a record (or segment) of its own, with CRLF
#   $c->send($octets)  sends it in one record; false when that failed
#   $c->start_tls      what follows is under TLS; true
#   $c->relay(order)   to the relay, which has heard it when the call returns;
#                      'deaf' (nothing is read from the client any more), or
#                      for octets towards the client: 'hold'
#                      (nothing more), 'cut' (end of the stream at once), 'drip'
#                      (octet by octet), 'half' (the next record's first half,
#                      then nothing), 'split' (in pieces); start's early =>
#                      order is in force from the first octet
#   $c->end            a close_notify and the end
#   $c->smtp           answers commands until QUIT; notes them
#   $c->note($text)    for finish

use strict;
use warnings;

use Cwd ();
use File::Basename ();
use File::Temp ();
use IO::Handle;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket;
use Time::HiRes ();

use NSX::Test::Server;

use constant {
    LIMIT     => 180,      # seconds a process of it lives, however busy the machine
    READ_SIZE => 65536,
    PAUSE     => 0.002,    # between pieces that must travel alone
};

my $certs = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../../certs');
sub cert { "$certs/$_[-1]" }

my $missing;

sub missing {
    return $missing if defined $missing;
    my $version = `openssl version 2>/dev/null` || '';
    my $help    = `openssl s_server -help 2>&1` || '';
    return $missing
        = $version !~ /^(?:OpenSSL|LibreSSL)/ ? 'the openssl command is not there'
        : $help !~ /-unix\b/                  ? 'openssl s_server knows no -unix'
        :                                       '';
}

# s_server of OpenSSL before 3.0 hangs up without a close_notify.
sub says_goodbye { return `openssl version 2>/dev/null` =~ /^OpenSSL (?:[3-9]|\d\d)/ }

sub start {
    my ($class, %arg) = @_;
    my $self = bless { connections => 1, cert => 'server.pem', s_server => [], %arg,
        owner => $$, dir => File::Temp::tempdir(CLEANUP => 0) }, $class;
    my @scripts = map {
        my $n = $_;
        [ sub { NSX::Test::TLS::Connection->play($self, $_[0], $n) } ]
    } 1 .. $self->{connections};
    $self->{server} = NSX::Test::Server->start(
        connections => \@scripts, only => scalar @scripts, concurrent => 1, limit => LIMIT);
    return $self;
}

# A server that speaks SMTP: TLS at once, or after STARTTLS.
sub implicit {
    my ($class, %arg) = @_;
    return $class->start(script => sub {
        my ($c) = @_;
        $c->start_tls and $c->say('220 mail.nsx.example') and $c->smtp;
    }, %arg);
}

sub starttls {
    my ($class, %arg) = @_;
    return $class->start(script => sub {
        my ($c) = @_;
        $c->say('220 mail.nsx.example');
        $c->smtp(esmtp => ['STARTTLS', 'SIZE 1000']) eq 'STARTTLS'
            and $c->start_tls
            and $c->smtp(esmtp => ['8BITMIME', 'HELP']);
    }, %arg);
}

sub host { $_[0]{server}->host }
sub port { $_[0]{server}->port }

sub finish {
    my ($self) = @_;
    my $log = $self->{server}->wait;
    return map { join '', map {"$_\n"} @{ $_->{notes} || [] } } @{ $log->{connections} };
}

sub CLONE_SKIP {1}    # a thread must not end its maker's server

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $!, $@);
    delete $self->{server};
    unlink glob "$self->{dir}/*";
    rmdir $self->{dir};
}

package NSX::Test::TLS::Connection;

use strict;
use warnings;

our @ISA = ('NSX::Test::Server::Connection');

sub play {
    my ($class, $tls, $c, $n) = @_;
    bless $c, $class;
    @{$c}{qw(tls n notes)} = ($tls, $n, []);
    $c->{fh}->blocking(1);
    eval { $tls->{script}->($c); 1 } or $c->note("died: $@");
    $c->_clean_up;
    delete $c->{tls};
}

sub note { my ($c, @text) = @_; push @{ $c->{notes} }, @text }

sub line {
    my ($c) = @_;
    my $line = $c->SUPER::line;
    $line =~ s/\r?\n\z// if defined $line;
    return $line;
}

sub send {
    my ($c, $octets) = @_;
    my $before = $c->{sent};
    $c->SUPER::send($octets);
    return $c->{sent} - $before == length $octets;
}

sub say {
    my ($c, @lines) = @_;
    for my $i (0 .. $#lines) {
        $c->delay(NSX::Test::TLS::PAUSE()) if $i;
        $c->send("$lines[$i]\r\n") or return 0;
    }
    return 1;
}

# The reply codes of a server that takes everything; under TLS it offers
# nothing but what the script's esmtp says.
sub smtp {
    my ($c, %arg) = @_;
    my @esmtp = @{ $arg{esmtp} || [] };
    while (defined(my $line = $c->line)) {
        $c->note($line);
        if ($line =~ /^EHLO/i) {
            my @reply = ('mail.nsx.example', @esmtp);
            my $last = pop @reply;
            $c->send(join '', (map {"250-$_\r\n"} @reply), "250 $last\r\n");
        }
        elsif ($line =~ /^STARTTLS/i) { $c->say('220 go'); return 'STARTTLS' }
        elsif ($line =~ /^QUIT/i)     { $c->say('221 bye'); return 'QUIT' }
        elsif ($line =~ /^DATA/i) {
            $c->say('354 go');
            while (defined($line = $c->line)) { $c->note($line); last if $line eq '.' }
            $c->say('250 taken');
        }
        else { $c->say('250 ok') }
    }
    return 'EOF';
}

# --- TLS ----------------------------------------------------------------------------

sub start_tls {
    my ($c) = @_;
    my $server = $c->{tls};
    my $path = "$server->{dir}/tls$c->{n}";
    my @command = ('openssl', 's_server', '-quiet', '-unix', $path, '-naccept', 1,
        '-cert', NSX::Test::TLS::cert($server->{cert}), @{ $server->{s_server} });

    socketpair my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(), Socket::PF_UNSPEC()
        or die "socketpair: $!";
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        alarm NSX::Test::TLS::LIMIT();
        open STDIN,  '<&', $theirs;
        open STDOUT, '>&', $theirs;
        open STDERR, '>', "$server->{dir}/errors$c->{n}";
        $^F = 2;
        exec @command or POSIX::_exit(127);
    }
    close $theirs;
    $c->{s_server} = $pid;

    my $tls;
    until ($tls = IO::Socket::UNIX->new(Peer => $path)) {
        last if waitpid($pid, POSIX::WNOHANG());
        Time::HiRes::sleep(0.005);
    }
    if (!$tls) { $c->note('openssl s_server did not start'); return 0 }
    pipe my $orders, my $order or die "pipe: $!";
    pipe my $heard, my $hearing or die "pipe: $!";
    my $relay = fork;
    die "fork: $!" if !defined $relay;
    if (!$relay) {
        alarm NSX::Test::TLS::LIMIT();
        close $_ for $ours, $order, $heard;
        $c->_relay($tls, $orders, $hearing);
        POSIX::_exit(0);
    }
    close $_ for $tls, $orders, $hearing, $c->{fh};
    $order->autoflush(1);
    @{$c}{qw(relay orders heard fh)} = ($relay, $order, $heard, $ours);
    return 1;
}

sub relay {
    my ($c, $order) = @_;
    syswrite $c->{orders}, "$order\n";
    sysread $c->{heard}, my $answer, 1;
}

# The client's octets go on as they are; the server's as the orders say.
sub _relay {
    my ($c, $tls, $orders, $hearing) = @_;
    my $client = $c->{fh};
    my $select = IO::Select->new($client, $tls, $orders);
    my $mode   = $c->{tls}{early} || '';
    my $ending = 0;
    local $SIG{TERM} = sub { $ending = 1 };    # what is on its way still goes on

    while (1) {
        my @ready = $select->can_read($ending ? 0.05 : 0.2);
        return if $ending && !@ready;
        for my $fh (@ready) {
            my $n = sysread $fh, my $octets, NSX::Test::TLS::READ_SIZE();
            if ($fh == $orders) {
                if (!$n) { $select->remove($fh); next }
                my $order = (split /\n/, $octets)[-1];
                if   ($order eq 'deaf') { $select->remove($client) }
                else                    { $mode = $order }
                return if $mode eq 'cut';
                syswrite $hearing, '.';
            }
            elsif ($fh == $client) {
                if (!$n) { shutdown $tls, 1; $select->remove($fh); next }
                _all($tls, $octets);
            }
            else {
                if (!$n) { return if $mode ne 'hold' && $mode ne 'held'; $select->remove($fh); next }
                _tampered($client, $octets, \$mode);
            }
        }
    }
}

sub _all {
    my ($to, $octets) = @_;
    while (length $octets) {
        my $n = syswrite $to, $octets;
        return if !defined $n;
        substr $octets, 0, $n, '';
    }
}

sub _tampered {
    my ($client, $octets, $mode) = @_;
    if ($$mode eq 'hold') { return }
    elsif ($$mode eq 'half') {
        _all($client, substr $octets, 0, length($octets) / 2);
        $$mode = 'hold';
    }
    elsif ($$mode eq 'drip' || $$mode eq 'split') {
        my $size = $$mode eq 'drip' ? 1 : 700;
        my $gap  = $$mode eq 'drip' ? 0.05 : NSX::Test::TLS::PAUSE();
        while (length $octets) {
            _all($client, substr $octets, 0, $size, '');
            Time::HiRes::sleep($gap);
        }
    }
    else { _all($client, $octets) }
}

sub end { my ($c) = @_; $c->shut; $c->drain }

sub _clean_up {
    my ($c) = @_;
    $c->close;
    if (my $pid = $c->{s_server}) {
        Time::HiRes::sleep(0.005), waitpid($pid, POSIX::WNOHANG()) && last for 1 .. 6000;
        kill KILL => $pid;
        waitpid $pid, 0;
    }
    if (my $pid = $c->{relay}) {
        close $c->{orders};
        kill TERM => $pid;
        waitpid $pid, 0;
    }
    delete @{$c}{qw(orders heard)};
}

1;
