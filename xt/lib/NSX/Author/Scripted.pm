package NSX::Author::Scripted;

# Small servers of news and files on loopback, as much of them as a client's
# own tests ask for: scripts of NSX::Test::Server.
#
#   my $servers = NSX::Author::Scripted->start;
#   ... $servers->port('nntp'), $servers->port('ftp') ...

use strict;
use warnings;

use NSX::Test::Server;

use constant LIFETIME => 3600;    # seconds: longer than a suite takes

sub start {
    my ($class) = @_;
    my %talk = (nntp => \&talk_news, ftp => \&talk_files);
    return bless { map { $_ => NSX::Test::Server->start(
        always => [ $talk{$_} ], concurrent => 1, limit => LIFETIME) } keys %talk }, $class;
}

sub port { my ($self, $service) = @_; return $self->{$service}->port }

# Reads commands, writes what the table says: a text, or a code reference that gets the
# rest of the line and returns one, or undef when it has answered.  Ends after QUIT.
sub converse {
    my ($conn, $greeting, $table) = @_;
    $conn->send("$greeting\r\n");
    while (defined(my $line = $conn->line)) {
        $line =~ s/\r?\n\z//;
        my ($verb, $rest) = split / /, uc $line, 2;
        my $answer = $table->{$verb} || '500 what?';
        $answer = $answer->($rest) if ref $answer;
        next if !defined $answer;
        (my $wire = "$answer\n") =~ s/\n/\r\n/g;
        $conn->send($wire);
        last if $verb eq 'QUIT';
    }
}

sub talk_news {
    my ($conn) = @_;
    converse($conn, '200 news', {
        MODE  => '200 posting allowed',
        GROUP => '211 2 1 2 test',
        HEAD  => "221 1 <1\@test> head\nFrom: robin\nSubject: one\n.",
        QUIT  => '205 bye',
    });
}

sub talk_files {
    my ($conn) = @_;
    my ($accept, %file);
    my $open = sub {
        $conn->send("150 opening\r\n");
        return $accept->();
    };
    converse($conn, '220 files', {
        USER => '331 password?',
        PASS => '230 welcome',
        PWD  => '257 "/"',
        CWD  => '250 ok',
        TYPE => '200 ok',
        ALLO => '200 ok',
        PASV => sub { $accept = $conn->passive; undef },
        STOR => sub { local $/; $file{ $_[0] } = readline $open->(); '226 stored' },
        RETR => sub { $open->()->print($file{ $_[0] }); '226 sent' },
        DELE => sub { delete $file{ $_[0] } ? '250 gone' : '550 none' },
        QUIT => '221 bye',
    });
}

1;
