# Whose methods send a message: those of the object's class where they are in
# the way, the engine otherwise; on objects however they were made.
use strict;
use warnings;
use lib 't/lib';

use Cwd ();
use IO::Socket::INET;
use NSX::Test::Message;
use NSX::Test::Server;
use Test::More;

my @ext = qw(PIPELINING CHUNKING SIZE 8BITMIME);

sub server { return NSX::Test::Server->start(smtp => { extensions => \@ext, @_ }) }

sub taken {
    my ($server) = @_;
    my $log = $server->finish;
    is_deeply [ map { @{ $_->{breaches} || [] } } @{ $log->{connections} } ], [], 'the client keeps to the rules';
    return scalar @{ $log->{messages} };
}

sub stderr_of {
    my ($code) = @_;
    open my $saved, '>&', \*STDERR or die "dup: $!";
    my $file = File::Temp->new;
    open STDERR, '>&', $file or die "dup: $!";
    $code->();
    open STDERR, '>&', $saved or die "dup: $!";
    seek $file, 0, 0;
    return join '', <$file>;
}

{
    package Watcher;
    our @ISA = ('Net::SMTP::XS');
    our @seen;
    for my $name (qw(mail recipient data bdatlast datasend dataend reset)) {
        no strict 'refs';
        *$name = sub { push @seen, $name; my $super = "SUPER::$name"; my $self = shift; $self->$super(@_) };
    }
}

{
    package Handle;    # somebody else's code between the object and the socket
    our $octets = 0;
    sub TIEHANDLE { my ($class, $fh) = @_; return bless { fh => $fh }, $class }
    sub FILENO { fileno $_[0]{fh} }
    sub READ   { sysread $_[0]{fh}, $_[1], $_[2], $_[3] || 0 }
    sub WRITE  { my $n = syswrite $_[0]{fh}, $_[1], $_[2], $_[3] || 0; $octets += $n || 0; $n }
    sub CLOSE  { close $_[0]{fh} }
    sub UNTIE  { }
}

use File::Temp ();

subtest 'a class that watches what scripts call' => sub {
    my $server = server();
    my $smtp = NSX::Test::Message::connect_to('Watcher', $server);
    ok $smtp->send_message(message_of()), 'sent';
    is "@Watcher::seen", 'mail recipient bdatlast', 'by its methods';
    @Watcher::seen = ();
    ok $smtp->send_message(message_of(Chunking => 0)), 'by DATA';
    is "@Watcher::seen", 'mail recipient data datasend datasend dataend', 'by its methods, as data calls them';
    @Watcher::seen = ();
    ok !$smtp->send_message(message_of(To => 'bad@test')), 'refused';
    is "@Watcher::seen", 'mail recipient reset', 'by its methods';
    $smtp->quit;
    is taken($server), 2, 'delivered';
};

subtest 'a tied handle' => sub {
    my $server = server();
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    open my $fh, '+<&', $smtp or die "dup: $!";
    tie *$smtp, 'Handle', $fh;
    ok $smtp->send_message(message_of()), 'sent';
    cmp_ok $Handle::octets, '>', 0, 'through its code';
    $smtp->quit;
    untie *$smtp;
    is taken($server), 1, 'delivered';
};

subtest 'Debug shows the dialogue' => sub {
    my $server = server();
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my $result;
    my $text = stderr_of(sub { $smtp->debug(1); $result = $smtp->send_message(message_of()) });
    $smtp->debug(0);
    ok $result, 'sent';
    like $text, qr/>>> MAIL FROM:<alice\@test>.*<<< 250.*>>> RCPT.*>>> BDAT 21 LAST/s, 'a command at a time';
    $smtp->quit;
    is taken($server), 1, 'delivered';
};

subtest 'an object made elsewhere' => sub {
    my $server = server();
    my $smtp = IO::Socket::INET->new(PeerAddr => $server->host, PeerPort => $server->port) or die "no socket: $@";
    bless $smtp, 'Net::SMTP::XS';
    $smtp->response;
    $smtp->hello('me.test');
    my $result = $smtp->send_message(message_of());
    ok $result, 'sent';
    is $result->round_trips, 2, 'by the engine';
    $smtp->quit;
    is taken($server), 1, 'delivered';
};

subtest 'in the place of Net::SMTP' => sub {
    my $server = server();
    my @inc = map { '-I' . Cwd::abs_path($_) } grep { !ref && -d } @INC;
    my $script = sprintf q{my $s = Net::SMTP->new('%s', Port => %d, Timeout => 10) or die $@;}
        . q{my $r = $s->send_message(From => 'a@test', To => 'b@test', Data => "x\n"); print ref $s, " $r ", $r->round_trips; $s->quit},
        $server->host, $server->port;
    open my $out, '-|', $^X, @inc, '-MNet::SMTP::XS=:replace', '-e', $script or die "fork: $!";
    is join('', <$out>), 'Net::SMTP accepted: 250 chunk taken 2', 'sent by the engine';
    is taken($server), 1, 'delivered';
};

subtest 'signal handlers run meanwhile' => sub {
    my $server = server(delay => { MAIL => 0.6 });
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my $ran = 0;
    local $SIG{ALRM} = sub { $ran++ };
    my $data = "Subject: x\n\nhello\n";
    alarm 1;
    select undef, undef, undef, 0.6;
    my $result = $smtp->send_message(message_of(Data => $data));
    alarm 0;
    ok $result, 'sent';
    is $ran, 1, 'the handler ran';
    $smtp->quit;
    is taken($server), 1, 'delivered';
};

subtest 'a handler that dies' => sub {
    my $server = server(delay => { BDAT => 3 });
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    local $SIG{ALRM} = sub { die "enough\n" };
    alarm 1;
    ok !eval { $smtp->send_message(message_of()); 1 }, 'the exception goes on';
    is $@, "enough\n", 'as it was';
    ok !$smtp->mail('alice@test'), 'the session is over';
    $server->finish;
};

for my $class (@NSX::Test::Message::CLASSES) {
    subtest "$class: Data that changes while it is sent" => sub {
        my $server = server();
        my $smtp = NSX::Test::Message::connect_to($class, $server);
        my $data = 'x' x 200_000 . "\n";
        my $result = eval { $smtp->send_message(message_of(Data => $data, Progress => sub { $data = 'y' })) };
        ok !$result || $result->octets == 200_002, 'whole, or not at all';
        my $log = $server->finish;
        is_deeply [ grep { $_->{data} ne "x" x 200_000 . "\r\n" } @{ $log->{messages} } ], [], 'nothing else is delivered';
    };
}

done_testing;
