# auth(SASL): what is asked of an Authen::SASL object, and what becomes of its
# answers.  The class here is a stand-in of the same name, so that nothing
# needs to be installed and every fault can be had.
use strict;
use warnings;

use lib 't/lib';
use Test::More 0.96;

use MIME::Base64 qw(decode_base64 encode_base64);
use Net::SMTP::XS;
use NSX::Test::Sasl;
use NSX::Test::Server;

my ($user, $password) = map { NSX::Test::Sasl->$_ } qw(user password);

# A mechanism is { start => sub or text, steps => [texts or subs; undef fails] }.
{
    package Authen::SASL;

    sub new {
        my ($class, %arg) = @_;
        return bless { mechanism => $arg{mechanism}, can => $arg{can}, lists => [] }, $class;
    }

    sub mechanism {
        my $self = shift;
        $self->{mechanism} = shift if @_;
        return $self->{mechanism};
    }

    sub client_new {
        my ($self, @args) = @_;
        push @{ $self->{lists} }, $self->{mechanism};
        $self->{args} = \@args;
        for my $name (split ' ', $self->{mechanism}) {
            my $can = $self->{can}{$name} or next;
            return bless { name => $name, %$can, steps => [@{ $can->{steps} || [] }] },
                $can->{class} || 'My::Client';
        }
        die "No SASL mechanism found\n";
    }

    package My::Client;
    our @ISA = ('My::Mute');
    sub error        { $_[0]{error} }

    package My::Mute;
    sub mechanism    { $_[0]{name} }
    sub client_start { my $s = $_[0]{start}; ref $s ? $s->() : $s }

    sub client_step {
        my ($self, $challenge) = @_;
        push @{ $self->{heard} }, $challenge;
        my $step = shift @{ $self->{steps} };
        return ref $step ? $step->($challenge) : $step;
    }

    # What clients can tell about the server's success.
    package My::Judge;
    our @ISA = ('My::Client');
    sub is_success { $_[0]{success} }

    package My::Counter;
    our @ISA = ('My::Client');
    sub need_step { $_[0]{need_step} }

    package Authen::SASL::Perl;
    our @ISA = ('My::Judge', 'My::Counter');

    package Authen::SASL::Perl::GSSAPI;
    our @ISA = ('Authen::SASL::Perl');
    sub property { $_[0]{property}{ $_[1] } }
}

my %plain = (PLAIN => { start => "$user\0$user\0$password" });
my %login = (LOGIN => { start => '', steps => [$user, $password] });

sub run {
    my ($server, $sasl, $code, %new) = @_;
    $server = NSX::Test::Server->start(%$server);
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60, %new)
        or die $@;
    $@ = 'mine';
    my %ran = (result => [$smtp->auth($sasl)], error => $@, code => $smtp->code);
    $ran{message} = join '', $smtp->message;
    $code->($smtp) if $code;
    $ran{usable} = $smtp->_NOOP ? 1 : 0;
    $smtp->quit if $ran{usable};
    $ran{log} = $server->finish;
    $ran{in}  = $ran{log}{connections}[0]{in};
    $ran{tried} = join ' ', map { $_->{mechanism} } @{ $ran{log}{sasl} || [] };
    return \%ran;
}

sub offering { return { smtp => NSX::Test::Sasl->smtp(mechanisms => [@_]) } }

subtest 'accepted and refused' => sub {
    for my $can (\%plain, \%login) {
        my ($name) = keys %$can;
        my $sasl = Authen::SASL->new(can => $can);
        my $ran = run(offering(qw(PLAIN LOGIN)), $sasl);
        is_deeply $ran->{result}, [1], "$name is accepted";
        is $ran->{tried}, $name, 'by itself';
        is_deeply $sasl->{args}, ['smtp', '127.0.0.1', 0], 'what client_new is given';
        is_deeply $sasl->{lists}, ['PLAIN LOGIN'], 'and the list of mechanisms';
    }
    my $ran = run(offering('PLAIN'), Authen::SASL->new(can => { PLAIN => { start => "a\0a\0b" } }));
    is_deeply $ran->{result}, [''], 'refused';
    is $ran->{code}, 535, 'with the server\'s reply';
    is $ran->{tried}, 'PLAIN', 'once';
};

