# A message as an operation: who owns it, what may be done meanwhile, Data that
# comes late, servers that stall, and what is left when it ends anywhere.
use strict;
use warnings;
use lib 't/lib';

use Config;
use IO::Handle;
use NSX::Test::Message;
use NSX::Test::Operation;
use NSX::Test::Server;
use POSIX ();
use Scalar::Util qw(weaken);
use Test::More;

my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

my $line = 'x' x 71 . "\n";
my $big  = $line x 40_000;

sub server { return NSX::Test::Server->start(smtp => {@_}) }
sub object { return NSX::Test::Message::connect_to('Net::SMTP::XS', @_) }

sub descriptors {
    my $n = 0;
    POSIX::fstat($_) && $n++ for 0 .. 60;
    return $n;
}

subtest 'one at a time' => sub {
    my $server = server();
    my $smtp   = object($server);
    my $op     = $smtp->start_message(message_of());
    isa_ok $op, 'Net::SMTP::XS::Operation';
    my %try = (
        reset => sub { $smtp->reset }, mail => sub { $smtp->mail('a@test') }, to => sub { $smtp->to('b@test') },
        datasend => sub { $smtp->datasend("x\n") }, data => sub { $smtp->data }, quit => sub { $smtp->quit },
        send_message => sub { $smtp->send_message(message_of()) }, start_message => sub { $smtp->start_message(message_of()) },
    );
    for my $name (sort keys %try) {
        ok !eval { $try{$name}->(); 1 }, "$name is refused";
        like $@, qr/start_message is under way on this object/, 'and says why';
    }
    ok !eval { $op->result; 1 }, 'no result yet';
    like $@, qr/not finished/, 'and says why';
    is run_to_end($op)->outcome, 'accepted', 'the message is sent all the same';
    ok $op->step, 'a step more is no harm';
    is $op->want, undef, 'it wants nothing';
    is $op->timeout, 0, 'and no time';
    ok $smtp->reset, 'the object is free again';
    ok $smtp->quit, 'to its end';
    is scalar @{ $server->finish->{messages} }, 1, 'one message';
};

subtest 'what must be waited for first' => sub {
    my $server = server();
    my $smtp   = object($server);
    $smtp->mail('a@test') && $smtp->to('b@test') && $smtp->data && $smtp->datasend("x\n");
    ok !eval { $smtp->start_message(message_of()); 1 }, 'a message under way';
    like $@, qr/^start_message: a message is under way: end it with dataend at \S*operation-message\.t/, 'and says so';
    ok $smtp->dataend, 'which goes on';
    ok !eval { $smtp->start_message(message_of(Data => \*STDIN)); 1 }, 'a handle that may wait' if !-f STDIN;
    pipe my $read, my $write or die "pipe: $!";
    ok !eval { $smtp->start_message(message_of(Data => $read)); 1 }, 'a pipe';
    like $@, qr/Data: it takes .*never waits/, 'and says so';
    my $watched = object($server = server(), Debug => 0);
    open my $keep, '>&', \*STDERR or die; open STDERR, '>', '/dev/null' or die;
    $watched->debug(1);
    ok !eval { $watched->start_message(message_of()); 1 }, 'an object whose dialogue is shown';
    open STDERR, '>&', $keep or die;
    like $@, qr/use send_message/, 'and says what to do';
    my $own = NSX::Test::Message::connect_to('NSX::Test::Message::Overriding', server());
    ok !eval { $own->start_message(message_of()); 1 }, 'a class with methods of its own';
};

subtest 'it owns what it sends' => sub {
    my $server = server();
    my $smtp   = object($server);
    my ($text, @to) = ("Subject: x\n\nmine\n", 'bob@test');
    my $op = $smtp->start_message(From => 'alice@test', To => \@to, Data => \$text);
    $text =~ tr/a-z/A-Z/;
    @to = ('eve@test');
    undef $smtp;
    is run_to_end($op)->outcome, 'accepted', 'sent';
    my $got = $server->finish->{messages}[0];
    is "@{ $got->{to} }", 'bob@test', 'to whom it was for';
    is $got->{data}, "Subject: x\r\n\r\nmine\r\n", 'as it was';
};

