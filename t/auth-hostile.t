# Servers that lie, stumble or never end: a clear failure each time, the
# password kept, the connection usable or closed.
use strict;
use warnings;

use lib 't/lib';
use Test::More 0.96;

use MIME::Base64 qw(encode_base64);
use Net::SMTP::XS;
use NSX::Test::Sasl;
use NSX::Test::Server;
use Time::HiRes ();

my ($user, $password) = map { NSX::Test::Sasl->$_ } qw(user password);

sub attempt {
    my ($name, $fault, $also) = @_;
    my $server = NSX::Test::Server->start(smtp => NSX::Test::Sasl->smtp(
        mechanisms => [$name, 'PLAIN', 'LOGIN'], faults => { $name => $fault }));
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60)
        or die $@;
    my %saw = (result => [
        $name eq 'XOAUTH2' ? $smtp->auth($user, undef, token => 'x' x 30)
            : $smtp->auth($user, $password, mechanism => $name eq 'LOGIN' ? $name : "$name PLAIN")
    ]);
    $saw{code}    = $smtp->code;
    $saw{message} = join '', $smtp->message;
    $saw{usable}  = $smtp->_NOOP ? 1 : 0;
    $smtp->quit if $saw{usable};
    return (\%saw, $server->finish);
}

# mechanism, fault, what the message says, usable afterwards
my @faults = (
    (map { [$_, 'not base64', qr/^the server's challenge is not base64/, 1] }
        qw(SCRAM-SHA-256 CRAM-MD5 LOGIN XOAUTH2)),
    ['CRAM-MD5',      'bad padding',      qr/not base64/,                         1],
    ['SCRAM-SHA-256', 'long challenge',   qr/malformed first message/,            1],
    ['SCRAM-SHA-256', 'endless',          qr/^SCRAM-SHA-256: /,                   1],
    ['LOGIN',         'endless',          qr/^LOGIN: unexpected challenge/,       1],
    ['LOGIN',         'one question more', qr/^LOGIN: unexpected challenge/,      1],
    ['CRAM-MD5',      'empty challenge',  qr/^CRAM-MD5: empty challenge/,         1],
    ['SCRAM-SHA-1',   'own nonce',        qr/nonce does not extend ours/,         1],
    ['SCRAM-SHA-256', 'own nonce',        qr/nonce does not extend ours/,         1],
    ['SCRAM-SHA-256', 'no nonce',         qr/nonce does not extend ours/,         1],
    ['SCRAM-SHA-256', 'extension',        qr/unknown extension/,                  1],
    ['SCRAM-SHA-256', 'iterations',       qr/iteration count/,                    1],
    ['SCRAM-SHA-256', 'malformed',        qr/malformed first message/,            1],
    ['SCRAM-SHA-256', 'wrong proof',      qr/does not know the password/,         1],
    ['SCRAM-SHA-256', 'asks after the end', qr/unexpected challenge/,             1],
    ['SCRAM-SHA-256', 'early success',    qr/has not shown that it knows/,        0],
    ['SCRAM-SHA-1',   'no proof',         qr/has not shown that it knows/,        0],
    ['DIGEST-MD5',    'no proof',         qr/has not shown that it knows/,        0],
    ['DIGEST-MD5',    'wrong proof',      qr/^DIGEST-MD5: /,                      1],
    ['CRAM-MD5',      'success for a cancel', qr/not base64/,                     0],
    ['SCRAM-SHA-256', 'success for a cancel', qr/not base64/,                     0],
);

my @hidden = map { encode_base64($_, '') } $password, "$user\0$user\0$password";

for my $case (@faults) {
    my ($name, $fault, $text, $usable) = @$case;
    my ($saw, $log) = attempt($name, $fault);
    subtest "$name: $fault" => sub {
        is_deeply $saw->{result}, [''], 'false';
        is $saw->{code}, 501, 'a status of its own';
        like $saw->{message}, $text, 'which says why';
        is $saw->{usable}, $usable, $usable ? 'the session goes on' : 'the session is closed';
        is scalar @{ $log->{sasl} }, 1, 'no other mechanism is tried';
        my $in = $log->{connections}[0]{in};
        like $in, qr/^\*\r$/m, 'the exchange is cancelled' if $usable;
        unlike $in, qr/\Q$_\E/, 'no password in the clear'
            for $name eq "LOGIN" ? () : @hidden;
    };
}

subtest 'a refusal inside the exchange' => sub {
    my $server = NSX::Test::Server->start(smtp => NSX::Test::Sasl->smtp(
        mechanisms => ['SCRAM-SHA-256', 'PLAIN'],
        faults     => { 'SCRAM-SHA-256' => 'refuses in exchange' }));
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60);
    ok !$smtp->auth($user, 'wrong'), 'false';
    is $smtp->code, 535, 'the server\'s final reply is read';
    is_deeply [$smtp->message], ["5.7.8 no\n", "SCRAM-SHA-256: invalid-proof\n"], 'and its reason';
    ok $smtp->_NOOP, 'the session goes on';
    $smtp->quit;
    my $log = $server->finish;
    is scalar @{ $log->{sasl} }, 1, 'one attempt';
};

subtest 'the connection breaks' => sub {
    my ($saw, $log) = attempt('SCRAM-SHA-256', 'hang up');
    is_deeply $saw->{result}, [''], 'false';
    is $saw->{code}, 421, 'status';
    like $saw->{message}, qr/Connection closed/, 'reason';

    my $server = NSX::Test::Server->start(connections => [[
        '220 mx', '<', ['send', "250-mx\r\n250 AUTH LOGIN\r\n"], '<', '334 VXNlcg==', '<', ['stall', 10]
    ]]);
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 2);
    ok !$smtp->auth($user, $password), 'a server that falls silent';
    like $smtp->message, qr/Timeout/, 'is a timeout';
    ok !defined fileno $smtp, 'and the session is closed';
    $server->tell_to_stop;
};

