# auth over TLS: channel bindings, held against what the server's side of the
# connection gives; and what may follow a refusal there.
use strict;
use warnings;

use lib 't/lib';
use Test::More 0.96;

use NSX::Test::Sasl;
use NSX::Test::TLS;

BEGIN {
    my $why = NSX::Test::TLS->missing;
    plan skip_all => $why if $why;
}

use Digest::SHA qw(hmac_sha256 sha256);
use File::Temp ();
use MIME::Base64 qw(decode_base64);
use Net::SMTP::XS;
use Storable ();

my ($user, $password) = map { NSX::Test::Sasl->$_ } qw(user password);
my $dir = File::Temp->newdir;

# RFC 8446 7.1 and 7.5, for outputs no longer than the hash.
sub expand_label {
    my ($secret, $label, $context, $length) = @_;
    my $info = pack 'n C/a* C/a*', $length, "tls13 $label", $context;
    return substr hmac_sha256("$info\1", $secret), 0, $length;
}

# tls-exporter (RFC 9266) from the secret that the server wrote down.
sub exporter {
    my ($file) = @_;
    open my $log, '<', $file or return;
    my ($secret) = map { /^EXPORTER_SECRET \S+ (\S+)/ ? pack 'H*', $1 : () } readline $log;
    return if !defined $secret;
    my $derived = expand_label($secret, 'EXPORTER-Channel-Binding', sha256(''), 32);
    return expand_label($derived, 'exporter', sha256(''), 32);
}

# tls-server-end-point (RFC 5929 4) of a certificate signed with SHA-256.
sub end_point {
    open my $in, '<', NSX::Test::TLS->cert('server.pem') or die "certificate: $!";
    my ($pem) = join('', readline $in) =~ /BEGIN CERTIFICATE-+\n(.*?)-+END/s;
    return sha256(decode_base64($pem));
}

my $sessions = 0;

# A session with a server that offers AUTH under TLS: what the code saw, and
# the attempts as NSX::Test::Sasl lists them.
sub session {
    my ($sasl, $code, %new) = @_;
    my $n    = ++$sessions;
    my $keys = "$dir/keys$n";
    my %how  = (
        binding => sub {
            my ($type) = @_;
            return $type eq 'tls-exporter' ? exporter($keys) : end_point();
        },
        %$sasl
    );
    my $server = NSX::Test::TLS->start(
        s_server => ['-keylogfile', $keys, '-ciphersuites', 'TLS_AES_128_GCM_SHA256',
            @{ $sasl->{s_server} || [] }],
        script => sub {
            my ($c) = @_;
            my @attempts;
            $c->say('220 mail.nsx.example');
            my $tls = $c->smtp(esmtp => ['STARTTLS', @{ $sasl->{before} || [] }]);
            $c->start_tls if $tls eq 'STARTTLS';
            while (defined(my $line = $c->line)) {
                my $reply = $line =~ /^AUTH/ ? NSX::Test::Sasl->answer(\%how, $line, $c, \@attempts)
                    : $line =~ /^EHLO/ ? "250-mail.nsx.example\r\n250 AUTH @{ $how{mechanisms} }"
                    : $line =~ /^QUIT/ ? '221 bye'
                    :                    '250 ok';
                Storable::nstore(\@attempts, "$dir/attempts$n");
                $c->say($reply);
            }
        },
    );
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60, %new)
        or die "no session: $@";
    $smtp->starttls(SSL_ca_file => NSX::Test::TLS->cert('ca.pem')) or die "no TLS: $@";
    my %saw = (result => [$code->($smtp)], code => $smtp->code, message => join '', $smtp->message);
    $smtp->quit;
    $server->finish;
    $saw{attempts} = -e "$dir/attempts$n" ? Storable::retrieve("$dir/attempts$n") : [];
    $saw{tried}    = join ' ', map { $_->{mechanism} } @{ $saw{attempts} };
    $saw{headers}  = [map { gs2($_->{initial}) } @{ $saw{attempts} }];
    return \%saw;
}