subtest 'Data that comes late' => sub {
    for my $chunking ([], ['CHUNKING']) {
        my $server = server(extensions => $chunking);
        my $smtp   = object($server, Timeout => 1);
        my @pieces = ("one\n", Net::SMTP::XS::LATER, Net::SMTP::XS::LATER, "two\n");
        my $asked  = 0;
        my $op = $smtp->start_message(message_of(Data => sub { $asked++; shift @pieces }));
        my $late = 0;
        until ($op->step) {
            $late++ if !defined $op->timeout;
            wait_for($op, 0.05);
        }
        is $op->result->outcome, 'accepted', "sent @$chunking";
        ok $late, 'with no limit while nothing is there';
        is $asked, 5, 'asked once a step';
        ok !eval { $smtp->send_message(message_of(Data => sub { Net::SMTP::XS::LATER })); 1 }, 'send_message cannot wait for it';
        is $@, "Data: LATER is for start_message\n", 'and says so';
        is $server->finish->{messages}[0]{data}, "one\r\ntwo\r\n", 'whole';
    }
};

# Whatever the server leaves out, no step waits for it.
subtest 'a server that stalls at each point' => sub {
    for my $point (qw(MAIL RCPT DATA END BDAT)) {
        my $server = server(extensions => [ $point eq 'BDAT' ? 'CHUNKING' : 'SIZE' ], delay => { $point => 0.6 });
        my $smtp = object($server);
        local $NSX::Test::Operation::worst = 0;
        is run_to_end($smtp->start_message(message_of(Data => $line x 1000)))->outcome, 'accepted', "$point: sent";
        cmp_ok $NSX::Test::Operation::worst, "<", 0.5, "no step waited for it";
        $server->finish;
    }
};

subtest 'a server that says nothing any more' => sub {
    my $server = server(delay => { RCPT => 5 });
    my $smtp   = object($server, Timeout => 0.3);
    my $result = run_to_end($smtp->start_message(message_of()));
    is $result->outcome, 'deferred', 'Timeout';
    ok !defined fileno $smtp, 'closed';
    $smtp = object($server = server(delay => { RCPT => 5 }));
    $result = run_to_end($smtp->start_message(message_of(Deadline => 0.3)));
    is $result->outcome, 'deferred', 'Deadline';
    ok !defined fileno $smtp, 'closed';
};

subtest 'cancelled after each step' => sub {
    my $before = descriptors();
    my $server = NSX::Test::Server->start(smtp => { extensions => ['SIZE'] }, concurrent => 1);
    my $open = descriptors() - $before;
    my ($steps, $is_over) = (0);
    for my $dropped (0, 1) {
        ($steps, $is_over) = (0);
        until ($is_over) {
            my $smtp = object($server);
            my $code = sub { my @left = ($line) x 3; sub { shift @left } }->();
            my $op = $smtp->start_message(message_of(Data => $code, Pipelining => 0));
            weaken $code;
            for (1 .. $steps) { last if $is_over = $op->step; wait_for($op) }
            if ($dropped) { undef $op }
            else {
                $op->cancel;
                ok $op->step, "it is over after $steps steps";
                my $result = $op->result;
                my $sent = $steps > 0;
                like $result->outcome, $is_over ? qr/accepted/ : qr/deferred|unknown/, 'with a result: ' . $result->outcome;
                is defined fileno $smtp, !$sent || $is_over, 'closed where something was sent';
                undef $op;
            }
            is $code, undef, 'its code is gone';
            ok $smtp->reset, 'the object goes on' if defined fileno $smtp;
            undef $smtp;
            is descriptors(), $before + $open, 'and its descriptor';
            die 'no end' if ++$steps > 40;
        }
    }
    cmp_ok $steps, '>', 4, "steps were tried";
    my $log = $server->finish;
    my $whole = grep { $_->{data} eq "$line$line$line" =~ s/\n/\r\n/gr } @{ $log->{messages} };
    is $whole, scalar @{ $log->{messages} }, 'no half message was delivered';
};

