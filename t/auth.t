# auth(USER, PASS, OPTIONS): every mechanism, the choice among them, the
# arguments and what comes back.
use strict;
use warnings;

use lib 't/lib';
use Test::More 0.96;

use MIME::Base64 qw(decode_base64 encode_base64);
use Net::SMTP::XS;
use NSX::Test::Sasl;
use NSX::Test::Server;

my ($user, $password, $token) = map { NSX::Test::Sasl->$_ } qw(user password token);

# A connected object, the server, and after the code its log.
sub session {
    my ($sasl, $code, %new) = @_;
    my $server = NSX::Test::Server->start(smtp => NSX::Test::Sasl->smtp(%$sasl));
    my $smtp   = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60, %new)
        or die "no session: $@";
    $code->($smtp);
    my $open = defined fileno $smtp;
    $smtp->quit if $open;
    my $log = $server->finish;
    $log->{still_open} = $open;
    return $log;
}

sub tried { join ' ', map { $_->{mechanism} } @{ $_[0]{sasl} || [] } }

my @with_password = qw(SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 DIGEST-MD5 PLAIN LOGIN);

subtest 'each mechanism, with the right and with a wrong password' => sub {
    for my $name (@with_password) {
        my $log = session({ mechanisms => [$name] }, sub {
            my ($smtp) = @_;
            ok !$smtp->auth($user, 'wrong', mechanism => $name), "$name refuses";
            is $smtp->code, 535, 'with 535';
            ok $smtp->auth($user, $password, mechanism => $name), "$name accepts";
            is $smtp->code,    235,               'with 235';
            is $smtp->message, "2.7.0 welcome\n", 'and its text';
        });
        is tried($log), "$name $name", 'one attempt each';
        ok $log->{still_open}, 'the connection is still there';
    }
};

subtest 'names and passwords that need care' => sub {
    for my $case (
        [q(a,b=c),    q(,=,=)],
        ["r\xc3\xb6bin", "p\xc3\xa4ss\xe2\x82\xac"],
        ['u' x 200,   'p' x 1000],
        ['user@host', ' spaced  out '],
        [42,          4711],
    ) {
        my ($u, $p) = @$case;
        my $log = session({ mechanisms => \@with_password, user => $u, password => $p }, sub {
            my ($smtp) = @_;
            ok $smtp->auth($u, $p, mechanism => $_), "$_ as " . substr $u, 0, 20
                for @with_password;
        });
    }
};

subtest 'octets count, not how perl keeps them' => sub {
    my ($u, $p) = ("r\xc3\xb6bin", "p\xe4ss");
    utf8::upgrade(my $up_u = $u);
    utf8::upgrade(my $up_p = $p);
    session({ mechanisms => ['CRAM-MD5'], user => $u, password => $p }, sub {
        ok $_[0]->auth($up_u, $up_p), 'upgraded strings';
    });
    my $log = session({ mechanisms => ['PLAIN'] }, sub {
        for my $args ([$user, "\x{20ac}"], ["\x{20ac}", $password]) {
            ok !eval { $_[0]->auth(@$args); 1 }, 'a wide character is refused';
            like $@, qr/\Aauth: wide character in (?:user|password): encode it first at /,
                'and named';
        }
    });
    is tried($log), '', 'before anything is sent';
};

subtest 'the strongest comes first' => sub {
    for my $case (
        ['LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256', 'SCRAM-SHA-256'],
        ['LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1',               'SCRAM-SHA-1'],
        ['LOGIN PLAIN DIGEST-MD5 CRAM-MD5',                'CRAM-MD5'],
        ['LOGIN PLAIN DIGEST-MD5',                         'PLAIN'],
        ['GSSAPI login',                                   'LOGIN'],
        ['SCRAM-SHA-256-PLUS SCRAM-SHA-1',                 'SCRAM-SHA-1'],
    ) {
        my ($offer, $choice) = @$case;
        my $log = session({ mechanisms => [split ' ', $offer] }, sub {
            ok $_[0]->auth($user, $password), $offer;
        });
        is tried($log), $choice, $choice;
    }
};

