#!perl

# TLS with real peers: IO::Socket::SSL as the server, openssl s_server with
# stapled answers, Postfix; and with programs that bring IO::Socket::SSL along.
#
#   prove -b xt/tls-peers.t

use strict;
use warnings;

use Config;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use File::Temp ();
use NSX::Test::Server;
use NSX::Test::TLS;
use POSIX ();
use Test::More;

BEGIN {
    plan skip_all => 'IO::Socket::SSL is not there' if !eval { require IO::Socket::SSL };
    plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing;
}

use Net::SMTP::XS;
use Net::SMTP::XS::TLS;

use constant { LIMIT => 60, SHORT => 1 };    # seconds

sub cert { NSX::Test::TLS::cert(@_) }
my %ca = (SSL_ca_file => cert('ca.pem'));

# --- IO::Socket::SSL as the server ------------------------------------------

my @servers;

# Greets and answers one connection after the other; TLS at once.
sub ssl_server {
    my ($code, %arg) = @_;
    my $family = delete $arg{family} || 4;
    my $context;
    push @servers, NSX::Test::Server->start(limit => LIMIT, family => $family, always => [ sub {
        my $conn = shift;
        $context ||= IO::Socket::SSL::SSL_Context->new(SSL_server => 1,
            SSL_cert_file => cert('server.pem'), SSL_key_file => cert('server.pem'), %arg)
            or die IO::Socket::SSL::errstr();
        $conn->{fh}->blocking(1);
        my $ssl = IO::Socket::SSL->start_SSL($conn->{fh}, SSL_server => 1, SSL_reuse_ctx => $context)
            or return $conn->close;
        eval { $code->($ssl) };
        $ssl->close;
        $conn->close;
    } ]);
    return $servers[-1]->port;
}

sub answer_all {
    my ($ssl) = @_;
    print $ssl "220 mail.nsx.example\r\n";
    while (defined(my $line = <$ssl>)) {
        if ($line =~ /^QUIT/) { print $ssl "221 bye\r\n"; last }
        my $peer = $line =~ /^WHO/ ? $ssl->peer_certificate('cn') || 'nobody' : 'ok';
        print $ssl "250 $peer\r\n";
    }
}

sub client {
    my ($port, %arg) = @_;
    return Net::SMTP::XS->new(delete $arg{host} || '127.0.0.1', Port => $port, SSL => 1, Timeout => 10, %ca, %arg);
}

subtest 'resumption with IO::Socket::SSL' => sub {
    my $port = ssl_server(\&answer_all, SSL_session_id_context => 'nsx');
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $cache = Net::SMTP::XS::TLS::SessionCache->new(10);
        my @reused = map {
            my $smtp = client($port, SSL_version => $version, SSL_session_cache => $cache) or die $@;
            my $reused = $smtp->get_session_reused;
            $smtp->quit;
            $reused;
        } 1 .. 3;
        is("@reused", '0 1 1', $version);
    }
};

subtest 'a certificate of our own' => sub {
    my $port = ssl_server(\&answer_all, SSL_verify_mode => 3, %ca);
    my $smtp = client($port, SSL_cert_file => cert('client.pem'), SSL_key_file => cert('client.pem'));
    ok($smtp, 'connected') or return diag($@);
    is(join('', $smtp->command('WHO')->response, $smtp->message), "2A client\n", 'the server saw it');
    $smtp->quit;
    # TLS 1.3 tells only after our side of the handshake is done.
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        ok(!client($port, SSL_version => $version), "without one: $version");
        like($@, qr/alert|certificate required|handshake failure|closed/i, 'the reason') or diag($@);
    }
};

subtest 'IPv6' => sub {
    my $port = eval { ssl_server(\&answer_all, family => 6) } or plan skip_all => 'no IPv6 on loopback';
    for my $host ('::1', "[::1]:$port", '0:0:0:0:0:0:0:1') {
        my $smtp = client($port, host => $host);
        ok($smtp, $host) or diag($@);
        is($smtp->get_servername, undef, 'no SNI for an address') if $smtp;
    }
};

subtest 'a list of hosts is verified by the one connected to' => sub {
    my $port = ssl_server(\&answer_all);
    my $deaf = NSX::Test::Server->start(deaf => 1);
    my $closed = $deaf->port;
    my $smtp = client($port, host => ["127.0.0.1:$closed", "localhost:$port"]);
    ok($smtp, 'the second') or return diag($@);
    is($smtp->get_servername, 'localhost', 'its name');
};

