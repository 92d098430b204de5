# Proxies, name resolution and happy eyeballs of new.
use strict;
use warnings;
use lib 't/lib';

use IO::Socket::INET;
use NSX::Test::Server;
use Net::SMTP::XS;
use Socket qw(pack_sockaddr_in inet_aton SOMAXCONN);
use Test::More;
use Time::HiRes ();

my $class   = 'Net::SMTP::XS';
my $session = ['220 hi', qr/^EHLO /, '250 mx.test', qr/^QUIT/, '221 bye'];
my $bound   = "\x05\0\0\1\x7f\0\0\1\x12\x34";

sub proxy  { return NSX::Test::Server->start(connections => [@_]) }
sub socks  { my ($server, $login) = @_; return 'socks5://' . ($login // '') . '127.0.0.1:' . $server->port }
sub http   { my ($server, $login) = @_; return 'http://' . ($login // '') . '127.0.0.1:' . $server->port }
sub seen   { return $_[0]->finish->{connections}[0]{in} }
sub new_by { return $class->new('mx.test', Port => 25, Timeout => 10, Proxy => @_) }

# Octets for "connect to mx.test port 25".
my $ask_socks = "\x05\1\0\3\7mx.test\0\x19";
my $ask_http  = "CONNECT mx.test:25 HTTP/1.1\r\nHost: mx.test:25\r\n";

sub works {
    my ($name, $proxy, $url, $want) = @_;
    my $smtp = new_by($url);
    ok $smtp, "$name: connected" or diag $@;
    return $proxy->finish if !$smtp;
    is $smtp->host,   'mx.test',                        "$name: the host";
    like $smtp->banner, qr/\Ahi/, "$name: greeted";
    ok $smtp->quit, "$name: quit";
    is seen($proxy), $want . "EHLO localhost.localdomain\r\nQUIT\r\n", "$name: what the proxy saw";
    return;
}

subtest 'the two dialogues, and the greeting right behind' => sub {
    my ($first, @rest) = @$session;
    my $http = "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n";
    for my $how ('send', 'bytes') {
        my $proxy = proxy([['octets', 3], [$how, "\x05\0"], ['octets', 14], [$how, "$bound$first\r\n"], @rest]);
        works("SOCKS5 ($how)", $proxy, socks($proxy), "\x05\1\0$ask_socks");
        $proxy = proxy([qr/^CONNECT/, qr/^Host/, qr/^\r?$/, [$how, "$http$first\r\n"], @rest]);
        works("CONNECT ($how)", $proxy, http($proxy), "$ask_http\r\n");
    }
};

# Each way to cut reply and greeting in two.
subtest 'every split' => sub {
    my ($first, @rest) = @$session;
    my $octets = "HTTP/1.1 200 OK\r\n\r\n$first\r\n";
    my @scripts = map {
        my $at = $_;
        [   qr/^CONNECT/, qr/^Host/, qr/^\r?$/,
            ['send', substr $octets, 0, $at], ['delay', 0.01], ['send', substr $octets, $at], @rest
        ]
    } 1 .. length($octets) - 1;
    my $proxy = proxy(@scripts);
    my $good  = 0;
    for (@scripts) {
        my $smtp = new_by(http($proxy)) or diag $@;
        $good++ if $smtp && $smtp->banner =~ /\Ahi/ && $smtp->quit;
    }
    is $good, @scripts, 'the greeting is whole';
    $proxy->finish;
};

subtest 'credentials' => sub {
    my $proxy = proxy(
        [['octets', 4], ['send', "\x05\2"], ['octets', 11], ['send', "\1\0"], ['octets', 14], ['send', $bound], @$session]);
    works('SOCKS5', $proxy, socks($proxy, 'me%40x:p%3Aw%00@'), "\x05\2\0\2\1\4me\@x\4p:w\0$ask_socks");
    $proxy = proxy([qr/^CONNECT/, qr/^Host/, qr/^Proxy/, qr/^\r?$/, ['send', "HTTP/1.1 200 OK\r\n\r\n"], @$session]);
    works('CONNECT', $proxy, http($proxy, 'me:p%3a:w@'), "${ask_http}Proxy-Authorization: Basic bWU6cDo6dw==\r\n\r\n");
};

subtest 'numeric hosts' => sub {
    for my $case (['192.0.2.9', "\x05\1\0\1\xc0\0\2\x09\0\x19"], ['::1', "\x05\1\0\4" . ("\0" x 15) . "\1\0\x19"]) {
        my ($host, $ask) = @$case;
        my $proxy = proxy([['octets', 3], ['send', "\x05\0"], ['octets', length $ask], ['send', $bound], @$session]);
        my $smtp = $class->new($host, Proxy => socks($proxy), Timeout => 10, Port => 'smtp(25)');
        ok $smtp && $smtp->quit, $host;
        is substr(seen($proxy), 3, length $ask), $ask, 'as an address';
    }
};

# --- refusals ---------------------------------------------------------------------

my @refusals = (
    ['rules',           'socks5', [['octets', 3], ['send', "\x05\0"], ['octets', 14], ['send', "\x05\2\0\1\0\0\0\0\0\0"]], qr/refused by the proxy's rules/],
    ['host unreachable','socks5', [['octets', 3], ['send', "\x05\0"], ['octets', 14], ['send', "\x05\4\0\1\0\0\0\0\0\0"]], qr/host unreachable/],
    ['SOCKS5 wants one', 'socks5', [['octets', 3], ['send', "\x05\xff"]], qr/proxy wants authentication/],
    ['it closes',       'socks5', [['octets', 3], ['close']], qr/proxy closed the connection|Connection reset/],
    ['HTTP, not SOCKS5','socks5', [['octets', 3], ['send', "HTTP/1.1 400 Bad Request\r\n\r\n"]], qr/does not speak SOCKS5/],
    ['wants a login',             'http',   [(qr/./) x 2, '<', ['send', "HTTP/1.1 407 Who?\r\n\r\n"]], qr/wants authentication: 407 Who\?/],
    ['forbidden',             'http',   [(qr/./) x 2, '<', ['send', "HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\n<html>"]], qr/the proxy refused: 403 Forbidden/],
    ['a mail server',   'http',   ['220 mx.test ESMTP'], qr/does not speak HTTP/],
    ['silence',         'socks5', [['octets', 3], ['stall', 30]], qr/timed out/i],
    ['half a reply',    'http',   [(qr/./) x 2, '<', ['send', "HTTP/1.1 200 OK\r\n"], ['stall', 30]], qr/timed out/i],
);
for my $case (@refusals) {
    my ($name, $kind, $script, $why) = @$case;
    my $proxy = proxy($script);
    my $patience = $why =~ /timed/ ? 0.5 : 10;
    ok !defined $class->new('mx.test', Timeout => $patience, Proxy => "$kind://127.0.0.1:" . $proxy->port), $name;
    like $@, qr/\A$class: proxy: .*$why/, "$name: \$\@ says so";
    $proxy->finish;
}

{
    my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
    my $port = $closed->sockport;
    close $closed;
    ok !defined new_by("http://127.0.0.1:$port"), 'no proxy there';
    ok $!{ECONNREFUSED}, '$! says why';
    is $@, "$class: proxy: connect: $!", '$@ says where';
    ok !defined $class->new('127.0.0.1', Port => $port, Resolve => sub { $_[2]->('', '127.0.0.1') }),
        'no server there';
    is $@, "$class: connect: " . do { local $! = Errno::ECONNREFUSED(); "$!" }, '$@ is as of the system';
}

# --- secrets ------------------------------------------------------------------------

subtest 'a password is nowhere to be seen' => sub {
    require Carp;
    my $debug = '';
    for my $step (
        [['send', "\x05\xff"]],
        [['send', "\x05\2"], ['octets', 11], ['send', "\1\1"]],
        [['send', "\x05\0"], ['octets', 14], ['send', $bound], '220 hi', '<', '500 no', '<', '500 no'],
        )
    {
        my $proxy = proxy([['octets', 4], @$step]);
        my @died;
        {
            local $SIG{__DIE__} = sub { push @died, Carp::longmess(@_) };
            local *STDERR;
            open STDERR, '>', \my $err or die $!;
            my $smtp = eval { new_by(socks($proxy, 'me:s3cret@'), Debug => 1, Resolve => sub { $_[2]->('', '127.0.0.1'); eval { die 'x' } }) };
            $debug .= $err // '';
        }
        unlike $@, qr/s3cret/, '$@';
        unlike "@died", qr/s3cret/, 'stack traces';
        $proxy->finish;
    }
    unlike $debug, qr/socks5|s3cret/, 'debugging output';
    my $proxy = proxy([['octets', 4], ['send', "\x05\0"], ['octets', 14], ['send', $bound], @$session]);
    my $smtp = new_by(socks($proxy, 'me:s3cret@'));
    unlike join(' ', map { $_ // '' } %{ ${*$smtp}{net_smtp_arg} }), qr/s3cret/, 'the object';
    $smtp->quit;
    $proxy->finish;
};

# --- arguments ----------------------------------------------------------------------

my @bad = (
    ['https://h:1', qr/Proxy: it takes/], ['h:1080', qr/Proxy: it takes/], ['', qr/Proxy: it takes/],
    ['socks4://h', qr/Proxy: it takes/], ['socks5://', qr/Proxy: it takes/],
    ['socks5://h:port', qr/Proxy: it takes/], ['socks5://h:0', qr/Proxy: not a port/], ['socks5://h:99999', qr/Proxy: not a port/],
    ['socks5://me:s3cret%@h', qr/Proxy: a %/], ["socks5://me:s3cret\x{100}\@h", qr/Proxy: wide/],
    ['socks5://me@h', qr/Proxy: SOCKS5 takes a user and a password/], ['http://a%3ab:s3cret@h', qr/Proxy: a colon/],
    ['http://a:s3cret%0a@h', qr/Proxy: .*control character/], ['http://h/path', qr/Proxy: it takes/], ["http://h\n", qr/Proxy: it takes/],
);
for my $case (@bad) {
    my ($url, $why) = @$case;
    (my $shown = $url) =~ s/([^ -~])/sprintf '\x{%x}', ord $1/ge;
    eval { $class->new('mx.test', Proxy => $url) };
    like $@, qr/\A$why.* at \Q$0\E line/s, "Proxy => '$shown'";
    unlike $@, qr/s3c/, 'the password is not shown';
}
eval { $class->new(Path => '/x', Proxy => 'http://h') };
like $@, qr/\AProxy leads to a Host/, 'Proxy and Path';
eval { $class->new('h', Resolve => 'x') };
like $@, qr/\AResolve: it takes a code reference/, 'Resolve';
ok !defined $class->new('a b', Proxy => 'http://127.0.0.1:1'), 'a host that is none';
like $@, qr/\A$class: not a host's name/, '$@ says so';
ok !defined $class->new('mx.test', Port => 'nosuch', Proxy => 'http://127.0.0.1:1'), 'a port that is none';
like $@, qr/\A$class: no such port: nosuch/, '$@ says so';

# --- Resolve and the addresses ------------------------------------------------------------

sub listener {
    my %how = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => SOMAXCONN, %how) || die "listen: $@";
}

# Its port, and what keeps it busy; nothing where a full queue is no black hole.
sub black_hole {
    my $listener = listener(Listen => 0);
    my @held = $listener;
    for (1 .. 8) {
        my $fh = IO::Socket::INET->new(Blocking => 0, PeerAddr => '127.0.0.1', PeerPort => $listener->sockport) or die $@;
        push @held, $fh;
        select undef, undef, undef, 0.02;
        return ($listener->sockport, \@held) if !$fh->connected;
    }
    return;
}

sub packed { return pack_sockaddr_in($_[0], inet_aton('127.0.0.1')) }

subtest 'Resolve' => sub {
    my @asked;
    for my $form ('hash', 'packed', 'numeric') {
        my $server = NSX::Test::Server->start(smtp => {});
        my $smtp = $class->new('far.test', Port => $server->port, Timeout => 10, Resolve => sub {
            my ($host, $port, $done) = @_;
            push @asked, "$host:$port" . ($port == $server->port ? '' : '?');
            $done->('', $form eq 'hash' ? { addr => packed($port) } : $form eq 'packed' ? packed($port) : '127.0.0.1');
            $done->('', '192.0.2.1');
        });
        ok $smtp && $smtp->quit, "$form" or diag $@;
        is $smtp->host, 'far.test', 'the host is the name' if $smtp;
        $server->finish;
    }
    like "@asked", qr/\A(?:far.test:\d+ ?){3}\z/, 'asked for the host and the port';
    for my $case (['an error', sub { $_[2]->('no such name') }, qr/resolve: no such name/],
        ['nothing found', sub { $_[2]->('') }, qr/resolve: no address/],
        ['no answer', sub { }, qr/resolve: Resolve returned without an answer/]) {
        my ($name, $code, $why) = @$case;
        ok !defined $class->new('far.test', Resolve => $code, Timeout => 5), $name;
        like $@, qr/\A$class: $why\z/, "$name: \$\@";
    }
    ok !eval { $class->new('far.test', Resolve => sub { die "mine\n" }); 1 }, 'an exception';
    is $@, "mine\n", 'is the caller\'s';
    ok !eval { $class->new('far.test', Resolve => sub { $_[2]->('', 'x' x 200) }); 1 }, 'not an address';
    like $@, qr/Not an address/, 'is an exception';
    my $proxy = proxy([['octets', 3], ['send', "\x05\0"], ['octets', 14], ['send', $bound], @$session]);
    my $smtp = $class->new('mx.test', Port => 25, Proxy => 'socks5://proxy.test:' . $proxy->port,
        Resolve => sub { push @asked, $_[0]; $_[2]->('', '127.0.0.1') });
    ok $smtp && $smtp->quit, 'a proxy by its name';
    is $asked[-1], 'proxy.test', 'is what is resolved';
    $proxy->finish;
};

SKIP: {
    my ($port, $held) = black_hole() or skip 'a full queue is no black hole here', 5;
    my $server = NSX::Test::Server->start(smtp => {});
    my $begin  = Time::HiRes::time();
    my $smtp   = $class->new('far.test', Timeout => 20, Resolve => sub { $_[2]->('', packed($port), packed($server->port)) });
    my $took   = Time::HiRes::time() - $begin;
    ok $smtp, 'past a black hole' or diag $@;
    ok $took >= 0.2 && $took < 5, sprintf 'with the second address, after %.3f s', $took;
    is $smtp->peerport, $server->port, 'it is that one';
    $smtp->quit;
    $server->finish;
    ok !defined $class->new('far.test', Timeout => 0.4, Resolve => sub { $_[2]->('', packed($port)) }), 'nothing but a black hole';
    ok $!{ETIMEDOUT} && $@ eq "$class: connect: $!", "\$\@: $@";
}

subtest 'lists of hosts, families, ends of our own' => sub {
    my $server = NSX::Test::Server->start(smtp => {});
    my @more = (Port => $server->port, Timeout => 10, Protocol => 'smtp');
    my $smtp = $class->new(['no..such', '127.0.0.1'], @more);
    ok $smtp, 'the second of two hosts' or diag $@;
    is $smtp->host, '127.0.0.1', 'is told';
    $smtp->quit;
    $smtp = $class->new('127.0.0.1', @more, LocalAddr => '127.0.0.1', Domain => Socket::AF_INET());
    ok $smtp, 'from an address' or diag $@;
    is $smtp->sockhost, '127.0.0.1', 'this one';
    $smtp->quit;
    $smtp = $class->new('localhost', @more, Family => Socket::AF_INET());
    ok $smtp && $smtp->quit, 'localhost';
    ok !defined $class->new('127.0.0.1', @more, LocalAddr => '192.0.2.1'), 'from an address that is not ours';
    like $@, qr/\A$class: connect: \S/, '$@ says so';
    ok !defined $class->new('127.0.0.1', @more, LocalAddr => '::1'), 'from another family';
    like $@, qr/\A$class: .*no local address of the server's family/, '$@ says so';
    $server->finish;
};

# --- stepwise -----------------------------------------------------------------------------

sub descriptors {
    opendir my $dir, '/proc/self/fd' or return 0;
    return scalar grep { /\d/ } readdir $dir;
}

subtest 'in steps' => sub {
    require Net::SMTP::XS::Connecting;
    my $server = listener();
    my $done;
    my %how = (type => $class, host => 'far.test', port => $server->sockport, timeout => 20, resolve => sub { $done = $_[2] });
    my $before = descriptors();
    my $c = Net::SMTP::XS::Connecting->new(\%how);
    ok !$c->turn && $c->{want} eq 'timer' && !defined $c->handle, 'a name that does not resolve: only the time';
    $done->('', '127.0.0.1');
    is $c->{until}, 0, 'an answer: to be stepped now';
    until ($c->turn) {
        vec(my $bits = '', fileno $c->handle, 1) = 1;
        select undef, $bits, undef, 5 or die 'nothing happens';
    }
    isa_ok $c->object, $class;
    is $c->object->peerport, $server->sockport, 'it is connected';
    is fileno $c->handle, fileno $c->object, 'its handle is the object';
    undef $c;
    $c = Net::SMTP::XS::Connecting->new({ %how, timeout => 0.05 });
    my $turns = 0;
    until ($c->turn) { select undef, undef, undef, 0.02; $turns++ }
    ok $turns > 0, 'a name that never resolves takes no time of ours';
    like $c->{why}, qr/\A$class: resolve: /, 'and ends with the time';
    undef $c;
    $c = Net::SMTP::XS::Connecting->new({ %how, host => 'no..such', resolve => undef });
    $c->turn;
    undef $c;
    ok eval { $done->('', '127.0.0.1'); 1 }, 'an answer that nobody waits for';
    # A thread may still be about to end.
    for (1 .. 200) { last if descriptors() == $before; select undef, undef, undef, 0.05 }
    is descriptors(), $before, 'no descriptor is left';
    SKIP: {
        my ($port, $held) = black_hole() or skip 'a full queue is no black hole here', 2;
        my $open = descriptors();
        $c = Net::SMTP::XS::Connecting->new({ %how, resolve => sub { $_[2]->('', packed($port)) } });
        ok !$c->turn && $c->{want} eq 'write' && defined fileno $c->handle, 'under way';
        undef $c;
        is descriptors(), $open, 'dropped: no descriptor is left';
        my $died = eval {
            local $SIG{ALRM} = sub { die "alarm\n" };
            Time::HiRes::alarm(0.1);
            $class->new('far.test', Timeout => 20, Resolve => sub { $_[2]->('', packed($port)) });
            1;
        };
        is $@, "alarm\n", 'a signal handler that dies ends new';
        is descriptors(), $open, 'no descriptor is left';
    }
};

subtest 'start_session' => sub {
    my $proxy = proxy([['octets', 3], ['send', "\x05\0"], ['octets', 14], ['bytes', $bound . "220 hi\r\n"], @$session[1 .. $#$session]]);
    my $done;
    my $op = $class->start_session('mx.test', Port => 25, Timeout => 20, Proxy => 'socks5://proxy.test:' . $proxy->port,
        Resolve => sub { $done = $_[2] });
    ok !$op->step && $op->want eq 'timer' && !defined $op->handle && $op->timeout > 1, 'waits for the name';
    $done->('', '127.0.0.1');
    is $op->timeout, 0, 'an answer: its time has come';
    until ($op->step) {
        vec(my $bits = '', fileno $op->handle, 1) = 1;
        select my $in = $bits, my $out = $op->want eq 'write' ? $bits : undef, undef, 5 or die 'nothing happens';
    }
    my $smtp = $op->result;
    ok $smtp && $smtp->banner =~ /\Ahi/ && $smtp->quit, 'a session through a proxy' or diag $@;
    is seen($proxy), "\x05\1\0${ask_socks}EHLO localhost.localdomain\r\nQUIT\r\n", 'what the proxy saw';
    $op = $class->start_session('far.test', Timeout => 20, Resolve => sub { $done = $_[2] });
    $op->step;
    $done->('no such name');
    ok $op->step, 'a name that is not found';
    ok !defined $op->result && $@ eq "$class: resolve: no such name", '$@ says so';
    $op = $class->start_session('far.test', Timeout => 20, Resolve => sub { $done = $_[2] });
    $op->cancel;
    $done->('', '127.0.0.1');
    ok $op->step && !defined $op->result, 'cancelled before the answer';
};

subtest 'a child of fork' => sub {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my $c = Net::SMTP::XS::Connecting->new({ type => $class, host => 'no..such', port => 25, timeout => 5 });
        my $child = fork // POSIX::_exit(1);
        if (!$child) {
            1 until $c->turn;
            POSIX::_exit($c->{why} =~ /fork/ ? 0 : 1);
        }
        waitpid $child, 0;
        POSIX::_exit($? ? 1 : 0);
    }
    waitpid $pid, 0;
    is $?, 0, 'has no part in its parent\'s lookup';
};

# --- what needs none of it ------------------------------------------------------------------

{
    package Child;
    our @ISA = ('Net::SMTP::XS');
    our $configured = 0;
    sub configure { $configured++; my $self = shift; return $self->SUPER::configure(@_) }
}

{
    my $server = NSX::Test::Server->start(smtp => {});
    my $smtp = Child->new('127.0.0.1', Port => $server->port, Timeout => 10);
    ok $smtp && $smtp->quit, 'without a new option';
    is $Child::configured, 1, 'the constructor of sockets makes the object';
    $smtp = Child->new('127.0.0.1', Port => $server->port, Timeout => 10, StartTLS => 'auto');
    ok $smtp && $smtp->quit, 'with one';
    is $Child::configured, 1, 'it does not';
    $server->finish;
}

done_testing();
