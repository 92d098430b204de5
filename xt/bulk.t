# eg/bulk as a person uses it: an mbox, a Maildir, refusals, an interrupt.
use strict;
use warnings;
use lib 't/lib', 'xt/lib';

use File::Temp ();
use Test::More;

BEGIN {
    plan skip_all => 'Email::Address::XS is not installed' if !eval { require Email::Address::XS; 1 };
}

use NSX::Test::Server;

use constant LIMIT => 60;    # seconds, of a server

my $dir = File::Temp->newdir;

sub spew {
    my ($name, $text) = @_;
    open my $fh, '>:raw', "$dir/$name" or die "$name: $!";
    print $fh $text;
    close $fh or die "$name: $!";
    return "$dir/$name";
}

sub bulk {
    my ($source, @option) = @_;
    my $server = NSX::Test::Server->start(limit => LIMIT, concurrent => 1,
        smtp => { extensions => [qw(PIPELINING CHUNKING 8BITMIME)] });
    my @command = ($^X, '-Mblib', 'eg/bulk', '--host', $server->host, '--port', $server->port, @option, $source);
    open my $out, '-|', @command or die "eg/bulk: $!";
    my $text = do { local $/; <$out> };
    close $out;
    return { status => $? >> 8, out => $text, %{ $server->finish } };
}

my @message = (
    "From: Alice <alice\@test>\nTo: Bob <bob\@test>,\n \"Carol, C.\" <carol\@test>\nCc: dave\@test\nSubject: one\n\nFirst.\n",
    "From: alice\@test\nSender: secretary\@test\nTo: bob\@test\nSubject: two\n\nFrom here on\nFrom the heart.\n.\n",
    "Return-Path: <bounce\@test>\nFrom: alice\@test\nTo: bad\@test, erin\@test\nSubject: three\n\nThird.\n",
);
my $mbox = spew('mbox', join '', map { "From x\@y Mon Jan  1 00:00:00 2024\n" . s/^(>*From )/>$1/mgr . "\n" }
        map { my $m = $_; $m =~ s/\n\n(.*)\z/"\n\n" . $1/se; $m } @message);
mkdir "$dir/$_" for qw(Maildir Maildir/new Maildir/cur Maildir/tmp);
spew("Maildir/new/$_", $message[ $_ - 1 ]) for 1, 2;
spew('Maildir/cur/3:2,S', $message[2]);

my %wanted = (
    one   => 'alice@test: bob@test carol@test dave@test',
    two   => 'secretary@test: bob@test',
    three => 'bounce@test: erin@test',
);

for my $source ($mbox, "$dir/Maildir") {
    my $run = bulk($source);
    my %got = map { $_->{data} =~ /^Subject: (\w+)/m ? ($1 => "$_->{from}: @{ $_->{to} }") : () } @{ $run->{messages} };
    is_deeply(\%got, \%wanted, 'each with the envelope of its header') or diag $run->{out};
    is($run->{status}, 1, 'the status tells that somebody was refused');
    like($run->{out}, qr/^accepted +2$/m, 'the table counts');
    like($run->{out}, qr/^partial +1$/m,  '... each outcome');
    like($run->{out}, qr/550 no such user \(bad\@test\)/, 'and says why');
    my ($two) = grep { $_->{data} =~ /^Subject: two/m } @{ $run->{messages} };
    like($two->{data}, qr/\r\n\r\nFrom here on\r\nFrom the heart\.\r\n\.\r\n\z/, 'the body is as it was');
}

my $run = bulk("$dir/Maildir", '--from', 'list@test', '--to', 'a@test', '--to', 'b@test', '--quiet');
is($run->{status}, 0, 'all accepted');
is($run->{out}, '', '--quiet says nothing');
is_deeply([ map {"$_->{from}: @{ $_->{to} }"} @{ $run->{messages} } ], [ ('list@test: a@test b@test') x 3 ],
    '--from and --to are the envelope');

is(system("$^X -Mblib eg/bulk --host localhost 2>$dir/err >/dev/null") >> 8, 2, 'without a source it says how to call it');
isnt(system("$^X -Mblib eg/bulk --host localhost --port 1 $0 2>$dir/err >/dev/null"), 0, 'what is no mbox is refused');
like(do { local (@ARGV, $/) = "$dir/err"; <> }, qr/no mbox: it does not begin with "From "/, '... and says so');

done_testing;