# The header of a SCRAM message, '' for any other.
sub gs2 {
    my ($initial) = @_;
    my $text = defined $initial ? decode_base64($initial) : '';
    return $text =~ /\A([nyp][^,]*),[^,]*,n=/ ? $1 : '';
}

my $log_in = sub { $_[0]->auth($user, $password) };

my @with_exporter = do {
    my $help = `openssl s_server -help 2>&1`;
    $help =~ /-keylogfile/ && $help =~ /-ciphersuites/ ? 1 : ();
};
plan skip_all => 'openssl s_server writes no key log' if !@with_exporter;

subtest 'the channel is bound' => sub {
    for my $name (qw(SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS)) {
        my $saw = session({ mechanisms => ['PLAIN', 'SCRAM-SHA-256', $name] }, $log_in);
        is_deeply $saw->{result}, [1], "$name is accepted";
        is $saw->{tried}, $name, 'at once';
        is_deeply $saw->{headers}, ['p=tls-exporter'], 'with the exporter';
    }
};

subtest 'a server that knows the older binding only' => sub {
    my $saw = session({
        mechanisms => ['SCRAM-SHA-256-PLUS', 'PLAIN'],
        binding    => sub { $_[0] eq 'tls-server-end-point' ? end_point() : undef },
    }, $log_in);
    is_deeply $saw->{result}, [1], 'is accepted';
    is_deeply $saw->{headers}, ['p=tls-exporter', 'p=tls-server-end-point'], 'in the second attempt';
    $saw = session({
        mechanisms => ['SCRAM-SHA-256-PLUS'],
        binding    => sub {undef},
    }, $log_in);
    is_deeply $saw->{headers}, ['p=tls-exporter', 'p=tls-server-end-point'], 'each is tried once';
    is_deeply $saw->{result}, [''], 'and then it is refused';
    $saw = session({
        mechanisms => ['SCRAM-SHA-256-PLUS'],
        binding    => sub { $_[0] eq 'tls-server-end-point' ? end_point() : undef },
        faults     => { 'SCRAM-SHA-256-PLUS' => 'says no more than 535' },
    }, $log_in);
    is_deeply $saw->{headers}, ['p=tls-exporter'], 'a server that does not say so may mean the password';
    is $saw->{code}, 535, 'status';
};

subtest 'TLS 1.2' => sub {
    my $saw = session({
        mechanisms => ['SCRAM-SHA-256-PLUS'],
        s_server   => ['-tls1_2'],
        binding    => sub { $_[0] eq 'tls-server-end-point' ? end_point() : undef },
    }, $log_in);
    is_deeply $saw->{result}, [1], 'binds the certificate';
};

subtest 'somebody in between' => sub {
    my $saw = session({
        mechanisms => ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN'],
        binding    => sub {'another connection'},
        faults     => { 'SCRAM-SHA-256-PLUS' => 'refuses in exchange' },
    }, $log_in);
    is_deeply $saw->{result}, [''], 'is refused by the server';
    is $saw->{tried}, 'SCRAM-SHA-256-PLUS', 'and gets nothing else';
    like $saw->{message}, qr/channel-bindings-dont-match/, 'the reason is told';
};

subtest 'a server that took -PLUS off its list, or somebody did' => sub {
    my $saw = session({ mechanisms => ['SCRAM-SHA-256'] }, $log_in);
    is_deeply $saw->{headers}, ['y'], 'is told that the channel could be bound';
    is_deeply $saw->{result}, [1], 'and goes on if it could not';
    for my $case (
        ['the caller names another', sub { $_[0]->auth($user, $password, mechanism => 'SCRAM-SHA-256') }],
        ['a script forces another', sub {
            my ($smtp) = @_;
            ${*$smtp}{net_smtp_esmtp}{AUTH} = 'SCRAM-SHA-256';
            $smtp->auth($user, $password);
        }],
    ) {
        my ($what, $code) = @$case;
        $saw = session({ mechanisms => [qw(SCRAM-SHA-256-PLUS SCRAM-SHA-256)] }, $code);
        is_deeply $saw->{headers}, ['n'], "$what: nothing of that kind is claimed";
        is_deeply $saw->{result}, [1], 'accepted';
    }
    $saw = session({
        mechanisms => [qw(SCRAM-SHA-256-PLUS SCRAM-SHA-256)],
        replies    => { 'SCRAM-SHA-256-PLUS' => '504 not today' },
    }, $log_in);
    is_deeply $saw->{headers}, ['p=tls-exporter'],
        'after -PLUS was refused nothing unbound is tried';
    is_deeply $saw->{result}, [''], 'and that is the end';
    is $saw->{code}, 504, 'with the server\'s reply';
    $saw = session({
        mechanisms => [qw(SCRAM-SHA-256-PLUS SCRAM-SHA-256)],
        replies    => { 'SCRAM-SHA-256-PLUS' => '504 not today' },
    }, sub { $_[0]->auth($user, $password, mechanism => 'SCRAM-SHA-256-PLUS SCRAM-SHA-256') });
    is_deeply $saw->{headers}, [qw(p=tls-exporter n)],
        'unless the caller named it';
    is_deeply $saw->{result}, [1], 'accepted';
};