subtest 'the caller\'s list and the server\'s' => sub {
    my %all = (%plain, %login);
    for my $case (
        ['LOGIN',          'PLAIN LOGIN', 'LOGIN', 'LOGIN'],
        ['login plain',    'PLAIN LOGIN', 'LOGIN PLAIN', 'LOGIN'],
        ['NTLM, LOGIN',    'PLAIN LOGIN', 'LOGIN', 'LOGIN'],
        ['',               'PLAIN LOGIN', 'PLAIN LOGIN', 'PLAIN'],
    ) {
        my ($wanted, $offered, $asked, $used) = @$case;
        my $sasl = Authen::SASL->new(mechanism => $wanted, can => \%all);
        my $ran  = run(offering(split ' ', $offered), $sasl);
        is_deeply $sasl->{lists}, [$asked], "'$wanted' of '$offered' is '$asked'";
        is $ran->{tried}, $used, "uses $used";
        is $sasl->mechanism, $wanted, 'the object has its list back' if $wanted ne '';
    }
    my $sasl = Authen::SASL->new(mechanism => 'CRAM-MD5', can => { %all, 'CRAM-MD5' => {} });
    my $ran  = run(offering(qw(PLAIN LOGIN)), $sasl);
    is_deeply $ran->{result}, [], 'nothing in common';
    is $ran->{code}, 504, 'is a status';
    is $ran->{message}, "No authentication mechanism fits: the server offers 'PLAIN LOGIN', "
        . "wanted is 'CRAM-MD5'", 'with a reason';
    is $ran->{tried}, '', 'and nothing is sent';
    is $ran->{usable}, 1, 'the session goes on';

    $sasl = Authen::SASL->new(can => \%all);
    $ran = run(offering('GSSAPI'), $sasl);
    is_deeply $ran->{result}, [], 'nothing that the object knows';
    is $ran->{code}, 504, 'is the same';

    $sasl = Authen::SASL->new(can => \%all);
    my $server = NSX::Test::Server->start(%{ offering(qw(PLAIN LOGIN)) });
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port);
    ${*$smtp}{net_smtp_esmtp}{AUTH} = 'LOGIN';
    ok $smtp->auth($sasl), 'a list written over the server\'s';
    $smtp->quit;
    is $server->finish->{sasl}[0]{mechanism}, 'LOGIN', 'is obeyed';
};

subtest 'a mechanism that cannot begin' => sub {
    my %scram = map { $_ => { start => undef, error => 'no ticket' } }
        qw(SCRAM-SHA-1 SCRAM-SHA-1-PLUS GSSAPI);
    my $sasl = Authen::SASL->new(can => { %scram, %login });
    my $ran  = run(offering(qw(SCRAM-SHA-1 SCRAM-SHA-1-PLUS LOGIN)), $sasl);
    is_deeply $ran->{result}, [1], 'gives way to the next';
    is_deeply $sasl->{lists},
        ['SCRAM-SHA-1 SCRAM-SHA-1-PLUS LOGIN', 'SCRAM-SHA-1-PLUS LOGIN', 'LOGIN'],
        'names are compared whole';
    $ran = run(offering('GSSAPI'), Authen::SASL->new(can => \%scram));
    is_deeply $ran->{result}, [], 'with none left';
    is $ran->{message}, 'GSSAPI: no ticket', 'the reason is told';
    is $ran->{tried}, '', 'and nothing sent';
};

