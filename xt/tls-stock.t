#!perl

# TLS as the core Net::SMTP with IO::Socket::SSL speaks it, and as ours does:
# the same on everything that is meant, and each defect of the core module's
# wrong there and right here.
#
#   prove -b xt/tls-stock.t

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../t/lib";
use NSX::Test::TLS;
use Test::More;
use Time::HiRes qw(time);

BEGIN {
    my $missing = NSX::Test::TLS->missing;
    plan skip_all => $missing if $missing;
    plan skip_all => 'IO::Socket::SSL is not there' if !eval { require IO::Socket::SSL };
}

use Net::SMTP;
use Net::SMTP::XS;

use constant { SHORT => 1, PATIENCE => 6 };    # seconds

my %class = (stock => 'Net::SMTP', ours => 'Net::SMTP::XS');

{
    package Stock::Sub;
    our @ISA = ('Net::SMTP');
    sub mail { 'overridden' }
    package Our::Sub;
    our @ISA = ('Net::SMTP::XS');
    sub mail { 'overridden' }
}
my %subclass = (stock => 'Stock::Sub', ours => 'Our::Sub');

sub cert { NSX::Test::TLS::cert(@_) }
my %ca = (SSL_ca_file => cert('ca.pem'));

# Runs the code for each class on a server of its own, and returns what it
# answered; code that hangs answers 'hangs'.
sub both {
    my ($server, $code) = @_;
    my %got;
    for my $who (qw(stock ours)) {
        my $s = $server->();
        my @answer = eval {
            local $SIG{ALRM} = sub { die "hangs\n" };
            local $SIG{__WARN__} = sub { };
            alarm PATIENCE;
            my @values = $code->($who, $s);
            alarm 0;
            @values;
        };
        alarm 0;
        @answer = ($@ eq "hangs\n" ? 'hangs' : "died: $@") if $@;
        $got{$who} = \@answer;
    }
    return @got{qw(stock ours)};
}

# The same from both.
sub alike {
    my ($name, $server, $code) = @_;
    my ($stock, $ours) = both($server, $code);
    s/0x[0-9a-f]+|GEN\d+//g for grep {defined} @$stock, @$ours;
    is_deeply($ours, $stock, $name) or diag(explain([$stock, $ours]));
    return $ours;
}

# A row of the list of defects: what each answers.
sub defect {
    my ($number, $name, $server, $code, $stock_wrong, $ours_right) = @_;
    my ($stock, $ours) = both($server, $code);
    subtest "defect $number: $name" => sub {
        ok($stock_wrong->(@$stock), 'the core module has it') or diag(explain($stock));
        ok($ours_right->(@$ours),   'ours has not')           or diag(explain($ours));
    };
}

sub connect_to {
    my ($who, $server, %arg) = @_;
    my $class = delete $arg{class} || $class{$who};
    my $smtp = $class->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => PATIENCE + 2, %ca, %arg);
    return $smtp || die "new: $@";
}

# An address is no name to send, and a name has no final dot (RFC 6066 3): the
# core module sends both.
sub name_sent {
    my ($smtp) = @_;
    my $name = $smtp->get_servername;
    return if !defined $name || $name eq '127.0.0.1';
    return $name =~ s/\.\z//r;
}

sub scripted {
    my ($script, %arg) = @_;
    return sub {
        NSX::Test::TLS->start(script => sub {
            my ($c) = @_;
            $c->start_tls;
            $c->say('220 mail.nsx.example');
            $c->line;
            $c->say('250-mail.nsx.example', '250-SIZE 1000', '250 HELP');
            $script->($c);
        }, %arg);
    };
}

sub implicit { my %arg = @_; return sub { NSX::Test::TLS->implicit(%arg) } }
sub upgrade  { my %arg = @_; return sub { NSX::Test::TLS->starttls(%arg) } }

# --- the defects ---------------------------------------------------------------

defect(60, 'Timeout ignored for replies', scripted(sub { $_[0]->line; sleep 20 }), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server, Timeout => SHORT);
    return $smtp->_NOOP ? 'true' : 'false';
}, sub { $_[0] eq 'hangs' }, sub { $_[0] eq 'false' });

defect(61, 'CR left in messages and capabilities', upgrade(), sub {
    my ($who, $server) = @_;
    my $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, Timeout => PATIENCE);
    $smtp->starttls(%ca) or die "starttls: $@";
    $smtp->_NOOP;
    return ($smtp->message, $smtp->supports('HELP'));
}, sub { "@_" =~ /\r/ }, sub { "@_" !~ /\r/ });