subtest 'when the server refuses the mechanism, the next is tried' => sub {
    my @offer = qw(PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256);
    for my $reply ('504 not here', '534 too weak', '538 encryption required') {
        my $log = session({
            mechanisms => \@offer,
            replies => { map { $_ => $reply } qw(CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256) },
        }, sub { ok $_[0]->auth($user, $password), $reply });
        is tried($log), 'SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN', 'each once';
    }
    for my $reply ('454 later', '501 what?', '503 already', '530 no', '550 go away',
        '535 5.7.8 wrong', '535 no', '504 5.7.8 wrong', '534 5.7.8')
    {
        my $log = session({ mechanisms => \@offer, replies => { 'SCRAM-SHA-256' => $reply } },
            sub {
                ok !$_[0]->auth($user, $password), "$reply ends it";
                is $_[0]->code, substr($reply, 0, 3), 'with its code';
            });
        is tried($log), 'SCRAM-SHA-256', 'after one attempt';
    }
};

subtest 'a wrong password is tried once' => sub {
    for my $offer ([@with_password], [qw(CRAM-MD5 PLAIN LOGIN)], [qw(PLAIN LOGIN)]) {
        my $log = session({ mechanisms => $offer }, sub {
            ok !$_[0]->auth($user, 'wrong'), "@$offer: refused";
            is $_[0]->code, 535, 'with the server\'s reply';
            is $_[0]->message, "5.7.8 no\n", 'and its text';
        });
        is scalar @{ $log->{sasl} }, 1, 'after one attempt';
    }
};

subtest 'the caller names mechanisms' => sub {
    my $all = [@with_password, qw(EXTERNAL ANONYMOUS)];
    for my $case (
        ['LOGIN',              'LOGIN'],
        ['login plain',        'PLAIN'],
        [[qw(LOGIN CRAM-MD5)], 'CRAM-MD5'],
        ['DIGEST-MD5',         'DIGEST-MD5'],
        [['EXTERNAL'],         'EXTERNAL'],
        ['ANONYMOUS',          'ANONYMOUS'],
        ['XOAUTH2 PLAIN',      'PLAIN'],
    ) {
        my ($wanted, $used) = @$case;
        my $log = session({ mechanisms => $all }, sub {
            ok $_[0]->auth($user, $password, mechanism => $wanted), "$used is used";
        });
        is tried($log), $used, 'alone';
    }
    my $log = session({ mechanisms => ['PLAIN'] }, sub {
        my ($smtp) = @_;
        is_deeply [$smtp->auth($user, $password, mechanism => 'CRAM-MD5 SCRAM-SHA-256')], [],
            'what is not offered is not used';
        is $smtp->code, 504, 'status';
        is $smtp->message, "No authentication mechanism fits: the server offers 'PLAIN', "
            . "wanted is 'CRAM-MD5 SCRAM-SHA-256'", 'reason';
    });
    is tried($log), '', 'and nothing in its place';
};

subtest 'a list written over the server\'s' => sub {
    my @offer = qw(SCRAM-SHA-256 CRAM-MD5 DIGEST-MD5 PLAIN LOGIN EXTERNAL);
    for my $case (
        ['LOGIN',       'LOGIN'],
        ['PLAIN LOGIN', 'PLAIN'],
        ['DIGEST-MD5',  'DIGEST-MD5'],
        ['EXTERNAL',    'EXTERNAL'],
        ['DIGEST-MD5 LOGIN', 'LOGIN'],
    ) {
        my ($forced, $used) = @$case;
        my $log = session({ mechanisms => \@offer }, sub {
            my ($smtp) = @_;
            ${*$smtp}{net_smtp_esmtp}{AUTH} = $forced;
            ok $smtp->auth($user, $password), $forced;
        });
        is tried($log), $used, "uses $used";
    }
    my $log = session({ mechanisms => ['DIGEST-MD5'] }, sub {
        is_deeply [$_[0]->auth($user, $password)], [], 'DIGEST-MD5 of the server\'s own is not used';
        is $_[0]->code, 504, 'status';
    });
};

