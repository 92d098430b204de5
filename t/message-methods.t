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

# One table through both: what becomes of a message does not depend on who sends
# it. A row: name, the server's table, options or code that makes them.
my @three = (To => [ 'bob@test', 'bad@test', 'carol@test' ], SkipBad => 1);
my @four  = (To => [ 'a@one', 'b@two', 'c@ONE', 'd@two' ], SkipBad => 1);

sub pieces { my @pieces = @_; return sub { shift @pieces } }

# A session whose replies to these commands are others.
sub case {
    my ($name, $replies, @more) = @_;
    my $send = @more % 2 ? shift @more : [@three];
    return { name => $name, server => { extensions => [], replies => $replies, @more }, send => $send };
}

sub with_limit {
    my ($limit) = @_;
    my @limit = (extensions => ["LIMITS $limit"]);
    return (
        case("$limit, as usual", {}, [@four], @limit),
        case("$limit, Data that comes once", {}, sub { (@four, Data => pieces("x\n")) }, @limit),
        map { my ($what, @replies) = @$_; case("$limit, $what", {@replies}, [@four], @limit) }
            [ 'the first refused', RCPT => [ '550 no', undef ] ],
            [ 'the first put off', RCPT => [ '452 no', undef ] ],
            [ 'all put off', RCPT => '452 no' ],
            [ 'all refused', RCPT => '550 no' ],
            [ 'the end refused', END => '554 no' ],
            [ 'the second end refused', END => [ undef, '451 no', undef ] ],
            [ 'DATA refused', DATA => '451 no' ],
            [ 'the second MAIL refused', MAIL => [ undef, '550 no' ] ],
            [ '421 to the end', END => '421 bye' ],
            [ 'lost at the end', END => \'close' ],
            [ '421 to RSET', RCPT => [ '550 no', undef ], RSET => '421 bye' ],
    );
}

my @odd = (
    [ 'two lines', "250-2.1.0 a\r\n250 2.1.0 b" ], [ '251', '251 else' ], [ '354', '354 go' ], [ '421', '421 4.3.2 bye' ],
    [ '450', '450 later' ], [ '452', '452 4.5.3 many' ], [ '550', "550-5.1.1 no\r\n550 5.1.1 never" ],
    [ 'a wrong enhanced code', '550 4.1.1 no' ], [ 'no text', '550' ], [ 'two codes', "550-x\r\n450 y" ],
    [ 'no code', 'what?' ], [ 'an empty line', '' ], [ '999', '999 x' ], [ '199', '199 x' ],
    [ 'one too many', "250 ok\r\n250 extra" ], [ '421 unasked', "250 ok\r\n421 bye" ], [ 'a loss', \'close' ],
);

my @same = (
    (map { my $verb = $_; map { case("$_->[0] to $verb", { $verb => $_->[1] }) } @odd } qw(MAIL DATA END)),
    (map { case("$_->[0] to the second RCPT", { RCPT => [ undef, $_->[1], undef ] }) } @odd),
    (map { case("$_->[0] to BDAT", { BDAT => $_->[1] }, extensions => ['CHUNKING']) } grep { !ref $_->[1] } @odd),
    (map { case("$_->[0] to RSET", { RSET => $_->[1] }, [ @three, SkipBad => 0 ]) } @odd),
    (map { case("$_->[0] of several ends", { END => [ $_->[1], undef ] }, lmtp => 1) } @odd),
    (map { case("$_->[0] to the data", { DATA => "354 go\r\n$_->[1]" }) } grep { $_->[0] =~ /^\d+\z/ && $_->[0] > 400 } @odd[ 0 .. 6 ]),
    (map { with_limit($_) } 'RCPTMAX=1', 'RCPTMAX=2', 'RCPTDOMAINMAX=1', 'RCPTMAX=1 MAILMAX=2'),
    case('452 to the second of four', { RCPT => [ undef, '452 x', undef ] }, [@four]),
    case('no octets', {}, [ @three, Data => '' ]),
    case('no octets, in chunks', {}, [ @three, Data => '' ], extensions => ['CHUNKING']),
    case('Data that dies', {}, sub { my $n = 0; (@three, Data => sub { $n++ ? die "enough\n" : "x\n" }) }),
    case('Data that dies among chunks', {}, sub { my $n = 0; (@three, Bits => 'binary', Data => sub { $n++ ? die "enough\n" : "x\n" }) },
        extensions => [ 'CHUNKING', 'BINARYMIME' ]),
    case('too big', {}, extensions => ['SIZE 20']),
    case('RequireTLS', {}, [ @three, RequireTLS => 1 ]),
    case('binary', {}, [ @three, Bits => 'binary' ]),
    case('UTF-8', {}, [ To => "j\xc3\xb6rg\@test" ]),
    case('BareCR', {}, [ @three, BareCR => 'refuse', Data => "a\rb" ]),
    (map { my $name = $_; my $do = Net::SMTP::XS->can($name);
        case("$name while Data is asked for", {}, sub { my ($smtp) = @_; my $n = 0; (@three, Data => sub { $do->($smtp) if $n == 1; $n++ ? '' : "x\n" }) }) }
        qw(reset quit)),
);

