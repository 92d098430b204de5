#!perl

# send_message in every mode through real servers, octet for octet: Exim,
# OpenSMTPD and Dovecot's LMTP (xt/delivery.t has Postfix).
#
# What must arrive is the message with its lines ended by LF, which all of them
# keep, after the header that the server puts before it.  Each message is the
# body of one whose header is ours and complete, so that no server adds to it.
#
#   prove -b xt/message-peers.t
#   NSX_PEERS='Exim' prove -bv xt/message-peers.t    # only these

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time);

use NSX::Author::Messages qw(read_messages difference);
use Net::SMTP::XS;

use constant TIMEOUT => 30;

# Exim takes a lone CR for the end of a line, OpenSMTPD handles lines as strings that end at a NUL.
my @peers = (
    { server => 'Exim', stores => sub { $_[0] =~ tr/\r/\n/r } },
    { server => 'OpenSMTPD', stores => sub { $_[0] =~ s/\0[^\n]*//gr } },
    { server => 'DovecotLMTP', lmtp => 1 },
    { server => 'DovecotLMTP', lmtp => 1, by_path => 1 },
);

my %message = (
    read_messages("$FindBin::Bin/samples"),
    read_messages("$FindBin::Bin/../../shared/corpus"),
);
my @name = sort keys %message;
note scalar(@name), ' messages';

my @mode = map { my $pipelining = $_;
    map { my $chunking = $_;
        map { { Pipelining => $pipelining, Chunking => $chunking, SkipBad => $_ } } 0, 1 } 0, 1
} 0, 'envelope', 'message';

# The ways to give Data take turns.
my @given = (
    sub { $_[0] },
    sub { \$_[0] },
    sub { [ unpack '(a61)*', $_[0] ] },
    sub { my @piece = unpack '(a997)*', $_[0]; sub { shift @piece } },
    sub { open my $fh, '<:raw', \$_[0] or die "in-memory file: $!"; $fh },
);

my $only = $ENV{NSX_PEERS};
for my $peer (grep { !$only || $_->{server} =~ /$only/ } @peers) {
    my $class = "NSX::Author::$peer->{server}";
    eval "require $class; 1" or die $@;
    my $name = $peer->{server} . ($peer->{by_path} ? ' by its socket' : '');
  SKIP: {
        my $why = $class->missing;
        skip "$name: $why", 1 if $why;
        my $server = $class->start;
        subtest $name => sub { judge($peer, $server) };
        diag substr $server->log, -4000 if !Test::More->builder->is_passing;
        $server->stop;
    }
}
done_testing;

sub judge {
    my ($peer, $server) = @_;
    for my $index (0 .. $#mode) {
        my $mode  = $mode[$index];
        my $began = time;
        my @wrong = try_mode($peer, $server, $index);
        ok !@wrong, sprintf '%s: %d of %d messages (%.1f s)',
            join(', ', map {"$_ $mode->{$_}"} qw(Pipelining Chunking SkipBad)),
            @name - @wrong, scalar @name, time - $began;
        diag "  $_" for @wrong;
    }
}

sub connected {
    my ($peer, $server) = @_;
    my @where = $peer->{by_path} ? (Path => $server->path)
        : ($server->host, Port => $server->port($peer->{lmtp} ? 'lmtp' : 'smtp'));
    return Net::SMTP::XS->new(@where, Timeout => TIMEOUT,
        $peer->{lmtp} ? (Protocol => 'lmtp') : ()) || die "no session: $@";
}

# Sends all messages over one connection; returns a line for each bad one.
sub try_mode {
    my ($peer, $server, $mode) = @_;
    my $smtp = connected($peer, $server);
    my (%refused, @wrong);
    for my $index (0 .. $#name) {
        my $result = $smtp->send_message(
            From => 'sender@sender.example',
            To   => $server->address("box-$mode-$index"),
            Data => $given[ $index % @given ]->(octets_for($name[$index])),
            %{ $mode[$mode] });
        $refused{$index} = "$result" if !$result;
    }
    $smtp->quit or push @wrong, 'quit failed';
    for my $index (0 .. $#name) {
        my $why = $refused{$index} || arrived($peer, $server, "box-$mode-$index", $name[$index]);
        push @wrong, "$name[$index]: $why" if $why;
    }
    return @wrong;
}

sub arrived {
    my ($peer, $server, $mailbox, $name) = @_;
    my ($mail, $more) = $server->delivered($mailbox);
    return !$mail ? 'not delivered' : $more ? 'delivered twice'
        : difference($mail->{octets}, stored_form($peer, octets_for($name)));
}

sub octets_for {
    my ($name) = @_;
    return <<"END" . $message{$name};
Date: Thu, 01 Jan 2026 00:00:00 +0000
Message-ID: <message\@sender.example>
From: sender\@sender.example
X-Name: $name

END
}

sub stored_form {
    my ($peer, $octets) = @_;
    $octets =~ s/\r?\n/\n/g;
    $octets .= "\n" if $octets !~ /\n\z/;
    return $peer->{stores} ? $peer->{stores}->($octets) : $octets;
}