subtest 'tokens' => sub {
    for my $name (qw(XOAUTH2 OAUTHBEARER)) {
        my @asked;
        my $log = session({ mechanisms => ['PLAIN', $name] }, sub {
            my ($smtp) = @_;
            ok $smtp->auth($user, undef, token => $token), "$name with a string";
            ok $smtp->auth($user, undef, token => sub { @asked = @_; $token }), 'with a callback';
            is_deeply \@asked, [$smtp, $name], 'which gets the object and the mechanism';
            ok !$smtp->auth($user, undef, token => 'stale'), 'a wrong one';
            is $smtp->code, 535, 'is refused';
            is_deeply [$smtp->message],
                ["5.7.8 no\n", qq($name: {"status":"invalid_token"}\n)],
                'with the reason the server gave';
            is_deeply [$smtp->auth($user, undef, token => sub {undef})], [], 'none';
            is $smtp->message, "$name: token is missing", 'is told';
            ok !eval { $smtp->auth($user, undef, token => sub { die "no token\n" }); 1 },
                'a callback that dies';
            is $@, "no token\n", 'dies through';
        });
        is tried($log), "$name $name $name", "$name only, once for each that had a token";
    }
    my $log = session({ mechanisms => [qw(XOAUTH2 OAUTHBEARER)] }, sub {
        my $asked = 0;
        ok !$_[0]->auth($user, undef, token => sub { $asked++; 'stale' }), 'a stale token';
        is $asked, 1, 'goes in the clear once';
    });
    is tried($log), 'OAUTHBEARER', 'with the better mechanism';
};

