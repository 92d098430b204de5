# Credentials are seen by the server only: not in Debug's output, not in
# errors, not in a stack trace, not in memory that was given back; and over an
# unencrypted connection not even by the server where AuthRequiresTLS says so.
use strict;
use warnings;

use lib 't/lib';
use Test::More 0.96;

use Carp ();
use MIME::Base64 qw(encode_base64);
use Net::SMTP::XS;
use NSX::Test::Sasl;
use NSX::Test::Server;

my ($user, $password, $token) = map { NSX::Test::Sasl->$_ } qw(user password token);
my @mechanisms = qw(SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 DIGEST-MD5 PLAIN LOGIN XOAUTH2 OAUTHBEARER);

# What the code writes to STDERR.
sub stderr_of {
    my ($code) = @_;
    open my $file, '+>', undef or die "temporary file: $!";
    open my $saved, '>&', \*STDERR or die "dup: $!";
    open STDERR, '>&', $file or die "dup: $!";
    my $done = eval { $code->(); 1 };
    my $why  = $@;
    open STDERR, '>&', $saved or die "dup: $!";
    die $why if !$done;
    seek $file, 0, 0;
    local $/;
    return scalar readline $file;
}

sub session {
    my ($sasl, $new, $code, $class) = @_;
    my $server = NSX::Test::Server->start(smtp => NSX::Test::Sasl->smtp(%$sasl));
    my ($said, $result);
    $said = stderr_of(sub {
        my $smtp = ($class || 'Net::SMTP::XS')
            ->new($server->host, Port => $server->port, Timeout => 60, %$new) or die $@;
        $result = $code->($smtp);
        $smtp->quit;
    });
    return { said => $said, result => $result, log => $server->finish };
}

# Every form the secrets take on the wire.
sub secrets {
    my ($log) = @_;
    my @sent = map { (defined $_->{initial} ? $_->{initial} : ()), @{ $_->{said} } }
        @{ $log->{sasl} };
    return ($password, $token, map({ encode_base64($_, '') } $password, $token),
        grep { length > 1 } @sent);
}

sub shows_none {
    my ($text, $log, $what) = @_;
    my @shown = grep { index($text, $_) >= 0 } secrets($log);
    return is_deeply \@shown, [], $what;
}

sub auth_by {
    my ($smtp, $name, @secret) = @_;
    @secret = ($password, $token) if !@secret;
    return $name =~ /OAUTH/
        ? $smtp->auth($user, undef, token => $secret[-1])
        : $smtp->auth($user, $secret[0], mechanism => $name);
}

subtest 'Debug shows the exchange, not its secrets' => sub {
    for my $name (@mechanisms) {
        my $ran = session({ mechanisms => [$name] }, { Debug => 1 }, sub { auth_by($_[0], $name) });
        ok $ran->{result}, "$name is accepted";
        shows_none($ran->{said}, $ran->{log}, 'nothing of it is shown');
        like $ran->{said}, qr/>>> AUTH \Q$name\E(?: <redacted>)?\r?$/m, 'AUTH is';
        like $ran->{said}, qr/<<< 235 /, 'and the reply';
        unlike $ran->{said}, qr/\(decoded\)/, 'nothing decoded';
    }
    my $ran = session({ mechanisms => ['LOGIN'] }, { Debug => 1 }, sub { auth_by($_[0], 'LOGIN') });
    my @lines = $ran->{said} =~ /GLOB\(0x[0-9a-f]+\)(>>> .*|<<< [23]3.*)$/mg;
    s/\r\z// for @lines;
    is_deeply \@lines, [
        '>>> EHLO localhost.localdomain',
        '>>> AUTH LOGIN',
        '<<< 334 VXNlciBOYW1l',
        '>>> <redacted>',
        '<<< 334 UGFzc3dvcmQ=',
        '>>> <redacted>',
        '<<< 235 2.7.0 welcome',
        '>>> QUIT',
    ], 'line by line';
};