defect(62, 'local $/ makes every call block', implicit(), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    local $/;
    return $smtp->_NOOP ? 'true' : 'false';
}, sub { $_[0] eq 'hangs' }, sub { $_[0] eq 'true' });

defect(63, 'the end of the stream leaves the object open, without a word',
    scripted(sub { $_[0]->line; $_[0]->end }), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    my $ok = $smtp->_NOOP;
    return ($ok ? 'true' : 'false', defined fileno $smtp ? 'open' : 'closed', scalar $smtp->message);
}, sub { $_[1] eq 'open' || $_[2] !~ /closed/i }, sub { $_[0] eq 'false' && $_[1] eq 'closed' && $_[2] =~ /closed/i });

my $upgraded = 'caf' . chr(0xe9) x 40 . "\n";
utf8::upgrade($upgraded);
defect(64, 'upgraded strings are cut', implicit(), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    $smtp->mail('a@x.example');
    $smtp->to('b@x.example');
    $smtp->data($upgraded);
    $smtp->quit;
    undef $smtp;
    my ($seen) = $server->finish;
    return $seen =~ /^caf\xe9{40}$/m ? 'whole' : 'cut';
}, sub { $_[0] ne 'whole' }, sub { $_[0] eq 'whole' });

defect(65, 'send() dies', implicit(), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    return $smtp->send('a@x.example') ? 'sent' : 'refused';
}, sub { $_[0] =~ /^died: Use of send/ }, sub { $_[0] eq 'sent' });

defect(66, 'ungetline has no effect', implicit(), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    $smtp->ungetline("250 put back\n");
    $smtp->command('NOOP');
    return scalar $smtp->getline;
}, sub { $_[0] !~ /put back/ }, sub { $_[0] eq "250 put back\n" });

for my $way ('SSL => 1', 'starttls') {
    defect(67, "the subclass is lost: $way", $way eq 'starttls' ? upgrade() : implicit(), sub {
        my ($who, $server) = @_;
        my $smtp = $subclass{$who}->new('127.0.0.1', Port => $server->port, %ca,
            $way eq 'starttls' ? () : (SSL => 1)) or die "new: $@";
        if ($way eq 'starttls') { $smtp->starttls or die "starttls: $@" }
        return ($smtp->mail('a@x.example'), ref $smtp);
    }, sub { $_[0] ne 'overridden' }, sub { $_[0] eq 'overridden' && $_[1] eq 'Our::Sub' });
}

defect(68, 'after a failed handshake the object goes on in the clear', sub {
    NSX::Test::TLS->start(script => sub {
        my ($c) = @_;
        $c->say('220 mail.nsx.example');
        $c->smtp(esmtp => ['STARTTLS']);
        $c->say('500 what is that');
        $c->smtp;
    });
}, sub {
    my ($who, $server) = @_;
    my $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, %ca, Timeout => PATIENCE) or die $@;
    $smtp->starttls and die 'starttls is true';
    $smtp->mail('a@x.example');
    return ($smtp->to('b@x.example') ? 'goes on' : 'is over', defined fileno $smtp ? 'open' : 'closed');
}, sub { $_[1] eq 'open' }, sub { "@_" eq 'is over closed' });

defect(69, 'a full IPv6 address is mangled for verification', implicit(), sub {
    my ($who, $server) = @_;
    return connect_to($who, $server, SSL_verifycn_name => '0:0:0:0:0:0:0:1') ? 'verified' : '';
}, sub { $_[0] =~ /^died: new: / }, sub { $_[0] eq 'verified' });

defect(70, 'on a non-blocking handle every reply fails',
    scripted(sub { $_[0]->line; Time::HiRes::sleep(0.2); $_[0]->say('250 ok'); $_[0]->smtp }), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    $smtp->blocking(0);
    return $smtp->_NOOP ? 'true' : 'false';
}, sub { $_[0] ne 'true' }, sub { $_[0] eq 'true' });

# --- what the core module does right ---------------------------------------------

alike('words in the clear after the 220 change nothing', sub {
    NSX::Test::TLS->start(script => sub {
        my ($c) = @_;
        $c->say('220 mail.nsx.example');
        $c->line;
        $c->send("250-mail.nsx.example\r\n250 STARTTLS\r\n");
        $c->line;
        $c->send("220 go\r\n250-evil.example\r\n250 AUTH PLAIN\r\n");
        $c->start_tls;
        $c->smtp(esmtp => ['SIZE 5']);
    });
}, sub {
    my ($who, $server) = @_;
    my $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, %ca, Timeout => SHORT) or die $@;
    $smtp->starttls;
    return defined $smtp->supports('AUTH') ? 'believed' : 'not believed';
});