subtest 'a first challenge that should have been empty' => sub {
    my $server = NSX::Test::Server->start(connections => [[
        '220 mx', '<', ['send', "250-mx\r\n250 AUTH PLAIN\r\n"],
        qr/^AUTH PLAIN\r/, '334 c2F5', qr/^\*\r/, '501 cancelled'
    ]]);
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60);
    ok !$smtp->auth($user, 'p' x 20_000), 'is no invitation';
    is $smtp->message, 'PLAIN: unexpected challenge', 'reason';
    my $log = $server->finish;
    ok !$log->{connections}[0]{unexpected}, 'the password is kept';
};

# A challenge with a long run of blanks in it: the time to look at it must not
# grow with the square of its length.
subtest 'blanks in a challenge' => sub {
    my $server = NSX::Test::Server->start(connections => [[
        '220 mx', '<', ['send', "250-mx\r\n250 AUTH LOGIN\r\n"],
        ('<', '334 A' . ' ' x 60_000 . 'B') , qr/^\*\r/, '501 cancelled'
    ]]);
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 20);
    my $before = times;
    ok !$smtp->auth($user, $password), 'are no base64';
    cmp_ok times() - $before, '<', 0.5, 'and take no time';
    $server->tell_to_stop;
};

# Ten million iterations keep a processor busy for seconds; the client looks at
# the clock and at its signals meanwhile.
sub hard_worker {
    return NSX::Test::Server->start(smtp => NSX::Test::Sasl->smtp(
        mechanisms => ['SCRAM-SHA-256'], iterations => 10_000_000));
}

subtest 'more work than Timeout allows' => sub {
    {
        # Short of time only while it works, not while it waits.
        package My::Hurried;
        our @ISA = ('Net::SMTP::XS');
        our $limit = 20;
        sub timeout  { $limit }
        sub command  { my $s = shift; $limit = 20; $s->SUPER::command(@_) }
        sub response { my $class = $_[0]->SUPER::response; $limit = 0.2; $class }
    }
    my $server = hard_worker();
    my $smtp = My::Hurried->new($server->host, Port => $server->port);
    is_deeply [$smtp->auth($user, $password)], [''], 'is not done';
    is $smtp->code, 501, 'status';
    is $smtp->message, 'SCRAM-SHA-256: the server asks for more work than Timeout allows', 'reason';
    my $log = $server->finish;
    is_deeply $log->{sasl}[0]{said}, ['*'], 'the exchange is cancelled';
};

subtest 'signals during the work' => sub {
    my $server = hard_worker();
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 3600);
    my $ran = 0;
    local $SIG{ALRM} = sub { die "enough\n" if ++$ran == 3 };
    Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0.05, 0.05);
    my $lived = eval { $smtp->auth($user, $password); 1 };
    Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0);
    ok !$lived, 'a handler that dies';
    is $@, "enough\n", 'is heard';
    ok !defined fileno $smtp, 'and the session is closed';
    like $server->finish->{connections}[0]{in}, qr/^AUTH [^\n]*\n\z/m, 'before the work is done';
};

subtest 'control characters of the server in its reason' => sub {
    my $server = NSX::Test::Server->start(connections => [[
        '220 mx', '<', ['send', "250-mx\r\n250 AUTH XOAUTH2\r\n"],
        '<', '334 ' . encode_base64("evil\e[2J\r\n250 ok", ''), '<', '535 no'
    ]]);
    my $smtp = Net::SMTP::XS->new($server->host, Port => $server->port, Timeout => 60);
    ok !$smtp->auth($user, undef, token => 'x'), 'refused';
    is +($smtp->message)[1], "XOAUTH2: evil?[2J??250 ok\n", 'are made harmless';
    $server->tell_to_stop;
};

done_testing;
