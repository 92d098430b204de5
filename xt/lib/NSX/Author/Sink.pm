package NSX::Author::Sink;

# A server that writes down the octets of each message just as they were on
# the wire; see NSX::Author::Server.  It needs nothing installed, offers
# CHUNKING with BINARYMIME, which Postfix does not, and knows nothing of TLS
# and AUTH: the ports are smtp and lenient, and both take anything.
#
# What delivered() calls octets is here the wire form: stuffed and with the
# final dot for DATA, the chunks joined for BDAT.

use strict;
use warnings;

use parent 'NSX::Author::Server';

use constant IDLE_SECONDS => 60;

sub missing  {return}
sub services { qw(smtp lenient) }

sub configure {
    my ($self) = @_;
    chmod 0777, "$self->{dir}/mail";
}

sub command {
    my ($self) = @_;
    return $self->own_perl('NSX::Author::Sink::serve(@ARGV)',
        $self->{dir}, map { $self->port($_) } $self->services);
}

sub parse_delivery {
    my ($self, $text) = @_;
    my %mail;
    @mail{qw(from to octets)} = split /\n/, $text, 3;
    return \%mail;
}

# In the server's own process from here on.

sub serve {
    my ($dir, @port) = @_;
    my $handler = sub { converse($_[0], $dir) };
    NSX::Author::Server::accept_all({ map { $_ => $handler } @port });
}

sub converse {
    my ($client, $dir) = @_;
    my %mail = (dir => $dir, count => 0);
    reply($client, '220 sink ready');
    while (1) {
        alarm IDLE_SECONDS;
        defined(my $line = readline $client) or last;
        $line =~ s/\r?\n\z//;
        my ($verb, $rest) = split / /, $line, 2;
        last if !answer($client, \%mail, uc $verb, defined $rest ? $rest : '');
    }
}

sub reply {
    my ($client, @line) = @_;
    $client->print(map {"$_\r\n"} @line);
    $client->flush;
    return 1;
}

sub answer {
    my ($client, $mail, $verb, $rest) = @_;
    return reply($client, '250-sink', map({"250-$_"} qw(8BITMIME CHUNKING)),
        '250 BINARYMIME')
        if $verb eq 'EHLO';
    if ($verb eq 'MAIL' || $verb eq 'RSET') {
        @$mail{qw(from to octets)} = ($rest =~ /<([^>]*)>/, undef, '');
    }
    elsif ($verb eq 'RCPT') { ($mail->{to}) = $rest =~ /<([^>]*)>/ }
    elsif ($verb eq 'DATA') { return take_data($client, $mail) }
    elsif ($verb eq 'BDAT') { return take_chunk($client, $mail, $rest) }
    reply($client, $verb eq 'QUIT' ? '221 bye' : '250 ok');
    return $verb ne 'QUIT';
}

# The end is CR LF "." CR LF and nothing less; the first CR LF may be the one
# that ended the DATA command.
sub take_data {
    my ($client, $mail) = @_;
    reply($client, '354 go on');
    my $octets = '';
    until ($octets =~ /(?:\A|\r\n)\.\r\n\z/) {
        defined(my $line = readline $client) or return 0;
        $octets .= $line;
    }
    return keep($client, $mail, $octets);
}

sub take_chunk {
    my ($client, $mail, $rest) = @_;
    my ($size, $last) = split / /, $rest;
    my $chunk = '';
    while (length $chunk < $size) {
        read($client, $chunk, $size - length $chunk, length $chunk) or return 0;
    }
    $mail->{octets} .= $chunk;
    return $last ? keep($client, $mail, $mail->{octets}) : reply($client, '250 ok');
}

sub keep {
    my ($client, $mail, $octets) = @_;
    my ($mailbox) = split /\@/, $mail->{to};
    my $name = join '.', $mailbox, $$, ++$mail->{count};
    open my $fh, '>:raw', "$mail->{dir}/mail/.$name" or return 0;
    print $fh "$mail->{from}\n$mail->{to}\n$octets";
    close $fh or return 0;
    rename "$mail->{dir}/mail/.$name", "$mail->{dir}/mail/$name" or return 0;
    return reply($client, '250 kept');
}

1;