alike('a reply longer than one read, in one record, never stalls', scripted(sub {
    my ($c) = @_;
    $c->line;
    $c->send(join '', (map { "250-line $_ of a long answer\r\n" } 1 .. 400), "250 end\r\n");
    $c->smtp;
}), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    return ($smtp->_NOOP ? 1 : 0, scalar(my @lines = $smtp->message), $smtp->_NOOP ? 1 : 0);
});

alike('a signal during a write loses nothing', implicit(), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    my $ran = 0;
    local $SIG{USR1} = sub { $ran++ };
    my $me = $$;
    my $pid = fork;
    if (!$pid) { for (1 .. 200) { kill USR1 => $me; select undef, undef, undef, 0.002 } require POSIX; POSIX::_exit(0) }
    $smtp->mail('a@x.example');
    $smtp->to('b@x.example');
    $smtp->data(map { "line $_ " . 'x' x 60 . "\n" } 1 .. 30_000);
    $smtp->quit;
    kill KILL => $pid;
    waitpid $pid, 0;
    undef $smtp;
    my ($seen) = $server->finish;
    return ($ran > 5 ? 'signals' : "signals: $ran", scalar(() = $seen =~ /^line \d+ x{60}$/mg));
});

for my $way ('SSL => 1', 'starttls') {
    for my $slow ('silent', 'dripping') {
        alike("a handshake honours Timeout: $way, $slow", sub {
            NSX::Test::TLS->start(script => sub {
                my ($c) = @_;
                if ($way eq 'starttls') { $c->say('220 x'); $c->smtp(esmtp => ['STARTTLS']) }
                $c->start_tls if $slow eq 'dripping';
                sleep 20;
            }, early => 'drip');
        }, sub {
            my ($who, $server) = @_;
            my $start = time;
            my $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, Timeout => SHORT, %ca,
                $way eq 'starttls' ? () : (SSL => 1));
            $smtp &&= $smtp->starttls if $way eq 'starttls';
            return ($smtp ? 'connected' : 'refused', time - $start < SHORT + 2 ? 'in time' : 'late');
        });
    }
}

# --- the same on both -------------------------------------------------------------

my @facts = (
    map({ my $m = $_; [$m => sub { $_[0]->$m }] }
        qw(get_sslversion get_sslversion_int get_cipher get_servername get_session_reused
        alpn_selected pending dump_peer_certificate get_fingerprint get_fingerprint_bin
        sock_certificate issuer_name subject_name is_SSL opened)),
    map({ my $f = $_; ["peer_certificate $f" => sub { $_[0]->peer_certificate($f) }] }
        qw(subject owner issuer authority commonName cn subjectAltNames)),
    map({ my $d = $_; ["fingerprint $d" => sub { $_[0]->get_fingerprint($d) }],
          ["fingerprint $d of the key" => sub { $_[0]->get_fingerprint($d, undef, 1) }] }
        qw(md5 sha1 sha256 sha384 sha512)),
    ['chain' => sub { scalar(my @c = $_[0]->peer_certificates) }],
    ['a field that is none' => sub { eval { $_[0]->peer_certificate('x'); 1 } ? 1 : $@ =~ /^(invalid argument for peer_certificate)/ }],
    ['a digest that is none' => sub { eval { $_[0]->get_fingerprint('x'); 1 } ? 1 : $@ =~ /^(Digest algorithm x is not available)/ }],
    map({ my $c = $_; [$c => sub { $_[0]->$c ? 1 : 0 }] }
        qw(can_client_sni can_alpn can_ocsp can_partial_chain)),
);
for my $fact (@facts) {
    my ($name, $code) = @$fact;
    alike($name, implicit(s_server => ['-alpn', 'smtp']), sub {
        my ($who, $server) = @_;
        return map { defined ? "$_" : undef } $code->(connect_to($who, $server,
            SSL_verifycn_name => 'mail.nsx.example', SSL_alpn_protocols => ['smtp']));
    });
}

my @schemes = (qw(smtp default none http ldap imap sip gist ftp),
    {}, { wildcards_in_alt => 'anywhere' }, { wildcards_in_alt => 'full_label' },
    { check_cn => 'always' }, { check_cn => 'when_only', wildcards_in_cn => 'anywhere' },
    { ip_in_cn => 1, check_cn => 'always' });
