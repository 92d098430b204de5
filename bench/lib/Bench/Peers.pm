package Bench::Peers;

# The other clients that bench/run measures.
#
#   Bench::Peers::build($directory)        compiles those written in C
#   @names   = Bench::Peers::names()       of those that are there
#   $text    = Bench::Peers::version($name)
#   $figures = Bench::Peers::run($name, $measure, %work)
#
# %work: mode (keep, each, steps, login, tls; see bench/README.md), port, count,
# size, recipients, ca.  run gives undef where the peer cannot do the
# mode, and dies where it failed; $measure runs a command and gives the figures
# that it printed.

use strict;
use warnings;

use constant PEERS => 'bench/peers';
use constant { FROM => 'sender@example.com', TO => 'recipient@example.com' };

# can: modes.  most: how many messages make a measurement where a message takes
# long.  largest: octets of a message, where large ones take minutes.  need: a command that succeeds where the peer is there.
# A client measures itself.  A program is measured from outside, its start
# included; for the mode keep it is run twice, with one message and with COUNT
# more, and the difference counts.
my @PEERS = (
    {
        name    => 'smtplib',
        can     => [qw(keep each steps login tls)],
        need    => '/usr/bin/python3 -c "import smtplib, ssl"',
        version => '/usr/bin/python3 -V',
        client  => ['/usr/bin/python3', PEERS . '/python.py'],
    },
    {
        name    => 'nodemailer',
        can     => [qw(keep each login tls)],
        most    => 20,
        need    => 'node -e "require(\'nodemailer\')"',
        version => q{node -p '"nodemailer " + require("nodemailer/package.json").version}
            . q{ + ", node " + process.version'},
        client => ['node', PEERS . '/nodemailer.js'],
    },
    {
        name    => 'libcurl',
        can     => [qw(keep each tls)],
        version => 'pkg-config --modversion libcurl',
        build   => 'curl',
        library => 'libcurl',
    },
    {
        name    => 'libesmtp',
        can     => [qw(keep each)],
        version => 'pkg-config --modversion libesmtp-1.0',
        build   => 'esmtp',
        library => 'libesmtp-1.0',
    },
    {
        name    => 'smtp-source',
        can     => [qw(keep each)],
        need    => 'command -v smtp-source',
        version => 'postconf -dh mail_version',
        program => \&smtp_source,
    },
    {
        name    => 'msmtp',
        can     => [qw(each)],
        most    => 10,
        need    => 'command -v msmtp',
        version => 'msmtp --version | head -n 1',
        program => \&msmtp,
    },
    {
        name    => 'swaks',
        can     => [qw(each)],
        most    => 5,
        largest => 10 * 1024**2,
        need    => 'command -v swaks',
        version => 'swaks --version | head -n 1',
        program => \&swaks,
    },
);

my (%there, $tools);
$ENV{NODE_PATH} ||= '/usr/share/nodejs';

sub build {
    $tools = shift;
    for my $peer (@PEERS) {
        my $fine = $peer->{build} ? compile($peer) : quiet($peer->{need});
        $there{ $peer->{name} } = $peer if $fine;
    }
}

sub quiet { return system("$_[0] >/dev/null 2>&1") == 0 }

sub compile {
    my $peer = shift;
    my $to   = "$tools/peer-$peer->{build}";
    $peer->{client} = [$to];
    return quiet("cc -O2 -o $to " . PEERS . "/$peer->{build}.c"
            . " \$(pkg-config --cflags --libs $peer->{library})");
}

sub names { return grep { $there{$_} } map { $_->{name} } @PEERS }

sub all_names { return map { $_->{name} } @PEERS }

sub version {
    my $name = shift;
    my $said = qx($there{$name}{version} 2>/dev/null);
    return $said =~ /(\S.*\S)/ ? $1 : '?';
}

sub run {
    my ($name, $measure, %work) = @_;
    my $peer = $there{$name} or return;
    return if !grep { $_ eq $work{mode} } @{ $peer->{can} };
    return if $peer->{largest} && $work{size} > $peer->{largest};
    my $most = $peer->{most};
    $work{count} = $most if $most && $work{count} > $most;
    my $got
        = $peer->{client}
        ? $measure->(@{ $peer->{client} }, @work{qw(mode port count size recipients)},
        $work{ca} || ())
        : program($peer, $measure, %work);
    # A difference of two runs may be less than what can be told.
    my @told = grep { $got->{$_} > 0 } qw(wall cpu);
    return { count => $work{count}, map { $_ => $got->{$_} } @told };
}

sub program {
    my ($peer, $measure, %work) = @_;
    my $once = sub { $measure->("$tools/rusage", $peer->{program}->(%work, messages => $_[0])) };
    my %sum;
    if ($work{mode} eq 'keep') {
        my ($few, $many) = map { $once->($_) } 1, 1 + $work{count};
        return { map { $_ => $many->{$_} - $few->{$_} } qw(wall cpu) };
    }
    for (1 .. $work{count}) {
        my $got = $once->(1);
        $sum{$_} += $got->{$_} for qw(wall cpu);
    }
    return \%sum;
}

sub smtp_source {
    my %work = @_;
    return ('smtp-source', '-d', '-M', 'bench', '-f', FROM, '-t', TO,
        '-m', $work{messages}, '-l', $work{size}, '-r', $work{recipients},
        "127.0.0.1:$work{port}");
}

# A message in a file, for programs that read one.
sub letter {
    my $size = shift;
    my $file = "$tools/letter-$size";
    if (!-e $file) {
        my $text = "Subject: x\n\n" . ('x' x 70 . "\n") x ($size / 71);
        open my $out, '>', $file or die "$file: $!\n";
        print {$out} $text, 'x' x ($size - 1 - length $text), "\n";
        close $out or die "$file: $!\n";
    }
    return $file;
}

sub msmtp {
    my %work = @_;
    my $file = letter($work{size});
    return ('sh', '-c', 'exec "$@" <' . $file, 'sh', 'msmtp', '-C', '/dev/null',
        '--host=127.0.0.1', "--port=$work{port}", '--tls=off', '--auth=off',
        '--domain=bench', '--from=' . FROM, (TO) x $work{recipients});
}

# It takes equal recipients for one.
sub swaks {
    my %work = @_;
    my $file = letter($work{size});
    my @to   = map { "recipient$_\@example.com" } 1 .. $work{recipients};
    return ('swaks', '--server', "127.0.0.1:$work{port}", '--pipeline',
        '--helo', 'bench', '--from', FROM, '--to', join(',', @to),
        '--data', "\@$file", '--silent', 3);
}

1;
