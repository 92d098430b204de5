# Sessions as operations: one table, by new and by start_session and a loop: the
# same object or the same $@, and octet for octet the same on the wire. Then
# servers that stall, and sessions that end after each step.
use strict;
use warnings;
use lib 't/lib';

use File::Temp ();
use IO::Socket::INET;
use NSX::Test::Operation;
use NSX::Test::Sasl;
use NSX::Test::Server;
use NSX::Test::TLS;
use Net::SMTP::XS;
use POSIX ();
use Test::More;

my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

my $class = 'Net::SMTP::XS';
my $dir   = File::Temp->newdir;
my ($user, $password) = (NSX::Test::Sasl->user, NSX::Test::Sasl->password);

{ package Session::Child; our @ISA = ('Net::SMTP::XS'); }
{ package Session::Own; our @ISA = ('Net::SMTP::XS'); sub hello { shift->SUPER::hello(@_) } }

sub descriptors {
    my $n = 0;
    POSIX::fstat($_) && $n++ for 0 .. 60;
    return $n;
}

my %ways = (
    new   => sub { my $type = shift; return scalar $type->new(@_) },
    steps => sub { my $type = shift; return scalar run_to_end($type->start_session(@_)) },
);

# What can be seen of a session.
sub seen {
    my ($smtp, $died, $why) = @_;
    return { died => $died } if $died ne '';
    return { why => $why } if !$smtp;
    my %esmtp = %{ ${*$smtp}{net_smtp_esmtp} || {} };
    return {
        class => ref $smtp, code => $smtp->code, message => [ $smtp->message ], esmtp => \%esmtp,
        (map { $_ => scalar $smtp->$_ } qw(banner domain host timeout status is_SSL)),
        hello => ${*$smtp}{net_smtp_hello_domain}, blocking => $smtp->blocking,
        arg => join(' ', sort keys %{ ${*$smtp}{net_smtp_arg} }),
    };
}