subtest 'nor when it fails' => sub {
    for my $fault ('not base64', 'own nonce', 'wrong proof', 'early success', 'hang up') {
        my $ran = session(
            { mechanisms => ['SCRAM-SHA-256'], faults => { 'SCRAM-SHA-256' => $fault } },
            { Debug => 1 }, sub { auth_by($_[0], 'SCRAM-SHA-256') });
        ok !$ran->{result}, $fault;
        shows_none($ran->{said}, $ran->{log}, 'nothing is shown');
    }
    my $ran = session(
        { mechanisms => ['CRAM-MD5'], faults => { 'CRAM-MD5' => 'not base64' } },
        { Debug => 1 }, sub { auth_by($_[0], 'CRAM-MD5') });
    like $ran->{said}, qr/>>> \*\r?$/m, 'a cancelled exchange shows';
    for my $name (qw(PLAIN LOGIN XOAUTH2)) {
        $ran = session({ mechanisms => [$name] }, { Debug => 1 },
            sub { auth_by($_[0], $name, 'not the right one') });
        ok !$ran->{result}, "$name with a wrong secret";
        unlike $ran->{said}, qr/not the right|bm90IHRoZSByaWdodC/, 'shows it as little';
    }
};

subtest 'commands afterwards are shown again' => sub {
    my $ran = session({ mechanisms => ['PLAIN'] }, { Debug => 1 }, sub {
        auth_by($_[0], 'PLAIN');
        $_[0]->command('XTEST', 'visible')->response;
    });
    like $ran->{said}, qr/>>> XTEST visible/, 'in full';
};

subtest 'DebugSecrets shows everything' => sub {
    my $ran = session({ mechanisms => ['LOGIN'] }, { Debug => 1, DebugSecrets => 1 },
        sub { auth_by($_[0], 'LOGIN') });
    my @lines = $ran->{said} =~ /GLOB\(0x[0-9a-f]+\)((?:>>>|<<<) .*)$/mg;
    s/\r\z// for @lines;
    my ($from) = grep { $lines[$_] =~ /AUTH LOGIN$/ && $lines[$_] =~ /^>/ } 0 .. $#lines;
    my @b64 = map { encode_base64($_, '') } $user, $password;
    is_deeply [@lines[$from .. $from + 9]], [
        '>>> AUTH LOGIN',
        '<<< 334 VXNlciBOYW1l',
        '<<< (decoded) User Name',
        ">>> (decoded) $user",
        ">>> $b64[0]",
        '<<< 334 UGFzc3dvcmQ=',
        '<<< (decoded) Password',
        ">>> (decoded) $password",
        ">>> $b64[1]",
        '<<< 235 2.7.0 welcome',
    ], 'the dialogue as the core module shows it';
    $ran = session({ mechanisms => ['PLAIN'] }, { Debug => 1, DebugSecrets => 1 },
        sub { auth_by($_[0], 'PLAIN') });
    my $initial = encode_base64("$user\0$user\0$password", '');
    like $ran->{said}, qr/>>> AUTH PLAIN \Q$initial\E/, 'an initial response too';
};

subtest 'a script that speaks AUTH by itself' => sub {
    my $initial = encode_base64("\0$user\0$password", '');
    my $ran = session({ mechanisms => [qw(PLAIN LOGIN)] }, { Debug => 1 }, sub {
        my ($smtp) = @_;
        $smtp->_AUTH('PLAIN', $initial);
        $smtp->command('auth login')->response;
        $smtp->command(encode_base64($user, ''))->response;
        $smtp->command(encode_base64($password, ''))->response;
    });
    ok $ran->{result}, 'is accepted';
    shows_none($ran->{said}, $ran->{log}, 'its secrets are not shown either');
};

{
    package Traced;
    our @ISA = ('Net::SMTP::XS');
    our ($TRACE, $IN) = ('', '');
    sub response    { my $s = shift; $TRACE .= Carp::longmess('here'); $s->SUPER::response(@_) }
    sub debug_print { $TRACE .= Carp::longmess('debug') }

    package Doomed;
    our @ISA = ('Net::SMTP::XS');
    our $DIE_AT = 0;
    sub response {
        my $s = shift;
        die Carp::longmess('no more') if $DIE_AT && !--$DIE_AT;
        $s->SUPER::response(@_);
    }
}