my @names = ('localhost', 'LOCALHOST', 'localhost.', 'mail.nsx.example', 'a.wild.nsx.example',
    'a.b.wild.nsx.example', 'wild.nsx.example', '.wild.nsx.example', 'xn--a.wild.nsx.example',
    '127.0.0.1', '127.0.0.2', '::1', '0:0:0:0:0:0:0:1', '::2', '127.0.0.256', '1.2.3', 'elsewhere.nsx.example',
    'cn.nsx.example', '*.wild.nsx.example', "localhost\0", 'local host', '');
for my $file (qw(server.pem elsewhere.pem cn-only.pem)) {
    alike("verify_hostname with $file", implicit(cert => $file), sub {
        my ($who, $server) = @_;
        my $smtp = connect_to($who, $server, SSL_verifycn_scheme => 'none');
        my @answers;
        for my $scheme (@schemes) {
            push @answers, map { $smtp->verify_hostname($_, $scheme) ? 1 : 0 } @names;
        }
        return join '', @answers;
    });
}

# Who is let in: server's arguments, client's options.
my @trust = (
    ['the right CA', {}, %ca],
    ['another CA', {}, SSL_ca_file => cert('other-ca.pem')],
    ['no CA', {}, SSL_ca_file => \''],
    ['an empty name for the CA file', {}, SSL_ca_file => ''],
    ['no verification', { cert => 'self-signed.pem' }, SSL_verify_mode => 0],
    ['verification with more bits', { cert => 'self-signed.pem' }, SSL_verify_mode => 3],
    ['self-signed', { cert => 'self-signed.pem' }],
    ['self-signed as anchor', { cert => 'self-signed.pem' }, SSL_ca_file => cert('self-signed.pem')],
    ['the leaf as anchor', {}, SSL_ca_file => cert('server.pem')],
    ['expired', { cert => 'expired.pem' }],
    ['wrong host', { cert => 'elsewhere.pem' }],
    ['wrong host, no scheme', { cert => 'elsewhere.pem' }, SSL_verifycn_scheme => 'none'],
    ['wrong host, scheme callback', { cert => 'elsewhere.pem' }, SSL_verifycn_scheme => { callback => sub {1} }],
    ['right host, scheme callback', {}, SSL_verifycn_scheme => { callback => sub {0} }],
    ['host with port', {}, SSL_verifycn_name => 'localhost:25'],
    ['host with a dot', {}, SSL_verifycn_name => 'localhost.'],
    ['pin', {}, SSL_ca_file => \'', SSL_fingerprint => 'sha256$00'],
    ['revoked', { cert => 'revoked.pem' }, SSL_check_crl => 1, SSL_crl_file => cert('crl.pem')],
    ['not revoked', {}, SSL_check_crl => 1, SSL_crl_file => cert('crl.pem')],
    ['revoked, not looked at', { cert => 'revoked.pem' }],
    ['no CRL', {}, SSL_check_crl => 1],
    ['CRL without check', { cert => 'revoked.pem' }, SSL_crl_file => cert('crl.pem')],
    ['must staple', {}, SSL_ocsp_mode => 2],
    ['try staple', {}, SSL_ocsp_mode => 16],
    ['callback yes', { cert => 'self-signed.pem' }, SSL_verify_callback => sub {1}],
    ['callback yes, wrong host', { cert => 'elsewhere.pem' }, SSL_verify_callback => sub {1}],
    ['callback no', {}, SSL_verify_callback => sub {0}],
    ['callback as it is', {}, SSL_verify_callback => sub { $_[0] }],
    ['TLS 1.2', {}, SSL_version => 'TLSv1_2'],
    ['TLS 1.2 by another name', {}, SSL_version => 'TLSv12'],
    ['TLS 1.3', {}, SSL_version => 'TLSv1_3'],
    ['TLS 1.3 with a server of 1.2', { s_server => ['-tls1_2'] }, SSL_version => 'TLSv1_3'],
    ['not 1.3', {}, SSL_version => 'SSLv23:!TLSv1_3'],
    ['ciphers', {}, SSL_version => 'TLSv1_2', SSL_cipher_list => 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ['no cipher in common', {}, SSL_version => 'TLSv1_2', SSL_cipher_list => 'ECDHE-RSA-AES256-GCM-SHA384'],
    ['no such cipher', {}, SSL_cipher_list => 'NO-SUCH'],
    ['curve', {}, SSL_ecdh_curve => 'P-384'],
    ['no such curve', {}, SSL_ecdh_curve => 'P-1'],
    ['SNI', {}, SSL_hostname => 'other.example'],
    ['no SNI', {}, SSL_hostname => ''],
    ['client certificate', { s_server => ['-tls1_2', '-Verify', 1, '-verify_return_error', '-CAfile', cert('ca.pem')] },
        SSL_cert_file => cert('client.pem'), SSL_key_file => cert('client.pem')],
    ['no client certificate', { s_server => ['-tls1_2', '-Verify', 1, '-verify_return_error', '-CAfile', cert('ca.pem')] }],
    ['client key with passphrase', { s_server => ['-tls1_2', '-Verify', 1, '-verify_return_error', '-CAfile', cert('ca.pem')] },
        SSL_cert_file => cert('client.pem'), SSL_key_file => cert('client-secret.key'), SSL_passwd_cb => sub {'sesame'}],
    ['client PKCS#12', { s_server => ['-tls1_2', '-Verify', 1, '-verify_return_error', '-CAfile', cert('ca.pem')] },
        SSL_cert_file => cert('client.p12'), SSL_passwd_cb => sub {'sesame'}],
    ['wrong passphrase', {}, SSL_cert_file => cert('client.pem'), SSL_key_file => cert('client-secret.key'),
        SSL_passwd_cb => sub {'wrong'}],
    ['missing CA file', {}, SSL_ca_file => '/nonexistent'],
    ['missing CA directory', {}, SSL_ca_path => '/nonexistent'],
    ['missing certificate', {}, SSL_cert_file => '/nonexistent', SSL_key_file => cert('client.pem')],
    ['a mode in words', {}, SSL_verify_mode => 'SSL_VERIFY_PEER'],
    ['no such version', {}, SSL_version => 'TLSv9'],
    ['two versions', {}, SSL_version => 'TLSv1_2:TLSv1_3'],
);
for my $case (@trust) {
    my ($name, $server_arg, %arg) = @$case;
    for my $way ('SSL => 1', 'starttls') {
        alike("$way: $name", $way eq 'starttls' ? upgrade(%$server_arg) : implicit(%$server_arg), sub {
            my ($who, $server) = @_;
            my ($smtp, $ok);
            my $lived = eval {
                if ($way eq 'starttls') {
                    $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, Timeout => PATIENCE) or die "new: $@";
                    $ok = $smtp->starttls(%ca, %arg);
                }
                else {
                    $ok = $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, SSL => 1,
                        Timeout => PATIENCE, %ca, %arg);
                }
                1;
            };
            return 'dies' if !$lived;
            return 'refused' . ($@ ? ' with a reason' : '') if !$ok;
            return ('connected', $smtp->mail('a@x.example') ? 1 : 0, $smtp->get_sslversion, $smtp->get_cipher,
                scalar name_sent($smtp), $smtp->sock_certificate ? 1 : 0);
        });
    }
}