subtest 'what is offered before TLS does not count' => sub {
    my $saw = session({ mechanisms => ['LOGIN'], before => ['AUTH PLAIN'] }, $log_in);
    is $saw->{tried}, 'LOGIN', 'but what is offered under it';
};

subtest 'a wrong password under TLS' => sub {
    my @all = qw(SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN);
    my $saw = session({ mechanisms => \@all }, sub { $_[0]->auth($user, 'wrong') });
    is_deeply $saw->{result}, [''], 'is refused';
    is $saw->{tried}, 'SCRAM-SHA-256', 'once: more attempts could lock the account';
    $saw = session({
        mechanisms => ['SCRAM-SHA-256-PLUS'],
        faults     => { 'SCRAM-SHA-256-PLUS' => 'refuses in exchange' },
    }, sub { $_[0]->auth($user, 'wrong') });
    is $saw->{tried}, 'SCRAM-SHA-256-PLUS', 'and not with another binding';
};

subtest 'AuthRequiresTLS is content' => sub {
    for my $name (qw(PLAIN LOGIN)) {
        my $saw = session({ mechanisms => [$name] }, $log_in, AuthRequiresTLS => 1);
        is_deeply $saw->{result}, [1], $name;
    }
};

subtest 'a cheat under TLS' => sub {
    my $saw = session({
        mechanisms => ['SCRAM-SHA-256-PLUS', 'PLAIN'],
        faults     => { 'SCRAM-SHA-256-PLUS' => 'early success' },
    }, $log_in);
    is_deeply $saw->{result}, [''], 'is found out';
    is $saw->{tried}, 'SCRAM-SHA-256-PLUS', 'and gets nothing weaker';
};

subtest 'TLS of IO::Socket::SSL' => sub {
    no warnings 'once';
    plan skip_all => 'IO::Socket::SSL is not installed' if !eval { require IO::Socket::SSL; 1 };
    @My::SSL::ISA = ('IO::Socket::SSL', 'Net::SMTP::XS');
    my $server = NSX::Test::TLS->start(script => sub {
        my ($c) = @_;
        $c->say('220 mail.nsx.example');
        $c->smtp(esmtp => ['STARTTLS', 'AUTH PLAIN']);
        $c->start_tls;
        while (defined(my $line = $c->line)) {
            $c->say($line =~ /^AUTH/
                ? NSX::Test::Sasl->answer({ mechanisms => ['PLAIN'] }, $line, $c, [])
                : '250 AUTH PLAIN');
        }
    });
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60,
        AuthRequiresTLS => 1) or die "no session: $@";
    is_deeply [$smtp->auth($user, $password)], [], 'AuthRequiresTLS before';
    $smtp->_STARTTLS or die $smtp->message;
    IO::Socket::SSL->start_SSL($smtp, SSL_ca_file => NSX::Test::TLS->cert('ca.pem'),
        SSL_verifycn_name => 'localhost') or die "no TLS: $IO::Socket::SSL::SSL_ERROR";
    bless $smtp, 'My::SSL';
    is_deeply [$smtp->auth($user, $password)], [1], 'and after';
    close $smtp;
    $server->finish;
};

done_testing;