subtest 'many octets both ways' => sub {
    my $port = ssl_server(sub {
        my ($ssl) = @_;
        print $ssl "220 mail.nsx.example\r\n";
        my ($in_data, $octets) = (0, 0);
        while (defined(my $line = <$ssl>)) {
            if ($in_data) {
                $octets += length $line;
                next if $line ne ".\r\n";
                $in_data = 0;
                print $ssl "250 $octets\r\n";
            }
            elsif ($line =~ /^DATA/) { $in_data = 1; print $ssl "354 go\r\n" }
            elsif ($line =~ /^HELP/) { print $ssl map({ "214-$_ " . 'x' x 900 . "\r\n" } 1 .. 900), "214 end\r\n" }
            else                     { print $ssl "250 ok\r\n" }
        }
    });
    my $smtp = client($port) or return fail($@);
    $smtp->mail('a@x.example');
    $smtp->to('b@x.example');
    my $line = 'x' x 998 . "\n";
    ok($smtp->data(map {$line} 1 .. 5000), 'data');
    is($smtp->message, 5000 * 1000 + 3 . "\n", 'all of it');
    my $help = $smtp->help;
    is(length $help, length join('', map { "$_ " . 'x' x 900 . "\n" } 1 .. 900) . "end\n", 'a long reply');
};

# --- renegotiation and key update: s_server does them on command -------------

my @interactive;

END { if (@interactive) { local $?; kill KILL => @interactive; waitpid $_, 0 for @interactive } }

sub interactive {
    my (@arg) = @_;
    my $ear = IO::Socket::IP->new(LocalHost => '127.0.0.1', Listen => 1) or die $@;
    my $port = $ear->sockport;
    close $ear;
    my $pid = open my $in, '|-', 'sh', '-c', 'exec openssl "$@" >/dev/null 2>&1', 'sh', 's_server',
        '-accept', "127.0.0.1:$port", '-cert', cert('server.pem'), @arg
        or die "openssl: $!";
    push @interactive, $pid;
    $in->autoflush(1);
    for (1 .. 200) { last if IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port); select undef, undef, undef, 0.02 }
    return ($port, $in);
}

for my $case (['TLS 1.3 key update', '-tls1_3', 'K'], ['key update of one side', '-tls1_3', 'k'],
    ['TLS 1.2 renegotiation', '-tls1_2', 'r']) {
    my ($name, $version, $command) = @$case;
    subtest $name => sub {
        my ($port, $in) = interactive($version);
        my $raw = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port, Timeout => 5) or return fail($@);
        my $smtp = bless $raw, 'Net::SMTP::XS';
        ok(Net::SMTP::XS::TLS->start_SSL($smtp, %ca, SSL_verifycn_name => 'localhost'), 'connected') or return diag($@);
        print $in "250 one\n";
        is(scalar $smtp->getline, "250 one\n", 'before');
        print $in "$command\n";
        select undef, undef, undef, 0.2;
        print $in "250 two\n";
        is(scalar $smtp->getline, "250 two\n", 'after');
        ok($smtp->command('NOOP'), 'a command');
        print $in "250 three\n";
        is(scalar $smtp->getline, "250 three\n", 'and its reply');
    };
}

# --- stapled answers --------------------------------------------------------------

sub quietly { system "{ @_; } >/dev/null 2>&1" and die "@_" }

sub make_pki {
    my ($dir) = @_;
    my $ec = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch';
    quietly("openssl req -x509 $ec -subj /CN=ocsp-ca -keyout $dir/ca.key -out $dir/ca.pem -days 3");
    open my $index, '>', "$dir/index" or die $!;
    my $expiry = POSIX::strftime('%y%m%d%H%M%SZ', gmtime time + 86400);
    for my $name (qw(good revoked)) {
        my $serial = $name eq 'good' ? '1001' : '1002';
        quietly("openssl req $ec -subj /CN=localhost -keyout $dir/$name.key -out $dir/$name.csr");
        quietly("printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > $dir/ext && openssl x509 -req -in $dir/$name.csr"
            . " -CA $dir/ca.pem -CAkey $dir/ca.key -set_serial 0x$serial -days 1 -extfile $dir/ext -out $dir/$name.crt");
        quietly("cat $dir/$name.crt $dir/$name.key > $dir/$name.pem");
        print $index join("\t", $name eq 'good' ? ('V', $expiry, '') : ('R', $expiry, $expiry),
            $serial, 'unknown', "/CN=$name"), "\n";
    }
    close $index;
    for my $name (qw(good revoked)) {
        quietly("openssl ocsp -issuer $dir/ca.pem -cert $dir/$name.crt -reqout $dir/$name.req");
        quietly("openssl ocsp -index $dir/index -CA $dir/ca.pem -rsigner $dir/ca.pem -rkey $dir/ca.key"
            . " -reqin $dir/$name.req -respout $dir/$name.der -ndays 1");
    }
}

subtest 'stapled answers' => sub {
    my $dir = File::Temp->newdir;
    plan skip_all => "no certificates: $@" if !eval { make_pki($dir); 1 };
    my $try = sub {
        my ($cert, $answer, %arg) = @_;
        my $server = NSX::Test::TLS->implicit(s_server => [
            '-cert', "$dir/$cert.pem", '-key', "$dir/$cert.pem", $answer ? ('-status_file', "$dir/$answer.der") : ()]);
        my $smtp = client($server->port, SSL_ca_file => "$dir/ca.pem", %arg);
        my $why = $@;
        return $smtp && $smtp->_NOOP ? 'in' : "out: $why";
    };
    is($try->('good', 'good'), 'in', 'good');
    is($try->('good', 'good', SSL_ocsp_mode => 2 | 4), 'in', 'good, and must be there');
    like($try->('revoked', 'revoked'), qr/^out: .*revoked/i, 'revoked');
    is($try->('revoked', 'revoked', SSL_ocsp_mode => 1), 'in', 'revoked, but not asked for');
    is($try->('good', 'revoked'), 'in', 'of another certificate');
    like($try->('good', 'revoked', SSL_ocsp_mode => 4 | 16), qr/^out: /, 'of another, failing hard');
    like($try->('good', undef, SSL_ocsp_mode => 2), qr/^out: .*OCSP/, 'missing, but must be there');
};

