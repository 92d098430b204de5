# send_message among other uses of the object: what the classic methods left
# unfinished, and Perl code that runs while a message is being sent.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Message;
use NSX::Test::Server;
use POSIX ();
use Socket;
use Test::More;
use Time::HiRes ();

my $other = "Subject: other\n\nbye\n";
my @envelope = ('MAIL FROM:<alice@test>', 'RCPT TO:<bob@test>');
my $big = ('x' x 71 . "\n") x 40_000;

# The classic methods up to the body of a message.
sub into_data {
    my ($smtp) = @_;
    $smtp->mail('alice@test') && $smtp->to('eve@test') && $smtp->data or die $smtp->message;
    return;
}

sub is_closed { my ($smtp) = @_; ok !defined fileno $smtp, 'the connection is closed'; return }

# A handler that dies in the wait for a reply that comes late.
sub die_waiting {
    my ($code) = @_;
    local $SIG{ALRM} = sub { die "enough\n" };
    my $timer = Time::HiRes::ualarm(200_000);
    my @got = eval { $code->() };
    is $@, "enough\n", 'the handler died';
    return @got;
}

rows(
    { name => 'a message under way is ended first',
        send => sub { into_data($_[0]); $_[0]->datasend("one\n"); $_[0]->send_message(message_of(Data => $other)) },
        outcome => 'accepted', delivered => 'eve@test bob@test', data => "one\r\n" },
    { name => 'lines that wait go first',
        send => sub { into_data($_[0]); $_[0]->datasend("$_\n") for 1 .. 3; $_[0]->send_message(message_of(Data => $other)) },
        outcome => 'accepted', delivered => 'eve@test bob@test', data => "1\r\n2\r\n3\r\n" },
    { name => 'nothing is sent behind a message that is torn', new => [ BareCR => 'refuse' ],
        send => sub { into_data($_[0]); $_[0]->datasend("one\n"); $_[0]->datasend("a\rb\n"); $_[0]->send_message(message_of(Data => $other)) },
        outcome => 'deferred', stage => 'connect', reusable => 0, delivered => '', retry => 'bob@test',
        wire => [ 'MAIL FROM:<alice@test>', 'RCPT TO:<eve@test>', 'DATA' ], after => \&is_closed },
    { name => 'a reply that is owed passes first', server => { delay => { RSET => 0.6 }, replies => { RSET => [ '550 not now', '250 ok' ] } },
        send => sub { my ($smtp) = @_; die_waiting(sub { $smtp->reset }); $smtp->send_message(message_of(Data => $other)) },
        outcome => 'accepted', reusable => 1, delivered => 'bob@test' },
    { name => 'a reply that nobody asked for passes first', server => { delay => { NOOP => 0.2 } },
        send => sub { my ($smtp) = @_; $smtp->command('NOOP'); $smtp->send_message(message_of(Data => $other)) },
        only => 'Net::SMTP::XS', outcome => 'accepted', reusable => 1, delivered => 'bob@test' },
    { name => 'behind a go-ahead that is owed nothing goes', server => { delay => { DATA => 0.6 } },
        send => sub { my ($smtp) = @_; die_waiting(sub { into_data($smtp) }); $smtp->send_message(message_of(Data => $other)) },
        outcome => 'deferred', reusable => 0, delivered => '', after => \&is_closed },

    { name => 'a command in Progress ends the session, not the message',
        send => sub { my ($smtp) = @_; $smtp->send_message(message_of(Data => $big, Chunking => 0, Progress => sub { $smtp->command('NOOP') })) },
        outcome => 'deferred', reusable => 0, delivered => '', wire => [ @envelope, 'DATA' ], after => \&is_closed },
    { name => 'so does a message in the code that gives Data',
        send => sub { my ($smtp) = @_; my @p = ("x\n", "y\n");
            $smtp->send_message(message_of(Data => sub { $smtp->send_message(message_of(Data => $other)) if @p == 1; shift @p })) },
        outcome => 'deferred', reusable => 0, delivered => '', wire => [ @envelope, 'DATA' ], after => \&is_closed },
    { name => 'Progress closes the handle',
        send => sub { my ($smtp) = @_; $smtp->send_message(message_of(Data => $big, Chunking => 0, Progress => sub { close $smtp })) },
        outcome => 'deferred', reusable => 0, delivered => '' },
    { only => 'Net::SMTP::XS', name => 'a handler that dies while the end is answered', server => { delay => { END => 0.6 } },
        send => sub { my ($smtp) = @_; die_waiting(sub { $smtp->send_message(message_of()) }) },
        after => sub { ok !$_[0]->reset, 'nothing goes behind it'; is_closed($_[0]) } },
);

subtest 'the object is dropped while its message is sent' => sub {
    my $server = NSX::Test::Server->start(smtp => {});
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my $result = $smtp->send_message(message_of(Data => $big, Progress => sub { undef $smtp }));
    is $result->outcome, 'accepted', 'it is sent';
    is length $server->finish->{messages}[0]{data}, length($big) + ($big =~ tr/\n//), 'to its end';
};

subtest 'a method of ours is replaced where it stands' => sub {
    my $server = NSX::Test::Server->start(smtp => {});
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my ($mail, $seen) = (\&Net::SMTP::XS::mail, 0);
    no warnings 'redefine';
    local *Net::SMTP::XS::mail = sub { $seen++; goto &$mail };
    ok $smtp->send_message(message_of()), 'sent';
    is $seen, 1, 'by what stands there now';
    $smtp->quit;
    $server->finish;
};

# Another socket is given the descriptor that the message went to.
subtest 'no octet reaches another handle with the same number' => sub {
    my $server = NSX::Test::Server->start(smtp => {});
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    socketpair my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    my $number = fileno $smtp;
    my $result = $smtp->send_message(message_of(Data => $big, Chunking => 0, Progress => sub {
        return if !defined fileno $smtp || fileno $smtp != $number;
        POSIX::dup2(fileno $near, $number);
        close $near;
    }));
    is $result->outcome, 'deferred', 'it is lost';
    undef $smtp;
    is sysread($far, my $octets, 1), 0, 'nothing came there';
    $server->finish;
};

# The scalars are read in place, and changed by a handler.
subtest 'the strings of the message that follows are changed' => sub {
    my $server = NSX::Test::Server->start(smtp => { extensions => ['PIPELINING'], delay => { END => 0.3 } });
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my $second = $big;
    local $SIG{ALRM} = sub { $second = 'y' };
    Time::HiRes::ualarm(150_000);
    my @results = eval { $smtp->send_messages([ [ message_of() ], [ message_of(Data => \$second) ] ]) };
    ok @results || $@ =~ /changed while it was sent/, 'sent as it was, or an exception';
    undef $smtp;
    my $log = $server->finish;
    is scalar(grep { $_->{data} =~ /y\r\n\z/ && length($_->{data}) > 5 } @{ $log->{messages} }), 0, 'never a mixture';
};

done_testing;
