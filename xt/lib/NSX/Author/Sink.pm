package NSX::Author::Sink;

# The smtp mode of NSX::Test::Server behind the interface of NSX::Author::Server:
# it writes down the octets of each message just as they were on the wire.  It
# needs nothing installed, offers CHUNKING with BINARYMIME, which Postfix does
# not, and knows nothing of TLS and AUTH: the ports are smtp and lenient, and
# both take anything.
#
# What delivered() calls octets is here the wire form: stuffed and with the
# final dot for DATA, the chunks joined for BDAT.

use strict;
use warnings;

use NSX::Test::Server;

use parent 'NSX::Author::Server';

use constant LIFETIME => 3600;    # seconds: longer than a suite takes

sub missing {return}

sub bring_up {
    my ($self) = @_;
    $self->make_dir;
    my $dir = "$self->{dir}/mail";
    $self->{server} = NSX::Test::Server->start(
        concurrent => 1,
        limit      => LIFETIME,
        smtp       => {
            extensions => [qw(8BITMIME CHUNKING BINARYMIME)],
            replies    => { END => sub { keep($dir, @_) } },
        },
    );
    $self->{port} = { map { $_ => $self->{server}->port } qw(smtp lenient) };
}

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    my $server = delete $self->{server} or return;
    $server->finish;
}

sub parse_delivery {
    my ($self, $text) = @_;
    my %mail;
    @mail{qw(from to octets)} = split /\n/, $text, 3;
    return \%mail;
}

# In the server's own process: the message is complete when its file appears.
sub keep {
    my ($dir, $body, $session) = @_;
    my ($conn, $to) = ($session->{conn}, $session->{to}[0]);
    my $octets = defined $session->{chunks} ? $body
        : substr $conn->{in}, $session->{from_pos}, $conn->{pos} - $session->{from_pos};
    my ($mailbox) = split /\@/, $to;
    my $name = join '.', $mailbox, $$, ++$conn->{kept};
    open my $fh, '>:raw', "$dir/.$name" or return "451 $!";
    print $fh "$session->{from}\n$to\n$octets";
    close $fh or return "451 $!";
    rename "$dir/.$name", "$dir/$name" or return "451 $!";
    return '250 kept';
}

1;