sub both {
    my ($name, $start, $type, @options) = @_;
    my (%seen, %log);
    for my $way (sort keys %ways) {
        my ($server, @where) = $start->();
        my ($smtp, $died, $why) = ('', '');
        eval { $smtp = $ways{$way}->($type, @where, @options); $why = $@; 1 } or $died = $@;
        my $number = $server->can('port') && $server->port;
        $seen{$way} = seen($smtp, $died, $why);
        $smtp->quit if $smtp;
        undef $smtp;
        my @log = $server->finish;
        $log{$way} = ref $log[0] ? [ map { $_->{in} } @{ $log[0]{connections} } ] : \@log;
        for my $text (grep { defined } $seen{$way}{died}, $seen{$way}{why}) { $text =~ s/ at \S+ line \d+\.?//g; $text =~ s/\b$number\b/PORT/g if $number }
    }
    is_deeply $seen{steps}, $seen{new}, "$name: " . (defined $seen{new}{class} ? 'the same object' : ($seen{new}{died} // $seen{new}{why}) =~ s/\n//gr)
        or diag explain \%seen;
    is_deeply $log{steps}, $log{new}, "$name: the same on the wire" or diag explain \%log;
    return $seen{steps};
}

sub smtp {
    my %table = @_;
    return sub {
        my $server = NSX::Test::Server->start(smtp => \%table, limit => 60);
        return ($server, $server->host, Port => $server->port, Timeout => 30);
    };
}

sub script {
    my @script = @_;
    return sub {
        my $server = NSX::Test::Server->start(connections => [ \@script ], limit => 60);
        return ($server, $server->host, Port => $server->port, Timeout => 30);
    };
}

my @all  = qw(SIZE PIPELINING 8BITMIME);
my $nope = '454 4.7.0 not now';
my @refused = ([ greeting => script('554 go away') ],
    [ 'greeting of two lines' => script("554-go\r\n554 away") ],
    [ 'no greeting' => script(['close']) ],
    [ 'a greeting that is none' => script('hello', ['eof']) ],
    [ 'half a greeting' => script(['send', '220 mx'], ['close']) ]);
both(@$_, $class) for @refused;

both('a plain session', smtp(extensions => \@all), $class);
both('a child class', smtp(extensions => \@all), 'Session::Child');
both('Hello', smtp(extensions => \@all), $class, Hello => 'me.test', ExactAddresses => 1, BareCR => 'refuse');
both('without EHLO', smtp(extensions => \@all), $class, SendHello => 0);
both('HELO', smtp(helo_only => 1), $class);
both('EHLO and HELO refused', smtp(replies => { EHLO => '502 no', HELO => '502 no' }), $class);
both('EHLO put off', smtp(replies => { EHLO => '451 later' }), $class);
both('EHLO cut', smtp(replies => { EHLO => \'close' }), $class);
both('EHLO answered by 421', smtp(replies => { EHLO => '421 closing' }), $class);
both('LMTP', smtp(lmtp => 1), $class, Protocol => 'lmtp');
both('no LMTP', smtp(replies => { LHLO => '500 what?' }), $class, Protocol => 'lmtp');

both('STARTTLS required, not offered', smtp(), $class, StartTLS => 'required');
both('STARTTLS auto, not offered', smtp(), $class, StartTLS => 'auto');
both('STARTTLS required, refused', smtp(extensions => ['STARTTLS'], replies => { STARTTLS => $nope }), $class, StartTLS => 'required');
both('STARTTLS auto, refused', smtp(extensions => ['STARTTLS'], replies => { STARTTLS => $nope }), $class, StartTLS => 'auto');
both('STARTTLS cut', smtp(extensions => ['STARTTLS'], replies => { STARTTLS => \'close' }), $class, StartTLS => 'auto');
both('STARTTLS with more behind it', smtp(extensions => ['STARTTLS'], replies => { STARTTLS => "220 go\r\n250 injected" }), $class, StartTLS => 'auto');

for my $mechanism (qw(PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256)) {
    my $table = NSX::Test::Sasl->smtp(mechanisms => [$mechanism]);
    my $fixed = $mechanism !~ /SCRAM|CRAM/;
    my $tries = sub { my $auth = shift; my $start = sub { my ($s, @at) = smtp(%$table)->(); return ($s, @at) };
        return $fixed ? both("AUTH $mechanism: $auth->[1]", $start, $class, Auth => $auth) : alone("AUTH $mechanism: $auth->[1]", $start, $auth) };
    $tries->([ $user, $password ]);
    $tries->([ $user, 'wrong' ]);
}

# Where each exchange has a nonce of its own.
sub alone {
    my ($name, $start, $auth) = @_;
    my %seen;
    for my $way (sort keys %ways) {
        my ($server, @where) = $start->();
        my $smtp = $ways{$way}->($class, @where, Auth => $auth);
        $seen{$way} = $smtp ? 'a session' : $@;
        $smtp->quit if $smtp;
        $server->finish;
    }
    return is $seen{steps}, $seen{new}, "$name: the same: $seen{new}";
}

my @plain = (extensions => ['AUTH PLAIN LOGIN']);
both('AUTH refused', smtp(@plain, replies => { AUTH => '535 5.7.8 no' }), $class, Auth => [ 'alice', 'wrong' ]);
both('AUTH, another mechanism', smtp(@plain, replies => { AUTH => [ '504 no', '504 no' ] }), $class, Auth => [ 'alice', 'secret' ]);
both('AUTH cut', smtp(@plain, replies => { AUTH => \'close' }), $class, Auth => [ 'alice', 'secret' ]);
both('AUTH not offered', smtp(), $class, Auth => [ 'alice', 'secret' ]);
both('AUTH in the clear forbidden', smtp(@plain), $class, Auth => [ 'alice', 'secret' ], AuthRequiresTLS => 1);
both('AUTH with an unknown option', smtp(@plain), $class, Auth => [ 'alice', 'secret', colour => 'red' ]);
both('AUTH with a function', smtp(extensions => ['AUTH XOAUTH2'], replies => { AUTH => '235 welcome' }), $class, Auth => [ 'alice', undef, token => sub { 'token' } ]);
both('a function that dies', smtp(extensions => ['AUTH XOAUTH2']), $class, Auth => [ 'alice', undef, token => sub { die "no token\n" } ]);

for my $wrong ([ Protocol => 'pop3' ], [ StartTLS => 'maybe' ], [ Auth => 'alice' ], [ BareCR => 'x' ], [ Path => '/x' ]) {
    both("$wrong->[0] => $wrong->[1]", smtp(), $class, @$wrong);
}

SKIP: {
    my $why = NSX::Test::TLS->missing;
    skip $why, 1 if $why;
    my @right = (SSL_verifycn_name => 'mail.nsx.example', SSL_ca_file => NSX::Test::TLS->cert('ca.pem'));
    my %tls   = (
        STARTTLS => [ sub { my $s = NSX::Test::TLS->starttls(@_); return ($s, '127.0.0.1', Port => $s->port, Timeout => 30) }, StartTLS => 'required' ],
        SSL      => [ sub { my $s = NSX::Test::TLS->implicit(@_); return ($s, '127.0.0.1', Port => $s->port, Timeout => 30) }, SSL => 1 ],
    );
    for my $kind (sort keys %tls) {
        my ($start, @how) = @{ $tls{$kind} };
        my $seen = both("$kind", $start, $class, @how, @right);
        is $seen->{is_SSL}, 1, 'it is one with TLS';
        both("$kind, another name", $start, $class, @how, @right, SSL_verifycn_name => 'other.example.com');
        both("$kind, nobody vouches", $start, $class, @how, @right, SSL_ca_file => NSX::Test::TLS->cert('other-ca.pem'));
        both("$kind, no such file", $start, $class, @how, SSL_ca_file => "$dir/none") if $kind eq 'STARTTLS';
        my ($server, @where) = $start->();
        my $smtp = run_to_end($class->start_session(@where, @how, @right));
        is run_to_end($smtp->start_message(From => 'a@test', To => 'b@test', Data => scalar(('x' x 70 . "\n") x 5000)))->outcome, 'accepted', 'a message under TLS';
        run_to_end($smtp->start_quit);
        undef $smtp;
        $server->finish;
        my $asked = 0;
        both("$kind, a judge", $start, $class, @how, @right, SSL_verify_callback => sub { $asked++; $_[0] });
        ok $asked >= 2, 'who is asked';
        both("$kind, a judge that dies", $start, $class, @how, @right, SSL_verify_callback => sub { die "not this one\n" });
    }
}

{
    my $path   = "$dir/s";
    my $server = NSX::Test::Server->start(path => $path, smtp => {});
    my $smtp   = run_to_end($class->start_session(Path => $path, Timeout => 10));
    is $smtp->host, $path, 'Path';
    ok $smtp->quit, 'to its end';
    $server->finish;
    $server = NSX::Test::Server->start(smtp => {});
    my $fh = IO::Socket::INET->new(PeerAddr => $server->host, PeerPort => $server->port) or die "no socket: $@";
    $smtp = run_to_end($class->start_session(Handle => $fh, Timeout => 10));
    is $smtp->peerport, $server->port, 'Handle';
    ok $smtp->quit, 'to its end';
    $server->finish;
    ok !defined run_to_end($class->start_session($server->host, Port => $server->port, Timeout => 5)), 'nobody there';
    like $@, qr/\A$class: connect: /, 'and $@ says so';
    $server = NSX::Test::Server->start(smtp => [ { banner => '554 no' }, {} ]);
    my @two = ([ ($server->host) x 2 ], Port => $server->port, Timeout => 30);
    ok !defined run_to_end($class->start_session(@two)), 'the first host refuses';
    $server->finish;
    $server = NSX::Test::Server->start(smtp => [ { banner => '554 no' }, {} ]);
    @two = ([ ($server->host) x 2 ], Port => $server->port, Timeout => 30);
    ok run_to_end($class->start_session(@two, NextHost => 1)), 'and with NextHost the next one is asked' or diag $@;
    $server->finish;
    ok !eval { Session::Own->start_session('127.0.0.1'); 1 }, 'a class with a method of its own';
    like $@, qr/^start_session: Session::Own has a hello of its own.* at \S*operation-session\.t/, 'and says so';
}

subtest 'a token that comes late' => sub {
    my $server = NSX::Test::Server->start(smtp => { extensions => ['AUTH XOAUTH2'], replies => { AUTH => '235 welcome' } });
    my @answers = (Net::SMTP::XS::LATER, Net::SMTP::XS::LATER, 'token');
    my $asked = 0;
    my $op = $class->start_session($server->host, Port => $server->port, Auth => [ 'alice', undef, token => sub { $asked++; shift @answers } ]);
    my $waited = 0;
    until ($op->step) {
        $waited++ if !defined $op->timeout;
        wait_for($op, 0.05);
    }
    ok $op->result, 'a session' or diag $@;
    is $asked, 3, 'asked once a step';
    is $waited, 2, 'with no limit';
    my $smtp = $op->result;
    ok !eval { $smtp->auth('alice', undef, token => sub { Net::SMTP::XS::LATER }); 1 }, 'auth cannot wait for it';
    is $@, "auth: LATER is for start_session\n", 'and says so';
    ok defined fileno $smtp, 'nothing was sent';
    undef $_ for $op, $smtp;
    $server->finish;
};

subtest 'a server that stalls at each point' => sub {
    for my $point (qw(EHLO STARTTLS AUTH QUIT)) {
        my $server = NSX::Test::Server->start(smtp => { extensions => [ 'STARTTLS', 'AUTH PLAIN' ], delay => { $point => 0.6 },
            replies => { AUTH => '235 ok', STARTTLS => $nope } });
        local $NSX::Test::Operation::worst = 0;
        my $smtp = run_to_end($class->start_session($server->host, Port => $server->port, StartTLS => 'auto', Auth => [ 'a', 'b' ]));
        ok $smtp, "$point: a session" or diag $@;
        is run_to_end($smtp->start_quit), 1, 'and its end';
        cmp_ok $NSX::Test::Operation::worst, "<", 0.5, "no step waited for it";
        $server->finish;
    }
    for my $script ([ ['stall', 2] ], [ '220 mx', '<', ['stall', 2] ]) {
        my $server = NSX::Test::Server->start(connections => [$script]);
        ok !defined run_to_end($class->start_session($server->host, Port => $server->port, Timeout => 0.2)), 'Timeout ends it';
        like $@, qr/Timeout/, 'and $@ says so';
        $server->finish;
    }
};

subtest 'ended after each step' => sub {
    my $server = NSX::Test::Server->start(smtp => { extensions => [ 'STARTTLS', 'AUTH LOGIN' ], replies => { STARTTLS => $nope } }, concurrent => 1);
    my $before = descriptors();
    for my $how (qw(cancel drop)) {
        my ($steps, $is_over) = (0, 0);
        until ($is_over) {
            my $op = $class->start_session($server->host, Port => $server->port, StartTLS => 'auto', Auth => [ 'a', sub { 'b' } ]);
            for (1 .. $steps) { last if $is_over = $op->step; wait_for($op) }
            if ($how eq 'cancel') {
                $op->cancel;
                ok $op->step, "over after $steps steps";
                ok $is_over || !defined $op->result, 'without a session';
                is $@, "$class: cancelled", 'and $@ says so' if !$is_over;
            }
            undef $op;
            is descriptors(), $before, "$how after $steps steps: no descriptor is left";
            die 'no end' if ++$steps > 40;
        }
        cmp_ok $steps, '>', 3, 'steps were tried';
    }
    $server->finish;
};

subtest 'start_quit' => sub {
    my $server = NSX::Test::Server->start(smtp => [ {}, { replies => { QUIT => \'close' } }, {} ]);
    my @at = ($server->host, Port => $server->port, Timeout => 10);
    my $smtp = $class->new(@at);
    my $op = $smtp->start_quit;
    ok !eval { $smtp->reset; 1 }, 'nothing else meanwhile';
    like $@, qr/start_quit is under way/, 'and says so';
    is run_to_end($op), 1, 'what close answers';
    ok !defined fileno $smtp, 'it is closed';
    is run_to_end($class->new(@at)->start_quit), '', 'the server goes first' or 1;
    $smtp = $class->new(@at);
    $op = $smtp->start_quit;
    undef $op;
    ok !defined fileno $smtp, 'dropped: closed';
    $server->finish;
};

is "@warnings", '', 'no warning';
done_testing;