subtest 'callbacks that die, cancel, drop, step' => sub {
    my $op;
    my %callback = (
        die    => sub { die "enough\n" },
        cancel => sub { $op->cancel },
        drop   => sub { undef $op },
        step   => sub { eval { $op->step }; like $@, qr/own callback/, 'no step in a step'; die "enough\n" },
        use    => sub { my $smtp = $op->handle; eval { $smtp->reset }; like $@, qr/under way/, 'no command in it'; die "enough\n" },
    );
    for my $place (qw(Data Progress)) {
        for my $name (sort keys %callback) {
            my $before = descriptors();
            my $server = server();
            my $smtp   = object($server);
            my $done   = 0;
            my $act    = sub { $done++ || $callback{$name}->(); return "y\n" };
            my @how = $place eq 'Data' ? (Data => sub { $done < 3 ? $act->() : '' }) : (Data => $big, Progress => $act);
            $op = $smtp->start_message(message_of(@how));
            my $is_over = 0;
            while ($op && !$is_over) { $is_over = $op->step; wait_for($op) if $op && !$is_over }
            if ($op) {
                my $result = eval { $op->result };
                if ($name eq 'cancel') { is $result->outcome, 'deferred', "$place, $name: the result says so" }
                else                   { is $@, "enough\n", "$place, $name: the exception" }
            }
            else { is $name, 'drop', "$place: dropped" }
            undef $op;
            ok !defined fileno $smtp, 'closed';
            undef $smtp;
            is scalar @{ $server->finish->{messages} }, 0, 'nothing was delivered';
            undef $server;
            is descriptors(), $before, 'no descriptor is left';
        }
    }
};

subtest 'the handle is closed meanwhile' => sub {
    my $server = server();
    my $smtp   = object($server);
    my $op     = $smtp->start_message(message_of(Data => $big));
    $op->step;
    close $smtp;
    is run_to_end($op)->outcome, 'deferred', 'the message is lost';
    $server->finish;
};

subtest 'a child of fork' => sub {
    my $server = server();
    my $smtp   = object($server);
    my $op     = $smtp->start_message(message_of());
    wait_for($op) until $op->step || $op->want eq 'read';
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $server->forget;
        my $ok = !eval { $op->step; 1 } && $@ =~ /another process/;
        $op->cancel;
        $ok &&= !eval { $smtp->reset; 1 } && $@ =~ /under way/;
        undef $op;
        $ok &&= !eval { $smtp->reset; 1 };
        undef $smtp;
        POSIX::_exit($ok ? 0 : 1);
    }
    waitpid $pid, 0;
    is $?, 0, 'can do nothing';
    is run_to_end($op)->outcome, 'accepted', 'its parent goes on';
    is_deeply $server->finish->{connections}[0]{breaches} || [], [], 'nothing else was sent';
};

subtest 'a new thread' => sub {
    plan skip_all => 'perl without threads' if !$Config{useithreads};
    my $server = server();
    my $code = <<'END';
        use threads; use strict; use warnings; use lib 't/lib';
        use Net::SMTP::XS; use NSX::Test::Message; use NSX::Test::Operation;
        my $smtp = Net::SMTP::XS->new(shift, Port => shift) or die $@;
        my $op = $smtp->start_message(message_of());
        $op->step;
        print threads->create(sub { eval { $op->step }; my $no = $@ ? 1 : 0; undef $op; $no . ($smtp->reset ? 'sent' : 'nothing') })->join, ' ';
        print run_to_end($op)->outcome;
END
    open my $out, '-|', $^X, (map {"-I$_"} @INC), '-e', $code, $server->host, $server->port or die;
    is join('', <$out>), '1nothing accepted', 'has no part in it';
    close $out;
    is scalar @{ $server->finish->{messages} }, 1, 'one message';
};

subtest 'left at the end of a program' => sub {
    my $server = server();
    my $code = <<'END';
        BEGIN { open STDERR, '>&', \*STDOUT } use strict; use warnings; use lib 't/lib'; use Net::SMTP::XS; use NSX::Test::Message;
        our $smtp = Net::SMTP::XS->new(shift, Port => shift) or die $@;
        our $op = $smtp->start_message(message_of(Data => scalar(("x" x 70 . "\n") x 40_000)));
        $op->step; select undef, undef, undef, 0.1; $op->step;
        our $circle = {}; $circle->{it} = [$circle, $op, $smtp];
END
    open my $out, '-|', $^X, (map {"-I$_"} @INC), '-e', $code, $server->host, $server->port or die;
    is join('', <$out>), '', 'it says nothing';
    close $out;
    is $?, 0, 'and ends well';
    is scalar @{ $server->finish->{messages} }, 0, 'no half message';
};

is "@warnings", '', 'no warning';
done_testing;