# --- programs that bring IO::Socket::SSL ------------------------------------------

{
    package Old::SSL;    # as Net::SMTP::SSL and its like are made
    our @ISA = ('IO::Socket::SSL', 'Net::SMTP::XS');
}

subtest 'IO::Socket::SSL->start_SSL by the script' => sub {
    my $server = NSX::Test::TLS->starttls;
    my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, Timeout => 10) or return fail($@);
    ok($smtp->_STARTTLS, 'STARTTLS');
    ok(IO::Socket::SSL->start_SSL($smtp, %ca, SSL_verifycn_name => 'localhost', Timeout => 10), 'start_SSL')
        or return diag(IO::Socket::SSL::errstr());
    bless $smtp, 'Old::SSL';
    ok(tied *$smtp, 'a tied handle');
    ok($smtp->hello('me.example'), 'EHLO');
    ok(defined $smtp->supports('8BITMIME'), 'capabilities');
    ok($smtp->mail('a@x.example'), 'mail');
    ok($smtp->to('b@x.example'), 'to');
    ok($smtp->data("one\n.two\n" x 2000), 'data');
    ok($smtp->get_cipher, 'get_cipher is that of IO::Socket::SSL');
    ok($smtp->quit, 'quit');
    my ($seen) = $server->finish;
    is(scalar(() = $seen =~ /^\.\.two$/mg), 2000, 'what the server got');
};

# --- processes and threads ------------------------------------------------------------

subtest 'a thread' => sub {
    plan skip_all => 'this perl has no threads' if !$Config{useithreads} || !eval { require threads };
    my $server = NSX::Test::TLS->implicit;
    my $smtp = client($server->port) or return fail($@);
    my $cert = $smtp->peer_certificate;
    my @in_thread = threads->create({ context => 'list' }, sub {
        my $ok = $smtp->_NOOP ? 1 : 0;
        my $code = $smtp->code;
        my $cn = $cert->common_name;
        no warnings;
        my $line = sysread $smtp, my $buffer, 10;
        $smtp->close;
        return ($ok, $code, $cn, $line);
    })->join;
    is_deeply([@in_thread[0 .. 2]], [0, 421, 'mail.nsx.example'], 'has a closed object and a live certificate');
    ok($smtp->_NOOP, 'the thread that made it goes on');
    ok($smtp->quit, 'to the end');
    my ($seen) = $server->finish;
    like($seen, qr/\AEHLO \S+\nNOOP\nQUIT\n\z/, 'the server heard one voice');
};

# --- Postfix ---------------------------------------------------------------------------

SKIP: {
    require NSX::Author::Postfix;
    my $missing = NSX::Author::Postfix->missing;
    skip "Postfix: $missing", 1 if $missing;
    subtest 'Postfix' => sub {
        my $postfix = NSX::Author::Postfix->start;
        my @ca = (SSL_ca_file => $postfix->ca_file);
        my $body = "From: a\@nsx.test\nSubject: x\n\n" . join '', map {".line $_\n"} 1 .. 2000;

        my $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $postfix->port('smtps-open'), SSL => 1, @ca, Timeout => 20);
        ok($smtp, 'smtps') or diag($@);
        ok($smtp->mail('a@nsx.test'), 'mail');
        ok($smtp->to($postfix->address('tls-wrapped')), 'to');
        ok($smtp->data($body), 'data') or diag($smtp->message);
        ok($smtp->quit, 'quit');
        my ($mail) = $postfix->delivered('tls-wrapped');
        is($mail->{octets}, $body, 'delivered, octet for octet');

        $smtp = Net::SMTP::XS->new('localhost', Port => $postfix->port('submission'), Timeout => 20) or return fail($@);
        ok(defined $smtp->supports('STARTTLS'), 'STARTTLS is offered');
        ok(!$smtp->mail('a@nsx.test'), 'and asked for');
        ok($smtp->starttls(@ca), 'starttls') or diag($@);
        ok(!defined $smtp->supports('STARTTLS'), 'no more');
        is($smtp->get_servername, 'localhost', 'SNI');
        ok($smtp->supports('AUTH'), 'AUTH is offered now');
        ok($smtp->quit, 'quit');

        $smtp = Net::SMTP::XS->new('127.0.0.1', Port => $postfix->port('smtps-open'), SSL => 1);
        ok(!$smtp, 'not with the CAs of the system');
        $postfix->stop;
    };
}

done_testing;
