#!perl

# The server of the other tests: what it answers, what it notes, how it ends.

use strict;
use warnings;

use File::Temp ();
use FindBin;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use lib "$FindBin::Bin/lib";
use NSX::Test::Server;

my @all = ('PIPELINING', 'CHUNKING', 'BINARYMIME', '8BITMIME', 'SMTPUTF8', 'DSN', 'SIZE 1000',
    'DELIVERBY 60', 'FUTURERELEASE 86400 2030-01-01T00:00:00Z', 'MT-PRIORITY MIXER', 'REQUIRETLS',
    'LIMITS RCPTMAX=3');

# Sends each piece; before a piece that is a reference to a number, reads that
# many reply lines. At the end it reads all there is.
sub conversation {
    my ($server, @pieces) = @_;
    my $fh = defined $server->path
        ? IO::Socket::UNIX->new(Peer => $server->path)
        : IO::Socket::INET->new(PeerAddr => $server->host, PeerPort => $server->port);
    $fh or die "no connection: $@";
    local $SIG{PIPE} = 'IGNORE';
    my $read = '';
    for my $piece (@pieces) {
        if (!ref $piece) { syswrite $fh, $piece; next }
        for (1 .. $$piece) { my $line = readline $fh; last if !defined $line; $read .= $line }
    }
    shutdown $fh, 1;
    while (defined(my $line = readline $fh)) { $read .= $line }
    $read =~ s/\r\n/|/g;
    return $read;
}

sub session {
    my ($table, @pieces) = @_;
    my $server = NSX::Test::Server->start(smtp => $table);
    my $read   = conversation($server, @pieces);
    my $log    = $server->finish;
    return ($read, $log->{connections}[0], $log->{messages}, $server);
}

sub lines { return join '', map {"$_\r\n"} @_ }

subtest 'a pipelined message' => sub {
    my ($read, $conn, $messages, $server) = session(
        { extensions => ['PIPELINING'], hold => { MAIL => qr/DATA\r\n\z/ }, gather => 1,
            replies => { RCPT => [ '250 ok', '550 5.1.1 no', '250 ok' ], END => '250 2.0.0 taken' } },
        \1, lines('EHLO me'), \2,
        lines('MAIL FROM:<a@test>'), lines(map {"RCPT TO:<$_\@test>"} qw(b c d)), lines('DATA'), \5,
        lines('text', '..dot', '.'), \1, lines('QUIT'), \1);
    is $read, '220 mx.test ready|250-mx.test at your service|250 PIPELINING|'
        . '250 sender ok|250 ok|550 5.1.1 no|250 ok|354 go on|250 2.0.0 taken|221 bye|', 'the replies';
    is_deeply $messages, [ { from => 'a@test', to => [ 'b@test', 'd@test' ], bits => undef,
        helo => 'EHLO me', data => "text\r\n.dot\r\n" } ], 'what was delivered';
    my @turns = $server->turns($conn);
    is_deeply [ map { scalar @{ $_->{commands} } } @turns ], [ 0, 1, 5, 1, 1 ], 'commands by turn';
    is $turns[2]{out}, lines('250 sender ok', '250 ok', '550 5.1.1 no', '250 ok', '354 go on'),
        'replies that leave together';
    is $conn->{commands}[3]{reply}, '550 5.1.1 no', 'each command with its reply';
    is_deeply $conn->{breaches}, [], 'nothing wrong';
};

subtest 'chunks' => sub {
    my ($read, $conn, $messages) = session({ extensions => \@all },
        \1, lines('EHLO me'), \13, lines('MAIL FROM:<a@test> BODY=BINARYMIME', 'RCPT TO:<b@test>'),
        "BDAT 3\r\na\nb", "BDAT 2 LAST\r\n\r\r", lines('QUIT'));
    like $read, qr/\|250 sender ok\|250 recipient ok\|250 chunk taken\|250 chunk taken\|221 bye\|\z/,
        'the replies';
    is $messages->[0]{data}, "a\nb\r\r", 'the octets as they are';
    is_deeply $conn->{breaches}, [], 'nothing wrong';
};

subtest 'a refused chunk' => sub {
    my ($read, undef, $messages) = session(
        { extensions => \@all, replies => { BDAT => [ '452 full', undef ] } },
        \1, lines('EHLO me'), \13, lines('MAIL FROM:<a@test>', 'RCPT TO:<b@test>'),
        "BDAT 3\r\nabc", "BDAT 2 LAST\r\n\r\n", lines('RSET', 'QUIT'));
    like $read, qr/\|452 full\|503 RSET first\|250 reset\|221 bye\|\z/, 'the rest goes with it';
    is_deeply $messages, [], 'nothing is delivered';
};

subtest 'LMTP' => sub {
    my ($read, $conn, $messages) = session({ extensions => \@all, lmtp => 1,
            replies => { END => [ '250 for b', '550 not for c', undef ] } },
        \1, lines('LHLO me'), \13, lines('MAIL FROM:<a@test>'),
        lines(map {"RCPT TO:<$_\@test>"} qw(b bad c d)), lines('DATA'), \6, lines('x', '.'), \3,
        lines('QUIT'), \1);
    like $read, qr/\|354 go on\|250 for b\|550 not for c\|250 queued\|221 bye\|\z/,
        'a reply for each recipient';
    is_deeply $messages->[0]{to}, [ 'b@test', 'd@test' ], 'those who got it';
    is_deeply $conn->{breaches}, [], 'nothing wrong';
    ($read, $conn) = session({ lmtp => 1 }, \1, lines('EHLO me'), \1);
    is_deeply $conn->{breaches}, ['EHLO or HELO under LMTP'], 'EHLO there is wrong';
};