# --- fingerprints need a certificate to begin with ---

for my $of_key (0, 1) {
    alike('a pin that fits' . ($of_key ? ', of the key' : ''), implicit(connections => 2), sub {
        my ($who, $server) = @_;
        my $first = connect_to($who, $server);
        my $pin = $first->get_fingerprint('sha256', undef, $of_key);
        $first->quit;
        my $smtp = connect_to($who, $server, SSL_ca_file => \'', SSL_fingerprint => ['md5$' . '0' x 32, $pin]);
        return $smtp->mail('a@x.example');
    });
}

# --- the dialogue --------------------------------------------------------------------

alike('the octets of a session', upgrade(), sub {
    my ($who, $server) = @_;
    my $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, Timeout => PATIENCE, Hello => 'me.example') or die $@;
    my @got = ($smtp->supports('SIZE'), $smtp->starttls(%ca) ? 1 : 0, $smtp->supports('SIZE'),
        $smtp->mail('a@x.example'), $smtp->to('b@x.example', 'c@x.example'),
        $smtp->data("one\n", ".two\n", "three"), $smtp->reset, $smtp->code, $smtp->quit);
    undef $smtp;
    return (@got, $server->finish);
});

alike('a second starttls', upgrade(), sub {
    my ($who, $server) = @_;
    my $smtp = $class{$who}->new('127.0.0.1', Port => $server->port, Timeout => PATIENCE, %ca) or die $@;
    $smtp->starttls or die "starttls: $@";
    return eval { $smtp->starttls; 1 } ? 'lives' : $@ =~ /^(.*?) at /;
});

alike('print and <> on the handle', implicit(), sub {
    my ($who, $server) = @_;
    my $smtp = connect_to($who, $server);
    print $smtp "NOOP\r\n";
    my $line = <$smtp>;
    printf $smtp "%s\r\n", 'RSET';
    sysread $smtp, my $reply, 100;
    return ($line, $reply, $smtp->peerhost, defined fileno $smtp ? 1 : 0);
});

done_testing;
