package NSX::Author::Scripted;

# Small servers of news and files on loopback, as much of them as a client's
# own tests ask for; see NSX::Author::Server.  Ports: nntp, ftp.

use strict;
use warnings;

use IO::Socket::INET;

use parent 'NSX::Author::Server';

use constant IDLE_SECONDS => 60;

sub missing   {return}
sub services  { qw(nntp ftp) }
sub configure { }

sub command {
    my ($self) = @_;
    return $self->own_perl('NSX::Author::Scripted::serve(@ARGV)',
        map { $self->port($_) } $self->services);
}

# In the server's own process from here on.

sub serve {
    my ($nntp, $ftp) = @_;
    NSX::Author::Server::accept_all(
        { $nntp => \&talk_news, $ftp => \&talk_files });
}

# Reads commands, writes what the table says: a text, or a code reference that
# gets the rest of the line and returns one.  Ends after QUIT.
sub converse {
    my ($client, $table) = @_;
    while (1) {
        alarm IDLE_SECONDS;
        defined(my $line = readline $client) or last;
        $line =~ s/\r?\n\z//;
        my ($verb, $rest) = split / /, uc $line, 2;
        my $answer = $table->{$verb} || '500 what?';
        $answer = $answer->($rest) if ref $answer;
        (my $wire = "$answer\n") =~ s/\n/\r\n/g;
        $client->print($wire);
        $client->flush;
        last if $verb eq 'QUIT';
    }
}

sub talk_news {
    my ($client) = @_;
    $client->print("200 news\r\n");
    converse($client, {
        MODE  => '200 posting allowed',
        GROUP => '211 2 1 2 test',
        HEAD  => "221 1 <1\@test> head\nFrom: robin\nSubject: one\n.",
        QUIT  => '205 bye',
    });
}

sub talk_files {
    my ($client) = @_;
    my ($listener, %file);
    $client->print("220 files\r\n");
    my $passive = sub {
        $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
            or return '425 no port';
        my $port = $listener->sockport;
        return sprintf '227 Entering Passive Mode (127,0,0,1,%d,%d)',
            $port >> 8, $port & 255;
    };
    my $open = sub {
        $client->print("150 opening\r\n");
        $client->flush;
        return $listener->accept;
    };
    converse($client, {
        USER => '331 password?',
        PASS => '230 welcome',
        PWD  => '257 "/"',
        CWD  => '250 ok',
        TYPE => '200 ok',
        ALLO => '200 ok',
        PASV => $passive,
        STOR => sub { local $/; $file{ $_[0] } = readline $open->(); '226 stored' },
        RETR => sub { $open->()->print($file{ $_[0] }); '226 sent' },
        DELE => sub { delete $file{ $_[0] } ? '250 gone' : '550 none' },
        QUIT => '221 bye',
    });
}

1;
