# The adapters: the tables of messages and sessions by each event loop, the examples of
# their pages, errors as each loop's users expect them, and what is left when one is
# cancelled.
use strict;
use warnings;
use lib 't/lib', 'xt/lib';

use NSX::Test::Message;
use NSX::Test::Server;
use POSIX ();
use Test::More;

my %module = (AnyEvent => 'AnyEvent', EV => 'EV', IOAsync => 'IO::Async::Loop', Mojo => 'Mojolicious');
my %has = map { my $name = $_; $name => scalar eval "require $module{$name}; 1" } keys %module;
my @drivers = (
    ($has{EV} ? 'AnyEvent,EV' : ()), ($has{AnyEvent} ? 'AnyEvent,Perl' : ()),
    grep { $has{$_} } qw(IOAsync Mojo),
);
plan skip_all => 'no event loop is installed' if !@drivers;
diag "not installed: $_" for grep { !$has{$_} } sort keys %has;

my @perl = ($^X, map {"-I$_"} 'xt/lib', @INC);

sub output_of {
    my (@command) = @_;
    open my $out, '-|', @command or die "$command[0]: $!";
    my $text = do { local $/; <$out> };
    close $out;
    return ($?, $text);
}

for my $driver (@drivers) {
    for my $test (qw(tables session)) {
        my ($status, $text) = output_of(@perl, "-MNSX::Author::Loop=$driver", "t/operation-$test.t");
        ok $status == 0, "$driver: the table of operation-$test.t";
        diag join "\n", grep {/^\s*not ok/} split /\n/, $text if $status;
        my $count = () = $text =~ /^\s*ok /mg;
        cmp_ok $count, '>', 50, "$driver: $count tests";
    }
}

# The synopsis of each page, with a server at mail.example.com.
my %page = (AnyEvent => $has{AnyEvent}, IOAsync => $has{IOAsync}, Mojo => $has{Mojo});
for my $name (grep { $page{$_} } sort keys %page) {
    my $server = NSX::Test::Server->start(smtp => {});
    open my $in, '<', "lib/Net/SMTP/XS/$name.pod" or die "$name.pod: $!";
    my $pod = do { local $/; <$in> };
    my @examples = map { s/^    //mgr } $pod =~ /^=for example loop\n\n(.*?)^=for example end/msg;
    ok @examples, "$name: examples";
    for my $code (@examples) {
        my $where = "'" . $server->host . "', Port => " . $server->port;
        $code =~ s/'mail\.example\.com'/$where/g;
        my ($status, $text) = output_of(@perl, '-Mstrict', '-Mwarnings', '-e', "BEGIN { open STDERR, '>&', \\*STDOUT } my \$message = qq{Subject: x\\n\\nhello\\n};\n$code");
        is $status, 0, "$name: an example";
        is $text, '', 'says nothing';
    }
    is scalar @{ $server->finish->{messages} }, scalar @examples, "$name: a message by each";
}

my %await = (
    AnyEvent => sub { $_[0]->recv },
    IOAsync  => sub { $_[0]->get },
    Mojo     => sub { my ($ok, $value); $_[0]->then(sub { ($ok, $value) = (1, @_) }, sub { $value = $_[0] })->wait; $ok ? $value : die $value },
);
for my $name (grep { $page{$_} } sort keys %page) {
    my $class = "Net::SMTP::XS::$name";
    eval "require $class" or die $@;
    my $await = sub { return $await{$name}->(@_) };
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    my $server = NSX::Test::Server->start(smtp => { delay => { MAIL => 0.2 } }, concurrent => 1);
    my @at = (Host => $server->host, Port => $server->port, Timeout => 20);

    ok !eval { $await->($class->connect(Host => '127.0.0.1', Port => 1)); 1 }, "$name: nobody there";
    like $@, qr/\ANet::SMTP::XS: connect: /, 'and says so';
    ok !eval { $await->($class->connect(@at, Protocol => 'pop3')); 1 }, "$name: a wrong option";
    like $@, qr/Protocol => "pop3"/, 'and says so';

    my $mail = $await->($class->connect(@at));
    isa_ok $mail->smtp, 'Net::SMTP::XS';
    my $first = $mail->send_message(message_of());
    ok !eval { $await->($mail->send_message(message_of())); 1 }, "$name: a second message meanwhile";
    like $@, qr/under way/, 'and says so';
    is $await->($first)->outcome, 'accepted', 'the first one is sent';
    ok !eval { $await->($mail->send_message(message_of(Data => sub { die "enough\n" }))); 1 }, "$name: Data that dies";
    like $@, qr/\Aenough\n/, 'with its reason';

    $mail = $await->($class->connect(@at));
    my @pieces = ("one\n", Net::SMTP::XS::LATER, "two\n");
    my $sent = $mail->send_message(message_of(Data => sub { shift @pieces }));
    my $timer = $mail->_after(0.5, sub { $mail->wake });
    is $await->($sent)->outcome, 'accepted', "$name: Data that comes late";
    ok $await->($mail->quit), 'quit';

    $mail = $await->($class->connect(@at));
    $sent = $mail->send_message(message_of());
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $server->forget;
        $mail->wake;
        $mail->cancel;
        POSIX::_exit(0);
    }
    waitpid $pid, 0;
    is $?, 0, "$name: a child of fork leaves it alone";
    is $await->($sent)->outcome, 'accepted', 'and its parent goes on';

    $sent = $mail->send_message(message_of());
    $timer = $mail->_after(0.05, sub { $mail->cancel });
    is $await->($sent)->outcome, 'deferred', "$name: cancelled";
    ok !defined fileno $mail->smtp, 'closed';
    $_->() for $timer;
    my $weak = $mail;
    Scalar::Util::weaken($weak);
    undef $_ for $mail, $sent, $first, $timer;
    is $weak, undef, "$name: nothing holds it";
    $server->finish;
    is "@warnings", '', "$name: no warning";
}

subtest 'async and await' => sub {
    plan skip_all => 'Future::AsyncAwait is not installed' if !$has{IOAsync} || !eval { require Future::AsyncAwait; 1 };
    my $server = NSX::Test::Server->start(smtp => {});
    my $outcome = eval q{
        use Future::AsyncAwait;
        async sub sending {
            my $mail = await Net::SMTP::XS::IOAsync->connect(Host => $server->host, Port => $server->port);
            my $result = await $mail->send_message(message_of());
            await $mail->quit;
            return $result->outcome;
        }
        sending()->get;
    };
    is $outcome, 'accepted', 'a message' or diag $@;
    is scalar @{ $server->finish->{messages} }, 1, 'arrives';
};

done_testing;
