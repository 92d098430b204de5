#!perl
# send_message on objects of other modules, in the place of Net::SMTP: a subclass
# that logs its commands, IO::Socket::SSL's tied handle as Net::SMTP::SSL has it,
# Net::SMTPS in the clear, over TLS and behind STARTTLS. The result is the one
# that the engine gives for the same dialogue.
use strict;
use warnings;
use lib 't/lib', 'xt/lib';

use Net::SMTP::XS ':replace';
use NSX::Author::Cut;
use NSX::Test::Message;
use NSX::Test::Server;
use Test::More;

use constant TIMEOUT => 30;

{
    package Logging;
    our @ISA = ('Net::SMTP');
    our @log;
    sub command { my $self = shift; push @log, "@_"; return $self->SUPER::command(@_) }
}

$ENV{SSL_CERT_FILE} = 't/certs/ca.pem';    # Net::SMTP::SSL takes no options for TLS
my @objects = (
    { name => 'a subclass that logs', class => 'Logging' },
    { name => 'Net::SMTP::SSL', class => 'Net::SMTP::SSL', tls => 'TLS', is_tied => 1 },
    { name => 'Net::SMTPS in the clear', class => 'Net::SMTPS', new => [ doSSL => '' ] },
    { name => 'Net::SMTPS over TLS', class => 'Net::SMTPS', tls => 'TLS', new => [ doSSL => 'ssl' ], is_tied => 1 },
    { name => 'Net::SMTPS behind STARTTLS', class => 'Net::SMTPS', tls => 'STARTTLS', new => [ doSSL => 'starttls' ], is_tied => 1 },
);

my @three = (To => [ 'bob@test', 'bad@test', 'carol@test' ], SkipBad => 1);
my $long  = join '', map { "line $_\n.dot\n" } 1 .. 20_000;

# What the server does, and what is sent.
my @cases = (
    [ 'accepted', {}, [] ],
    [ 'by BDAT', { extensions => [ 'CHUNKING', 'PIPELINING' ] }, [] ],
    [ 'long, by DATA', {}, [ Data => \$long ] ],
    [ 'long, by BDAT', { extensions => ['CHUNKING'] }, [ Data => \$long ] ],
    [ 'code', {}, sub { my @pieces = ("Subject: x\n\n", "a\n", "b"); [ Data => sub { shift @pieces } ] } ],
    [ 'some refused', {}, [@three] ],
    [ 'one refused, nobody gets it', {}, [ @three, SkipBad => 0 ] ],
    [ 'MAIL refused', { replies => { MAIL => '550 5.7.1 no' } }, [@three] ],
    [ 'DATA refused', { replies => { DATA => '451 4.3.0 later' } }, [@three] ],
    [ 'the end refused', { replies => { END => '554 5.6.0 spam' } }, [@three] ],
    [ 'BDAT refused', { extensions => ['CHUNKING'], replies => { BDAT => '552 5.3.4 big' } }, [@three] ],
    [ '421 to a recipient', { replies => { RCPT => [ undef, '421 closing' ] } }, [@three] ],
    [ 'lost after a recipient', { replies => { RCPT => [ undef, \'close' ] } }, [@three] ],
    [ 'lost at the end', { replies => { END => \'close' } }, [@three] ],
    [ 'no code at the end', { replies => { END => 'what?' } }, [@three] ],
    [ 'further transactions', { extensions => ['LIMITS RCPTMAX=1'] }, [@three] ],
    [ 'SIZE too small', { extensions => ['SIZE 10'] }, [@three] ],
    [ 'each its own, by LMTP', { lmtp => 1, replies => { END => [ '250 ok', '452 full', undef ] } }, [@three] ],
    [ 'Data that dies', {}, sub { my $n = 0; [ Data => sub { $n++ ? die "enough\n" : "x\n" } ] } ],
);

sub start {
    my ($table, $tls) = @_;
    my %copy = %{ $table->{replies} || {} };
    $_ = [@$_] for grep { ref eq 'ARRAY' } values %copy;
    $copy{STARTTLS} = \'start_tls';
    $copy{EHLO} = sub { my (undef, $session) = @_; $session->_do_EHLO($_[0], 1) } if $table->{lmtp};
    my @extensions = (@{ $table->{extensions} || [] }, $tls eq 'STARTTLS' ? $tls : ());
    my @messages;
    return NSX::Test::Server->start(limit => TIMEOUT, connections => [ [ sub {
        my ($conn) = @_;
        if    ($tls eq 'TLS') { NSX::Author::Cut::TLS->start($conn) }
        elsif ($tls)          { bless $conn, 'NSX::Author::Cut::TLS' }
        NSX::Test::Server::Session->new({ %$table, extensions => \@extensions, replies => \%copy }, $conn, { messages => [] })->run;
    } ] ]);
}

sub outcome {
    my ($object, $case) = @_;
    my (undef, $table, $send) = @$case;
    my $server = start($table, $object->{tls} || '');
    my $smtp = $object->{class}->new($server->host, Port => $server->port, Timeout => TIMEOUT, Hello => 'me.test', @{ $object->{new} || [] })
        or return { failed => join " ", grep { defined } $@, $IO::Socket::SSL::SSL_ERROR };
    ${*$smtp}{net_smtp_lmtp} = 1 if $table->{lmtp};
    my %got = (tied => tied *$smtp ? 1 : 0);
    $send = $send->() if ref $send eq 'CODE';
    my $result = eval { $smtp->send_message(message_of(Pipelining => 0, @$send)) };
    $got{died} = $@;
    if (defined $result) {
        %got = (%got, NSX::Test::Message::seen($result));
        $_ += 0 for @got{qw(octets round_trips)};
        # IO::Socket::SSL's getline does not say why there is no line.
        s/reply without a code|connection closed by the peer/no reply/ for @got{qw(message text)};
        $got{goes_on} = $smtp->reset ? 1 : 0 if $result->is_reusable;
    }
    undef $smtp;
    my $log = $server->finish;
    $got{wire} = [ grep { !/^(?:EHLO|LHLO|STARTTLS)/ } map { $_->{line} } @{ $log->{connections}[0]{commands} } ];
    return \%got;
}

my %engine;
for my $object (@objects) {
    subtest $object->{name} => sub {
        my $class = $object->{class};
        plan skip_all => "$class is not installed" if $class =~ /::/ && !eval "require $class; 1";
        plan skip_all => NSX::Author::Cut::TLS->missing if $object->{tls} && NSX::Author::Cut::TLS->missing;
        for my $case (@cases) {
            my $name = $case->[0];
            my $want = $engine{$name} ||= outcome({ class => 'Net::SMTP' }, $case);
            my $got  = outcome($object, $case);
            is delete $got->{tied}, $object->{is_tied} ? 1 : 0, "$name: the handle";
            my %want = %$want;
            delete $want{tied};
            is_deeply $got, \%want, $name or diag explain [ $got, \%want ];
        }
        ok scalar(grep { /^RCPT/ } @Logging::log), 'commands are logged' if $class eq 'Logging';
    };
}

done_testing;