# [what the client does wrong, extensions, the pieces, what is noted]
my @wrong = (
    [ 'commands in one flight', [], [ lines('MAIL FROM:<a@test>', 'RCPT TO:<b@test>') ],
        'octets before the reply to MAIL without PIPELINING' ],
    [ 'text behind DATA', ['PIPELINING'],
        [ lines('MAIL FROM:<a@test>', 'RCPT TO:<b@test>', 'DATA', 'x', '.') ],
        'octets before the reply to DATA' ],
    [ 'a command behind NOOP', ['PIPELINING'], [ lines('NOOP', 'RSET') ],
        'octets before the reply to NOOP' ],
    [ 'a parameter that was not offered', ['SIZE 1'], [ lines('MAIL FROM:<a@test> SIZE=1 RET=HDRS') ],
        'MAIL with RET without DSN' ],
    [ 'BDAT without CHUNKING', ['PIPELINING'],
        [ lines('MAIL FROM:<a@test>'), \1, lines('RCPT TO:<b@test>'), \1, "BDAT 1 LAST\r\nx" ],
        'BDAT without CHUNKING' ],
    [ 'a second MAIL', [], [ lines('MAIL FROM:<a@test>'), \1, lines('MAIL FROM:<a@test>') ],
        'MAIL inside a transaction' ],
    [ 'DATA for a binary message', \@all,
        [ lines('MAIL FROM:<a@test> BODY=BINARYMIME', 'RCPT TO:<b@test>', 'DATA'), \3, lines('x', '.') ],
        'DATA for a binary message' ],
    [ 'octets above 127', ['SMTPUTF8'], [ lines("MAIL FROM:<\xc3\xa9\@test>") ],
        'octets above 127 in MAIL without SMTPUTF8' ],
    [ 'a bare line feed', ['PIPELINING'],
        [ lines('MAIL FROM:<a@test>', 'RCPT TO:<b@test>', 'DATA'), \3, "x\ny\r\n.\r\n" ],
        'bare CR or LF in the message' ],
);

subtest 'what a client must not do' => sub {
    for my $case (@wrong) {
        my ($what, $extensions, $pieces, $noted) = @$case;
        my (undef, $conn) = session({ extensions => $extensions, delay => { map { $_ => 0.05 } qw(DATA) } },
            \1, lines('EHLO me'), \(1 + @$extensions || 1), @$pieces);
        is join('|', @{ $conn->{breaches} }), $noted, $what;
    }
};

subtest 'cut after so many octets' => sub {
    for my $how (qw(fin rst close)) {
        my ($read, $conn) = session({ cut => { received => 14, how => $how } },
            \1, lines('EHLO me', 'MAIL FROM:<a@test>'), \9);
        is $conn->{in}, "EHLO me\r\nMAIL ", "$how: what was received";
        is $conn->{end}, 'cut', "$how: the end";
        is $read, '220 mx.test ready|250 mx.test at your service|', "$how: what was said before"
            if $how eq 'fin';
    }
    my ($read, $conn) = session({ cut => { sent => 10 } }, \1, lines('EHLO me'), \1);
    is $read, '220 mx.tes', 'in the middle of a reply';
    my $server = NSX::Test::Server->start(smtp => [
        { cut => { received => 3, how => 'silence' } }, { replies => { NOOP => \'reset' } }, {} ]);
    conversation($server, \1, lines('EHLO me'));
    is conversation($server, \1, lines('NOOP'), \1), '220 mx.test ready|', 'reset in place of a reply';
    is conversation($server, \1, lines('NOOP'), \1, lines('QUIT'), \1), '220 mx.test ready|250 done|221 bye|',
        'each connection has its table';
    $server->finish;
    $server = NSX::Test::Server->start(smtp => { cut => { received => 3, how => 'stuck' } });
    my $fh = IO::Socket::INET->new(PeerAddr => $server->host, PeerPort => $server->port) or die $@;
    readline $fh;
    syswrite $fh, lines('NOOP');
    is $server->finish->{connections}[0]{in}, 'NOO', 'a server that reads no more can be ended';
};

subtest 'nothing is read ahead' => sub {
    my ($read, $conn, undef, $server) = session({ no_ahead => 1, extensions => ['PIPELINING'] },
        \1, lines('EHLO me', 'RSET', 'RSET'), lines('QUIT'));
    is_deeply [ map { @{ $_->{commands} } } $server->turns($conn) ],
        [ 'EHLO me', 'RSET', 'RSET', 'QUIT' ], 'all commands';
    is_deeply [ map { scalar @{ $_->{commands} } } $server->turns($conn) ], [ 0, 1, 1, 1, 1 ],
        'one a turn';
};

subtest 'a script for each connection that has no other' => sub {
    my $server = NSX::Test::Server->start(connections => [ ['first'] ], always => ['more']);
    is join('', map { conversation($server, \1) } 1 .. 3), 'first|more|more|', 'as often as asked';
};

subtest 'a Unix socket' => sub {
    my $dir    = File::Temp->newdir;
    my $server = eval { NSX::Test::Server->start(path => "$dir/smtp", smtp => {}) }
        or plan skip_all => "no Unix sockets: $@";
    is conversation($server, \1, lines('QUIT'), \1), '220 mx.test ready|221 bye|', 'it answers';
};

done_testing;