subtest 'a stack trace' => sub {
    for my $name (@mechanisms) {
        $Traced::TRACE = '';
        my @given = ($password, $token);
        my $ran = session({ mechanisms => [$name] }, { Debug => 1 },
            sub { auth_by($_[0], $name, @given) }, 'Traced');
        ok $ran->{result}, "$name is accepted";
        # auth_by is the script's own frame, with the script's arguments.
        (my $trace = $Traced::TRACE) =~ s/^.*main::.*$//mg;
        shows_none($trace, $ran->{log}, 'from inside shows nothing');
        like $trace, qr/Net::SMTP::XS::SASL::auth\(\) called at/, 'the arguments are gone';
    }
};

# A slip in the arguments is told, with a trace where the script asks for one.
subtest 'an exception about the arguments' => sub {
    my $secret = 'Sesame';
    session({ mechanisms => ['PLAIN'] }, {}, sub {
        my ($smtp) = @_;
        for my $case (
            [['', $secret],                            qr/^auth\(username, password\) at /],
            [[undef, $secret],                         qr/^auth\(username, password\) at /],
            [[$user, 'x', a => $secret, 'mechanism'],  qr/^auth: options come in pairs of name and value at /],
            [[$user, 'x', $secret => 1],               qr/^auth: argument 3 is no option at /],
            [[$user, $secret, undef, 1],               qr/^auth: argument 3 is no option at /],
            [[$user, $secret, realm => 'x', $secret => 1], qr/^auth: argument 5 is no option at /],
            [[$user, 'x', mechanism => $secret],       qr/^auth: argument 4 names an unknown mechanism at /],
            [[$user, $secret, mechanism => ['PLAIN', $secret]], qr/^auth: argument 4 names an unknown mechanism at /],
            [[$user, $secret, mechanism => []],        qr/^auth: argument 4 names no mechanism at /],
            [[$user, $secret, realm => 1, min_iterations => $secret],
                qr/^auth: argument 6, min_iterations, is not a positive number at /],
            [["\x{20ac}", $secret],                    qr/^auth: wide character in user: encode it first at /],
        ) {
            my ($args, $text) = @$case;
            my $trace = '';
            {
                local $SIG{__DIE__} = sub { $trace = Carp::longmess($_[0]) };
                ok !eval { $smtp->auth(@$args); 1 }, 'dies';
            }
            like $@, $text, $text;
            unlike $@, qr/$secret/, 'nothing is quoted';
            $trace =~ s/^.*main::.*$//mg;
            like $trace, qr/SASL::auth\(/, 'a trace';
            unlike $trace, qr/$secret/, 'shows nothing either';
        }
    });
};

subtest 'an exception in the middle' => sub {
    my $ran = session({ mechanisms => ['LOGIN'] }, { Debug => 1 }, sub {
        my ($smtp) = @_;
        $Doomed::DIE_AT = 3;    # after the password's line
        my $lived = eval { $smtp->auth($user, $password); 1 };
        (my $why = $@) =~ s/^.*(?:main::|eval \{).*$//mg;
        ok !$lived, 'passes through';
        unlike $why, qr/\Q$password\E/, 'without the password';
        $Doomed::DIE_AT = 0;
        ok !defined fileno $smtp, 'and the session is closed, where the next command were an answer';
        ok !$smtp->_NOOP, 'for good';
    }, 'Doomed');
    $ran = session({ mechanisms => ['LOGIN'] }, { Debug => 1 }, sub {
        my ($smtp) = @_;
        eval {
            my $secrecy = Net::SMTP::XS::OpenSSL::_auth_secrecy($smtp);
            $smtp->command('XTEST', 'hidden')->response;
            die "over\n";
        };
        $smtp->command('XTEST', 'visible')->response;
    });
    unlike $ran->{said}, qr/XTEST hidden/, 'lines are hidden within';
    like $ran->{said}, qr/>>> XTEST visible/, 'and not after it';
};

# The process that authenticates makes its secret from a seed, in place, and
# wipes it; its parent, who knows the seed, looks through its memory.
subtest 'memory given back holds no secret' => sub {
    my $seed = 0;    # another each time: a child has its parent's memory
    for my $case ((map { [$_, 0] } @mechanisms), ['PLAIN', 1]) {
        $seed++;
        my ($name, $keep) = @$case;
        my $server = NSX::Test::Server->start(
            smtp => NSX::Test::Sasl->smtp(mechanisms => [$name], password => 'x'));
        pipe my $done,  my $tell or die "pipe: $!";
        pipe my $leave, my $hold or die "pipe: $!";
        defined(my $pid = fork) or die "fork: $!";
        if (!$pid) {
            $server->forget;
            close $hold;
            my $ok = eval { authenticate_with_seed($server, $name, $seed, $keep) };
            syswrite $tell, $ok ? 'y' : 'n';
            sysread $leave, my $nothing, 1;
            require POSIX;
            POSIX::_exit(0);
        }
        close $tell;
        sysread $done, my $ok, 1;
        my $found = $ok eq 'y' ? search_memory($pid, $seed) : 'no attempt';
        close $hold;
        waitpid $pid, 0;
        $server->finish;
    SKIP: {
            skip 'the memory of a child cannot be read', 1 if !defined $found;
            is $found, $keep ? 'plain' : '', $keep ? 'a secret that is kept is found' : $name;
        }
    }
};

use constant SECRET_LENGTH => 60;

sub authenticate_with_seed {
    my ($server, $name, $seed, $keep) = @_;
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60) or die $@;
    my $secret = 'x' x SECRET_LENGTH;
    substr $secret, $_, 1, seeded_letter($seed, $_) for 0 .. SECRET_LENGTH - 1;
    my $refused = $name =~ /OAUTH/
        ? !$smtp->auth($user, undef, token => $secret)
        : !$smtp->auth($user, $secret, mechanism => $name);
    Net::SMTP::XS::OpenSSL::_wipe($secret) if !$keep;
    our @kept = ($smtp, \$secret);
    return $refused && $smtp->code == 535;
}

sub seeded_letter { chr 97 + ($_[1] * 7 + $_[1] * $_[1] * 5 + $_[0]) % 26 }

# What of the secret is there: '' for nothing, undef when that cannot be told.
sub search_memory {
    my ($pid, $seed) = @_;
    my $middle = join '', map { seeded_letter($seed, $_) } 20 .. 39;
    my %needle = (plain => $middle);
    $needle{"base64 at $_"} = substr encode_base64(('x' x $_) . $middle, ''), 4, 20 for 0 .. 2;
    open my $maps, '<', "/proc/$pid/maps" or return;
    open my $mem, '<:raw', "/proc/$pid/mem" or return;
    my %found;
    no warnings 'portable';
    while (my $line = readline $maps) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
        sysseek $mem, hex $from, 0 or next;
        sysread $mem, my $octets, hex($to) - hex $from or next;
        for my $form (keys %needle) {
            $found{$form}++ if index($octets, $needle{$form}) >= 0;
        }
    }
    return join ', ', sort keys %found;
}

