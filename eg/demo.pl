#!/usr/bin/perl

# Sends one message to a server of its own on the loopback interface, shows the
# dialogue as Debug prints it, then what was delivered, and compares the two.
#
# Last the same message goes by send_message, where the class has it: the
# flights of both, what was sent without waiting for a reply, are shown side by side.
# The server is the one of the tests, in t/lib.
#
#   perl -Mblib eg/demo.pl              Net::SMTP::XS
#   perl eg/demo.pl Net::SMTP           the same through another class

use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/../t/lib";
use NSX::Test::Server ();

$| = 1;
my $class = @ARGV ? shift : 'Net::SMTP::XS';
eval "require $class" or die $@;

my $from = 'alice@example.com';
my @to   = ('bob@example.org', 'carol@example.net');

# LF line ends, 8-bit text, and lines that begin with a dot: the client makes
# CRLF of the first, announces the second and protects the third.
my $message = <<"END";
From: Alice <$from>
To: Bob <$to[0]>, Carol <$to[1]>
Subject: Greetings from $class
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\xc3\xbc\xc3\x9fe!
The next line is a dot alone, which would end a careless transfer:
.
..and this one begins with two.
END

print "--- The dialogue (>>> client, <<< server), through $class\n";
my ($mail, @classic) = serve(\&send_classic);
show($mail);
check($mail);
if ($class->can('send_message')) {
    my ($again, @whole) = serve(\&send_whole);
    compare(\@classic, \@whole);
    check($again);
}

# Runs the code with a server's address. Returns what was delivered and the
# flights between the greeting and the goodbye, as the server received them:
# what came between two of its writings is a flight.
sub serve {
    my $client = shift;
    my $server = NSX::Test::Server->start(
        smtp => {
            extensions => ['PIPELINING', '8BITMIME', 'SIZE 10485760'],
            gather     => 1,    # replies leave together when all is answered
        }
    );
    $client->($server->host, $server->port);
    my $log     = $server->finish;
    my @flights = map { $_->{in} } $server->turns($log->{connections}[0]);
    return ($log->{messages}[0], grep { length && !/^(?:EHLO|QUIT)/ } @flights);
}

# One session, each step checked: any of them may be refused.
sub send_classic {
    my ($host, $port) = @_;
    my $smtp = $class->new(
        $host,
        Port    => $port,
        Hello   => 'client.example',
        Timeout => 10,
        Debug   => 1,
    ) or die "no connection: $@\n";

    my $size = length($message) + ($message =~ tr/\n//);    # as CRLF
           $smtp->mail($from, Bits => 8, Size => $size)
        && $smtp->to(@to)
        && $smtp->data
        && $smtp->datasend($message)
        && $smtp->dataend
        or die 'refused: ', $smtp->code, ' ', $smtp->message;
    $smtp->quit or die "the server did not say goodbye\n";
}

sub show {
    my $mail = shift or die "nothing was delivered\n";
    (my $text = $mail->{data}) =~ s/\r\n/\n/g;
    print "\n--- Delivered, from $mail->{from} to @{ $mail->{to} }\n$text";
}

sub check {
    my $mail = shift;
    (my $wanted = $message) =~ s/\n/\r\n/g;
    die "\nNOT what was sent\n"
        unless $mail->{data} eq $wanted
        && $mail->{from} eq $from
        && "@{ $mail->{to} }" eq "@to";
    printf "\n--- %d octets delivered, byte for byte what was sent " . "(line ends as CRLF)\n",
        length $mail->{data};
}

sub send_whole {
    my ($host, $port) = @_;
    my $smtp = $class->new($host, Port => $port, Hello => 'client.example', Timeout => 10)
        or die "no connection: $@\n";
    my $result = $smtp->send_message(From => $from, To => \@to, Data => $message, SkipBad => 1);
    $smtp->quit;
    print "\n--- The same message by send_message: $result\n";
}

sub compare {
    my ($classic, $whole) = @_;
    printf "%-38s %s\n", scalar(@$classic) . ' flights, a command at a time',
        scalar(@$whole) . ' flights, send_message';
    for my $n (0 .. $#$classic) {
        printf "%-38s %s\n", map { defined $_ ? ($n + 1) . ': ' . gist($_) : '' } $classic->[$n],
            $whole->[$n];
    }
}

# A flight by the first words of its commands.
sub gist {
    my @lines = split /\r\n/, shift;
    return 'the message, ' . @lines . ' lines' if $lines[0] !~ /^(?:MAIL|RCPT|DATA)/;
    return join ', ', map { (split / /)[0] } @lines;
}