subtest 'functions in the place of name and password' => sub {
    my @asked;
    my $log = session({
        mechanisms => [qw(SCRAM-SHA-256 PLAIN)],
        replies    => { 'SCRAM-SHA-256' => '504 not here' },
    }, sub {
        my ($smtp) = @_;
        my $asked = sub { push @asked, [@_[1 .. $#_]]; is $_[0], $smtp, 'the object'; $password };
        ok $smtp->auth(sub {$user}, $asked), 'code';
        is_deeply \@asked, [['SCRAM-SHA-256'], ['PLAIN']], 'is called for each attempt with its mechanism';
        @asked = ();
        ok $smtp->auth($user, [$asked, 1, 2], mechanism => 'PLAIN'), 'code and arguments';
        is_deeply \@asked, [[1, 2]], 'which it gets';
    });
    is decode_base64($log->{sasl}[-1]{initial}), "$user\0$user\0$password", 'PLAIN names the user twice';
    $log = session({ mechanisms => ['PLAIN'] }, sub {
        is_deeply [$_[0]->auth(sub { fail 'not asked' }, sub { fail 'not asked' })], [],
            'nobody is asked where nothing is sent';
        is $_[0]->code, 538, 'status';
    }, AuthRequiresTLS => 1);
    session({ mechanisms => ['XOAUTH2'] }, sub {
        ok $_[0]->auth(sub {$user}, sub { fail 'not asked' }, token => $token), 'nor for a password beside a token';
    });
};

subtest 'who is who' => sub {
    for my $case (
        ['PLAIN', [],                   "$user\0$user\0$password"],
        ['PLAIN', [authzid => ''],      "\0$user\0$password"],
        ['PLAIN', [authzid => 'boss'],  "boss\0$user\0$password"],
        ['PLAIN', [authzid => undef],   "$user\0$user\0$password"],
        ['EXTERNAL', [],                undef],
        ['EXTERNAL', [authzid => 'me'], 'me'],
        ['ANONYMOUS', [],               $user],
    ) {
        my ($name, $option, $said) = @$case;
        my $log = session({ mechanisms => [$name] }, sub {
            $_[0]->auth($user, $password, mechanism => $name, @$option);
        });
        my $initial = $log->{sasl}[0]{initial};
        is $initial, defined $said ? encode_base64($said, '') : '=', "$name @{[grep {defined} @$option]}";
    }
    my $log = session({ mechanisms => ['SCRAM-SHA-256'] }, sub {
        ok $_[0]->auth($user, $password, authzid => 'b,o=ss'), 'SCRAM for another';
    });
    like decode_base64($log->{sasl}[0]{initial}), qr/\An,a=b=2Co=3Dss,n=\Q$user\E,r=/, 'as RFC 5802 has it';
    $log = session({ mechanisms => ['DIGEST-MD5'] }, sub {
        $_[0]->auth($user, $password, mechanism => 'DIGEST-MD5', realm => 'here', host => 'there');
    });
    like decode_base64($log->{sasl}[0]{said}[0]), qr/realm="here".*digest-uri="smtp\/there"/,
        'realm and host of DIGEST-MD5';
};

subtest 'arguments' => sub {
    my $log = session({ mechanisms => ['PLAIN'] }, sub {
        my ($smtp) = @_;
        for my $case (
            [[undef],       qr/\Aauth\(username, password\) at /],
            [['', 'x'],     qr/\Aauth\(username, password\) at /],
            [[$user, $password, realm => 'x', 'y'], qr/\Aauth: options come in pairs /],
            [[$user, $password, color => 1],   qr/\Aauth: argument 3 is no option /],
            [[$user, $password, undef, 1],     qr/\Aauth: argument 3 is no option /],
            [[$user, $password, mechanism => 'PLAIN NTLM'], qr/\Aauth: argument 4 names an unknown mechanism /],
            [[$user, $password, mechanism => []],           qr/\Aauth: argument 4 names no mechanism /],
        ) {
            my ($args, $text) = @$case;
            my $line = __LINE__ + 1;
            ok !eval { $smtp->auth(@$args); 1 }, 'dies';
            like $@, $text, $text;
            like $@, qr/ at \Q${\__FILE__}\E line $line\.\n\z/, 'at the caller\'s line';
        }
    });
    is tried($log), '', 'nothing is sent';

    $log = session({ mechanisms => [qw(SCRAM-SHA-256 PLAIN)], password => "tab\there" }, sub {
        ok $_[0]->auth($user, "tab\there"), 'a password that only the second can carry';
    });
    is tried($log), 'PLAIN', 'goes with the second';
    $log = session({ mechanisms => ['SCRAM-SHA-256'] }, sub {
        is_deeply [$_[0]->auth($user, "tab\there")], [], 'a password that none can carry';
        is $_[0]->message, 'SCRAM-SHA-256: password holds a control character', 'is named';
    });
    is tried($log), '', 'before anything is sent';
    $log = session({ mechanisms => ['PLAIN'] }, sub { $_[0]->auth($user) });
    is $log->{sasl}[0]{initial}, encode_base64("$user\0$user\0", ''), 'no password is an empty one';
};

{
    package My::Evil;
    use overload '""' => sub { $_[0]->() }, fallback => 1;
}

subtest 'arguments that run code' => sub {
    for my $name (qw(PLAIN SCRAM-SHA-256)) {
        my $secret = $password;
        my $login  = $user;
        my $evil   = bless sub { ($secret, $login) = ('x' x 100_000, undef); 'boss' }, 'My::Evil';
        my $log = session({ mechanisms => [$name] }, sub {
            ok $_[0]->auth($login, $secret, authzid => $evil, realm => $evil), "$name takes what was given";
        });
        my $death = bless sub { die "no\n" }, 'My::Evil';
        session({ mechanisms => [$name] }, sub {
            ok !eval { $_[0]->auth($user, $password, authzid => $death); 1 }, 'an exception';
            is $@, "no\n", 'passes through';
            ok $_[0]->auth($user, $password), 'and harms nothing';
        });
    }
    my $name = bless sub {$user},     'My::Evil';
    my $pass = bless sub {$password}, 'My::Evil';
    session({ mechanisms => ['CRAM-MD5'] }, sub { ok $_[0]->auth($name, $pass), 'objects' });
};

subtest 'what comes back' => sub {
    session({ mechanisms => ['PLAIN'] }, sub {
        my ($smtp) = @_;
        is_deeply [$smtp->auth($user, $password)],        [1],  'list, accepted';
        is_deeply [$smtp->auth($user, 'wrong')],          [''], 'list, refused';
        is_deeply [scalar $smtp->auth($user, $password)], [1],  'scalar, accepted';
        is_deeply [scalar $smtp->auth($user, 'wrong')],   [''], 'scalar, refused';
        $@ = 'mine';
        $smtp->auth($user, $password);
        $smtp->auth($user, 'wrong');
        is $@, 'mine', '$@ is left alone';
    });
    for my $case ([[], 'no AUTH at all'], [['AUTH'], 'an empty list']) {
        my ($extensions, $what) = @$case;
        my $server = NSX::Test::Server->start(smtp => { extensions => $extensions });
        my $smtp   = Net::SMTP::XS->new($server->host, Port => $server->port);
        is_deeply [$smtp->auth($user, $password)],        [],      "$what: list";
        is_deeply [scalar $smtp->auth($user, $password)], [undef], 'scalar';
        is $smtp->code, @$extensions ? 504 : 500, 'status';
        is $smtp->message, "Command unknown: 'AUTH'", 'reason' if !@$extensions;
        unlike $server->finish->{connections}[0]{in}, qr/^AUTH/m, 'nothing is sent';
    }
};

subtest 'a response too long for the AUTH line waits for the challenge' => sub {
    my $long = 't' x 20_000;
    my $log = session({ mechanisms => ['OAUTHBEARER'], token => $long }, sub {
        ok $_[0]->auth($user, undef, token => $long), 'accepted';
    });
    is $log->{sasl}[0]{initial}, undef, 'not with the command';
    my $at_limit = 12_288 - length "AUTH PLAIN \r\n";
    for my $more (0, 1) {
        my $fill = int($at_limit / 4) * 3 - 2 * length("$user\0") + $more;
        $log = session({ mechanisms => ['PLAIN'] }, sub { $_[0]->auth($user, 'x' x $fill) });
        my $sent = defined $log->{sasl}[0]{initial};
        is $sent, !$more, $more ? 'one octet over the limit' : 'at the limit';
    }
};

subtest 'a low iteration count of SCRAM' => sub {
    session({ mechanisms => ['SCRAM-SHA-1'], iterations => 4095 }, sub {
        my ($smtp) = @_;
        is_deeply [$smtp->auth($user, $password)], [''], 'is refused';
        is $smtp->message, 'SCRAM-SHA-1: iteration count 4095 is below 4096', 'with its number';
        ok $smtp->auth($user, $password, min_iterations => 4095), 'unless it is allowed';
        for my $bad (0, -1, 'many', '') {
            ok !eval { $smtp->auth($user, $password, min_iterations => $bad); 1 }, "'$bad'";
            like $@, qr/\Aauth: argument 4, min_iterations, is not a positive number at /, 'is no count';
        }
    });
};

subtest 'methods of a subclass are used' => sub {
    {
        package My::SMTP;
        our @ISA = ('Net::SMTP::XS');
        our @CALLS;
        sub command  { my $s = shift; push @CALLS, "command $_[0]"; $s->SUPER::command(@_) }
        sub response { my $s = shift; push @CALLS, 'response';      $s->SUPER::response(@_) }
        sub supports { my $s = shift; push @CALLS, "supports $_[0]"; $s->SUPER::supports(@_) }
    }
    my $server = NSX::Test::Server->start(smtp => NSX::Test::Sasl->smtp(mechanisms => ['LOGIN']));
    my $smtp   = My::SMTP->new($server->host, Port => $server->port);
    @My::SMTP::CALLS = ();
    ok $smtp->auth($user, $password), 'accepted';
    my @line = map { encode_base64($_, '') } $user, $password;
    is_deeply \@My::SMTP::CALLS,
        ['supports AUTH', map { ("command $_", 'response') } 'AUTH', @line], 'in stock\'s order';
};

done_testing;