subtest 'an exchange that fails on our side' => sub {
    my %fails = (start => '', steps => [undef], error => 'bad challenge');
    my $ran = run(offering('CRAM-MD5'), Authen::SASL->new(can => { 'CRAM-MD5' => \%fails }));
    is_deeply $ran->{result}, [''], 'false';
    like $ran->{in}, qr/^\*\r$/m, 'is cancelled';
    is $ran->{code}, 501, 'status';
    is $ran->{message}, 'CRAM-MD5: bad challenge', 'reason';
    is $ran->{usable}, 1, 'the session goes on';

    my %empty = (start => 'x', steps => [undef]);
    $ran = run(offering('CRAM-MD5'), Authen::SASL->new(can => { 'CRAM-MD5' => \%empty }));
    like $ran->{in}, qr/^AUTH CRAM-MD5 eA==\r\n\r$/m, 'no answer without an error is an empty one';
};

subtest 'a server that does not play' => sub {
    my $ever = Authen::SASL->new(can => { LOGIN => { start => '', steps => [('x') x 100] } });
    my $ran = run({ smtp => NSX::Test::Sasl->smtp(
        mechanisms => ['LOGIN'], faults => { LOGIN => 'endless' }) }, $ever);
    is_deeply $ran->{result}, [''], 'endless challenges';
    is $ran->{message}, 'LOGIN: the server asks without end', 'are ended';
    is scalar @{ $ran->{log}{sasl}[0]{said} }, 17, 'after 16 answers';
    is $ran->{usable}, 1, 'the session goes on';

};

# Stock decodes what is there and lets the client judge: one that ignores the
# first challenge (NTLM's is often a text) must get the chance to.
subtest 'a challenge that is not base64 is the client\'s to judge' => sub {
    for my $raw ('!not base64!', 'QQ=', 'A', 'Q Q==', 'QQ==QQ==', 'NTLM supported', "\xff") {
        my $server = { connections => [[
            '220 mx', '<', ['send', "250-mx\r\n250 AUTH LOGIN\r\n"],
            '<', "334 $raw", '<', '334 UGFzc3dvcmQ=', '<', '235 ok', '<', '250 ok', '<', '221 bye'
        ]] };
        my @heard;
        my %keen = (LOGIN => { start => '', steps => [
            map { my $answer = $_; sub { push @heard, @_; $answer } } $user, $password
        ] });
        my $ran = run($server, Authen::SASL->new(can => \%keen));
        is_deeply $ran->{result}, [1], "'$raw'";
        is_deeply \@heard, [decode_base64($raw), 'Password'], 'is decoded as far as it is base64';
        is $ran->{usable}, 1, 'the session goes on';
    }
};

# A 235 that comes without the proof which the mechanism has the server give.
subtest 'a success that is not to be believed' => sub {
    my %steps = (need_step => 1);
    for my $case (
        # mechanism, class, what it knows, is believed
        ['DIGEST-MD5',    'My::Judge',   { success => 1 },   1],
        ['DIGEST-MD5',    'My::Judge',   { success => 0 },   0],
        ['SCRAM-SHA-512', 'My::Counter', { need_step => 0 }, 1],
        ['scram-sha-512', 'My::Counter', { need_step => 1 }, 0],
        ['GSSAPI',        'My::Counter', { need_step => 1 }, 0],
        ['GS2-KRB5',      'My::Counter', { need_step => 1 }, 0],
        ['GSS-SPNEGO',    'My::Counter', { need_step => 1 }, 0],
        ['KERBEROS_V4',   'My::Counter', { need_step => 1 }, 0],
        ['SRP',           'My::Judge',   { success => 0 },   0],
        ['SRP',           'My::Client',  {},                 1],
        # As Authen::SASL has them: need_step is 0 after an error, and stays 1
        # after a success of GSSAPI and CRAM-MD5.
        ['DIGEST-MD5', 'Authen::SASL::Perl', { need_step => 0 }, 0],
        ['GSSAPI', 'Authen::SASL::Perl::GSSAPI', { %steps, property => { ssf => 0 } }, 1],
        ['GSSAPI', 'Authen::SASL::Perl::GSSAPI', { %steps, property => {} },           0],
        ['CRAM-MD5',   'Authen::SASL::Perl', \%steps, 1],
        ['PLAIN',      'My::Counter',        \%steps, 1],
        ['NTLM',       'My::Judge',          {},      1],
    ) {
        my ($name, $class, $knows, $believed) = @$case;
        my $server = { connections => [[
            '220 mx', '<', ['send', "250-mx\r\n250 AUTH $name\r\n"],
            '<', '235 ok', '<', '250 ok', '<', '221 bye'
        ]] };
        my $can = { start => 'x', class => $class, %$knows };
        my $ran = run($server, Authen::SASL->new(can => { $name => $can }));
        is_deeply $ran->{result}, [$believed ? 1 : ''],
            "$name by a $class " . ($believed ? 'is believed' : 'is not');
        is $ran->{usable}, $believed, $believed ? 'the session goes on' : 'the session is closed';
        next if $believed;
        is $ran->{code}, 501, 'status';
        is $ran->{message}, "$name: success reported, but the server has not proved who it is", 'reason';
    }
};