# Words that only say how our side ended it.
sub without_words {
    my ($text) = @_;
    return $text =~ s/(?:cancelled|connection closed by the peer|Connection reset by peer)/gone/gr;
}

sub told {
    my ($class, $row, $server) = @_;
    my $smtp = NSX::Test::Message::connect_to($class, $server, $row->{server}{lmtp} ? (Protocol => 'lmtp') : ());
    my $send = $row->{send};
    my $result = eval { $smtp->send_message(message_of(Pipelining => 0, ref $send eq 'CODE' ? $send->($smtp) : @$send)) };
    my %told = (died => $@, open => defined fileno $smtp ? 1 : 0, code => $smtp->code, last => without_words($smtp->message =~ s/^\[.*\] //r));
    %told = (%told, NSX::Test::Message::seen($result)) if defined $result;
    $told{$_} = without_words($told{$_}) for grep { defined $told{$_} } qw(message text);
    delete $told{octets} if $row->{name} =~ /to the data\z/;    # as much as had gone
    $told{octets} += 0 if defined $told{octets};
    return \%told;
}

subtest 'the engine and the methods say the same' => sub {
    for my $row (@same) {
        my @tables = map { my %replies = %{ $row->{server}{replies} };
            $_ = [@$_] for grep { ref eq 'ARRAY' } values %replies;
            +{ %{ $row->{server} }, replies => \%replies } } 1 .. 2;
        my $server = NSX::Test::Server->start(smtp => \@tables);
        my ($engine, $methods) = map { told($_, $row, $server) } @NSX::Test::Message::CLASSES;
        my $log = $server->finish;
        ($engine->{wire}, $methods->{wire}) = map { [ map { $_->{line} } @{ $_->{commands} }[ 1 .. $#{ $_->{commands} } ] ] } @{ $log->{connections} };
        is_deeply $methods, $engine, $row->{name} or diag explain [ $engine, $methods ];
    }
};

{
    package KeepsCR;    # as IO::Socket::SSL's getline does
    our @ISA = ('Net::SMTP::XS');
    sub getline { my $self = shift; my $line = $self->SUPER::getline; return defined $line ? $line =~ s/\r?\n\z/\r\n/r : () }
}

subtest 'lines that keep their CR' => sub {
    my $server = NSX::Test::Server->start(smtp => { extensions => [ 'LIMITS RCPTMAX=1', 'SIZE 30' ] });
    my $smtp = NSX::Test::Message::connect_to('KeepsCR', $server);
    my $result = $smtp->send_message(message_of(To => [ 'bob@test', 'carol@test' ], SkipBad => 1));
    is "$result", 'accepted (2 accepted): 250 queued', 'the reply without it';
    is $result->transactions, 2, 'the limit without it';
    is $smtp->send_message(message_of(Data => 'x' x 40))->enhanced, '5.3.4', 'and the size';
    $smtp->quit;
    is taken($server), 2, 'delivered';
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
