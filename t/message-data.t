# What send_message takes for Data, and what is then delivered.
use strict;
use warnings;
use lib 't/lib';

use File::Temp ();
use NSX::Test::Message;
use Test::More;

sub long { return join '', ('x' x 997 . $_[0]) x 200 }

my @bodies = (
    [ 'LF', "a\nb\n", "a\r\nb\r\n" ],
    [ 'CR LF', "a\r\nb\r\n", "a\r\nb\r\n" ],
    [ 'no last line end', "a\nb", "a\r\nb\r\n" ],
    [ 'a dot', ".\n..\n.x", ".\r\n..\r\n.x\r\n" ],
    [ 'empty lines', "\n\n\n", "\r\n\r\n\r\n" ],
    [ 'NUL and 8 bits', "\0\xff\n", "\0\xff\r\n" ],
    [ 'long', long("\n"), long("\r\n") ],
);

sub file_with {
    my $fh = File::Temp->new;
    binmode $fh;
    print $fh @_;
    seek $fh, 0, 0;
    return $fh;
}

sub pipe_with {
    pipe my $r, my $w or die "pipe: $!";
    binmode $_ for $r, $w;
    syswrite $w, $_[0];
    return $r;
}

# Each makes Data of octets.
my %way = (
    octets      => sub { $_[0] },
    upgraded    => sub { my $text = $_[0]; utf8::upgrade($text); $text },
    reference   => sub { \$_[0] },
    array       => sub { [ map { substr $_[0], $_ * 3, 3 } 0 .. length($_[0]) / 3 ] },
    handle      => sub { file_with($_[0]) },
    code        => sub { my @p = $_[0] =~ /(.{1,5})/gs; sub { shift @p } },
);

for my $chunking (0, 1) {
    rows(map {
        my ($what, $octets, $want) = @$_;
        map { my $way = $_;
            { name => "$what, $way" . ($chunking ? ', CHUNKING' : ''), server => { extensions => $chunking ? ['CHUNKING'] : [] },
                send => sub { $_[0]->send_message(message_of(Data => $way{$way}->($octets))) },
                outcome => 'accepted', data => $want, octets => length $want } }
            $chunking ? qw(array handle octets) : sort keys %way;
    } @bodies);
}

rows(
    { name => 'no octets at all', send => [ Data => '' ], outcome => 'accepted', octets => 0 },
    { name => 'a handle from where it stands',
        send => sub { my $fh = file_with("skip\nkeep\n"); <$fh>; $_[0]->send_message(message_of(Data => $fh)) }, data => "keep\r\n" },
    { name => 'a pipe', send => sub { $_[0]->send_message(message_of(Data => pipe_with("x\ny\n"))) }, data => "x\r\ny\r\n" },
    { name => 'a handle is read again for another transaction', server => { extensions => ['LIMITS RCPTMAX=1'] },
        send => sub { my $fh = file_with("skip\nkeep\n"); <$fh>; $_[0]->send_message(message_of(To => [ 'a@test', 'b@test' ], SkipBad => 1, Data => $fh)) },
        outcome => 'accepted', delivered => 'a@test b@test', data => "keep\r\n" },
    { name => 'binary of unknown size', server => { extensions => [ 'CHUNKING', 'BINARYMIME' ] },
        send => sub { my @p = ("a\n", "b\r", "\n"); $_[0]->send_message(message_of(Bits => 'binary', Data => sub { shift @p })) },
        outcome => 'accepted', data => "a\nb\r\n" },

    { name => 'code that dies', send => sub { my @p = ("x\n"); $_[0]->send_message(message_of(Data => sub { shift @p or die "no more\n" })) },
        died => qr/\Ano more$/, delivered => '', after => sub { ok !defined fileno $_[0], 'the connection is closed' } },
    { name => 'code that dies among chunks', server => { extensions => [ 'CHUNKING', 'BINARYMIME' ] },
        send => sub { my @p = ("x\n"); $_[0]->send_message(message_of(Bits => 'binary', Data => sub { shift @p or die "no more\n" })) },
        died => qr/\Ano more$/, delivered => '', after => sub { ok $_[0]->command('NOOP')->response == 2, 'the session goes on' } },
    { name => 'code with wide characters', send => sub { $_[0]->send_message(message_of(Data => sub {"\x{263a}"})) },
        died => qr/above 255/, delivered => '' },
    { name => 'a handle that fails', send => sub { opendir my $d, '.'; open my $fh, '<', '.' or die $!; $_[0]->send_message(message_of(Data => $fh)) },
        died => qr/read/, delivered => '' },

    { name => 'bare CR passes', send => [ Data => "a\rb\r" ], data => "a\rb\r\r\n", octets => 6,
        breaches => 'bare CR or LF in the message' },
    { name => 'and in a chunk', server => { extensions => ['CHUNKING'] }, send => [ Data => "a\rb\r" ],
        data => "a\rb\r\r\n", octets => 6, breaches => 'bare CR or LF in a chunk' },
    { name => 'BareCR convert', send => [ BareCR => 'convert', Data => "a\rb\r\nc\r" ], data => "a\r\nb\r\nc\r\n", octets => 9 },
    { name => 'BareCR convert, of the object', new => [ BareCR => 'convert' ], send => [ Data => "a\rb" ], data => "a\r\nb\r\n" },
    { name => 'BareCR refuse, known beforehand', send => [ BareCR => 'refuse', Data => "a\rb" ],
        outcome => 'unsent', wire => [], to => ['bob@test unsent - 5.6.0 local'] },
    { name => 'BareCR refuse, not known', send => sub { my @p = ("a\r", "b"); $_[0]->send_message(message_of(BareCR => 'refuse', Data => sub { shift @p })) },
        died => qr/BareCR/, delivered => '' },
);

for my $class (@NSX::Test::Message::CLASSES) {
    my $server = NSX::Test::Server->start(smtp => {});
    my $smtp = NSX::Test::Message::connect_to($class, $server);
    my @seen;
    $smtp->send_message(message_of(Data => [ "a\n", "b\n" ], Progress => sub { push @seen, [@_] }));
    is_deeply $seen[-1], [ 6, 6 ], "$class: Progress at the end";
    @seen = ();
    my @p = ("a\n", "b\n");
    $smtp->send_message(message_of(Data => sub { shift @p }, Progress => sub { push @seen, [@_] }));
    is_deeply $seen[-1], [ 6, undef ], "$class: of a size nobody knows";
    ok !eval { $smtp->send_message(message_of(Progress => sub { die "stop\n" })); 1 }, "$class: it may die";
    is $@, "stop\n", 'and the exception goes on';
}

done_testing;