subtest 'a client that has no error' => sub {
    my %mute = (class => 'My::Mute');
    my $ran = run(offering(qw(X-TRY PLAIN)),
        Authen::SASL->new(can => { 'X-TRY' => { %mute, start => undef }, %plain }));
    is_deeply $ran->{result}, [1], 'gives way to the next when it cannot begin';
    $ran = run(offering('CRAM-MD5'),
        Authen::SASL->new(can => { 'CRAM-MD5' => { %mute, start => 'x', steps => [undef] } }));
    like $ran->{in}, qr/^AUTH CRAM-MD5 eA==\r\n\r$/m, 'and its no answer is an empty one';
};

subtest 'exceptions' => sub {
    my $ran = run(offering('PLAIN'),  Authen::SASL->new(can => \%plain));
    is $ran->{error}, 'mine', '$@ is left alone on success';
    $ran = run(offering('GSSAPI'), Authen::SASL->new(can => \%plain));
    is $ran->{error}, 'mine', 'and where no mechanism fits';
    my $died = 0;
    local $SIG{__DIE__} = sub { $died++ };
    run(offering('GSSAPI'), Authen::SASL->new(can => \%plain));
    is $died, 0, 'no die handler is run for that';
    $SIG{__DIE__} = 'DEFAULT';
    my $sasl = Authen::SASL->new(can => { PLAIN => { start => sub { die "no password\n" } } });
    ok !eval { run(offering('PLAIN'), $sasl); 1 }, 'a callback that dies';
    is $@, "no password\n", 'dies through';
};

subtest 'AuthRequiresTLS' => sub {
    my %all = (%plain, %login, 'CRAM-MD5' => { start => '', steps => [''] }, SECRETLESS => { start => 'x' });
    for my $offer ([qw(PLAIN LOGIN)], ['SECRETLESS']) {
        my $ran = run(offering(@$offer), Authen::SASL->new(can => \%all), undef, AuthRequiresTLS => 1);
        is_deeply $ran->{result}, [], "@$offer in the clear";
        is $ran->{code}, 538, 'is not sent';
        is $ran->{tried}, '', 'at all';
    }
    my $ran = run(offering(qw(PLAIN CRAM-MD5 LOGIN)), Authen::SASL->new(can => \%all), undef,
        AuthRequiresTLS => 1);
    is $ran->{tried}, 'CRAM-MD5', 'a challenge mechanism may go on';
};

subtest 'Debug' => sub {
    open my $file, '+>', undef or die "temporary file: $!";
    open my $saved, '>&', \*STDERR or die "dup: $!";
    open STDERR, '>&', $file or die "dup: $!";
    my $ran = run(offering('LOGIN'), Authen::SASL->new(can => \%login), undef, Debug => 1);
    open STDERR, '>&', $saved or die "dup: $!";
    seek $file, 0, 0;
    my $said = join '', readline $file;
    is_deeply $ran->{result}, [1], 'accepted';
    unlike $said, qr/\Q$_\E/, 'nothing secret is shown'
        for $password, map { encode_base64($_, '') } $user, $password;
    like $said, qr/>>> AUTH LOGIN\r?\n.*>>> <redacted>/s, 'the exchange is';
};

done_testing;