subtest 'AuthRequiresTLS' => sub {
    my @plain = qw(PLAIN LOGIN XOAUTH2 OAUTHBEARER);
    my $ran = session({ mechanisms => [@plain] }, { AuthRequiresTLS => 1 }, sub {
        my ($smtp) = @_;
        is_deeply [$smtp->auth($user, $password)], [], 'no password in the clear';
        is $smtp->code, 538, 'status';
        is $smtp->message, 'Encryption required: AuthRequiresTLS forbids to send a password in the clear',
            'which names the option';
        is_deeply [$smtp->auth($user, $password, mechanism => 'LOGIN')], [], 'not when named';
        is $smtp->code, 538, 'either';
        is_deeply [$smtp->auth($user, undef, token => sub { fail 'not asked'; $token })], [], 'no token';
        ${*$smtp}{net_smtp_esmtp}{AUTH} = 'LOGIN';
        is_deeply [$smtp->auth($user, $password)], [], 'not when forced';
        is $smtp->code, 538, 'either';
    });
    is $ran->{log}{sasl}, undef, 'AUTH is not even begun';
    for my $name (qw(SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5)) {
        $ran = session({ mechanisms => [@plain, $name] }, { AuthRequiresTLS => 1 },
            sub { $_[0]->auth($user, $password) });
        ok $ran->{result}, "$name may be used";
    }
    $ran = session({ mechanisms => [@plain, 'CRAM-MD5'], replies => { 'CRAM-MD5' => '504 no' } },
        { AuthRequiresTLS => 1 }, sub {
            ok !$_[0]->auth($user, $password), 'refused, with only cleartext left';
            is $_[0]->code, 504, 'the server\'s reply stays';
        });
    is scalar @{ $ran->{log}{sasl} }, 1, 'and nothing follows';
};

done_testing;
