package NSX::Author::Ecosystem;

# Runs a program that uses Net::SMTP twice against one Postfix, with the core
# module and with Net::SMTP::XS in its place, and compares what came of it:
# exit status, output, envelope, and each delivered octet.
#
#   my $users = NSX::Author::Ecosystem->new(
#       'MIME::Lite' => 'libmime-lite-perl');    # skips the file without it
#   $users->perl('plain', smtp => 'the program, given @_ as below');
#   $users->command('smtps', smtps => sub { my ($set) = @_; return @argv });
#   $users->done;
#
# A program finds in its environment NSX_HOST, NSX_PORT, NSX_FROM, NSX_TO,
# NSX_USER, NSX_PASSWORD, NSX_CA and the file NSX_BODY; a Perl program, as
# $host, $port, $from, $to, $user, $password, $ca and the octets $body.  It
# runs once for each sample body.  Only fields that hold the time, a random
# number or the module's version are left out of the comparison.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();
use POSIX ();
use Test::More;

use NSX::Author::Postfix;

use constant {
    RUN_SECONDS  => 60,
    SHOWN_OCTETS => 2000,     # of the first difference
    SENDER       => 'robin@sender.example',
    MAILBOX      => 'case',
};

# NSX_SWITCHES='-MNet::SMTP -MNet::SMTP::XS=:replace' has the core module loaded
# before ours takes its place.
my $our_switches = $ENV{NSX_SWITCHES} || '-MNet::SMTP::XS=:replace';

my $lib  = dirname(dirname(dirname(abs_path(__FILE__))));
my $root = dirname(dirname($lib));
my @sample = map {"$root/xt/samples/$_.eml"}
    qw(plain dots eight-bit no-final-newline-dot dots-crlf);

my $prelude = <<'END';
use strict; use warnings;
my ($host, $port, $from, $to, $user, $password, $ca) =
    @ENV{map {"NSX_$_"} qw(HOST PORT FROM TO USER PASSWORD CA)};
my $body = do { open my $fh, '<:raw', $ENV{NSX_BODY} or die $!; local $/; <$fh> };
#line 1 program
END

sub new {
    my ($class, %needed) = @_;
    my $missing = NSX::Author::Postfix->missing;
    plan skip_all => $missing if $missing;
    for my $what (sort keys %needed) {
        my $there = $what =~ m{/} ? -e $what
            : system($^X, "-M$what", '-e1') == 0;
        plan skip_all => "no $what (Debian package $needed{$what})" if !$there;
    }
    my $blib = $ENV{NSX_BLIB} || "$root/blib";
    -e "$blib/arch/auto/Net/SMTP/XS/XS.so" || $ENV{NSX_STOCK}
        or BAIL_OUT("no built module in $blib: run make");
    my $work = File::Temp->newdir('nsx-user-XXXXXXXX', TMPDIR => 1);
    my $self = bless { work => $work, blib => $blib,
        server => NSX::Author::Postfix->start }, $class;
    $self->{bodies} = [ map { $self->body_file($_) } @sample ];
    return $self;
}

# The sides to compare: NSX_STOCK=1 leaves only the core module.
sub sides { $ENV{NSX_STOCK} ? qw(stock) : qw(stock ours) }

sub server { $_[0]{server} }
sub work   { $_[0]{work}->dirname }
sub done   { done_testing }

sub body_file {
    my ($self, $sample) = @_;
    my ($name) = $sample =~ m{([^/]+)\.eml\z};
    my ($body) = NSX::Author::Server::slurp($sample) =~ /\r?\n\r?\n(.*)/s;
    $self->spew("body-$name", $body);
    return $self->work . "/body-$name";
}

sub spew {
    my ($self, $name, $text) = @_;
    open my $fh, '>:raw', $self->work . "/$name" or die "$name: $!";
    print $fh $text;
    close $fh or die "$name: $!";
    return $self->work . "/$name";
}

sub perl {
    my ($self, $name, $port, $code, %option) = @_;
    (my $text = $prelude) =~ s/^#line 1 program$/# line 1 "program"/m;
    my $file = $self->spew('program.pl', $text . $code);
    return $self->command($name, $port, sub { ($^X, $file) }, %option);
}

# One test: the command, run for each body on each side, told by $make which
# argv to use.  Options: mailbox (where the mail ends up), fails (the program
# is to fail, on both sides alike), stock_port (where the core module's side
# goes instead; the program sees its name in NSX_PORT_NAME).
sub command {
    my ($self, $name, $port, $make, %option) = @_;
    my @wrong;
    for my $body (@{ $self->{bodies} }) {
        my %came = map { $_ => $self->run($_, $port, $body, $make, \%option) } $self->sides;
        my ($label) = $body =~ /body-(.*)/;
        push @wrong, map {"$label: $_"} judge(\%came, \%option);
    }
    ok !@wrong, "$name: the same with both"
        or diag map { "  " . substr($_, 0, SHOWN_OCTETS) . "\n" } $wrong[0],
        @wrong > 1 ? "and $#wrong more" : ();
    return !@wrong;
}

sub run {
    my ($self, $side, $port, $body, $make, $option) = @_;
    $port = $option->{stock_port} if $side eq 'stock' && $option->{stock_port};
    my $work    = $self->work;
    my $server  = $self->server;
    my $mailbox = $option->{mailbox} || MAILBOX;
    $server->forget($mailbox);
    unlink "$work/witness";
    local %ENV = (%ENV, $self->environment($side, $port, $body));
    my @argv = $make->(\%ENV);
    my $pid  = fork;
    defined $pid or die "fork: $!";
    if (!$pid) {
        open STDIN,  '<', $body;
        open STDOUT, '>', "$work/stdout";
        open STDERR, '>', "$work/stderr";
        chdir $work;
        { no warnings 'exec'; exec 'timeout', RUN_SECONDS, @argv }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $status = $?;
    $server->settle;
    my @mail = $server->delivered($mailbox, 0);
    return { status => $status, stdout => said($work, 'stdout'),
        stderr => said($work, 'stderr'), mail => \@mail, witness => witness($work) };
}

sub environment {
    my ($self, $side, $port, $body) = @_;
    my $server = $self->server;
    my $ours   = $side eq 'ours';
    return (
        NSX_HOST => 'localhost', NSX_PORT => $server->port($port), NSX_PORT_NAME => $port,
        NSX_FROM => SENDER, NSX_TO => $server->address(MAILBOX),
        NSX_USER => $server->user, NSX_PASSWORD => $server->password,
        NSX_CA => $server->ca_file, NSX_BODY => $body,
        NSX_WITNESS => $self->work . '/witness',
        SSL_CERT_FILE => $server->ca_file, HOME => $self->work, LC_ALL => 'C',
        PERL_HASH_SEED => 0, PERL_PERTURB_KEYS => 0,
        PERL5LIB => join(':', $lib, $ours ? map {"$self->{blib}/$_"} qw(lib arch) : ()),
        PERL5OPT => join(' ', '-MNSX::Author::Witness', $ours ? $our_switches : ()),
    );
}

# What a program said, without what differs from run to run.
sub said {
    my ($work, $name) = @_;
    my $text = NSX::Author::Server::slurp("$work/$name");
    $text = '' if !defined $text;
    $text =~ s/\(0x[0-9a-f]+\)/(0x)/g;
    $text =~ s{\b(Net::(?:SMTP|Cmd))\([\d.]+\)}{$1(X)}g;
    $text =~ s/queued as \w+/queued as X/g;
    $text =~ s/\b\d+( seconds|s;)/N$1/g;
    return steady($text);
}

sub witness {
    my ($work) = @_;
    return '' if !-e "$work/witness";
    return NSX::Author::Server::slurp("$work/witness");
}

sub steady {
    my ($octets) = @_;
    $octets =~ s/^((?:\S+>>> )?(?:Resent-)?(?:Date|Message-ID)):.*/$1: X/mgi;
    $octets =~ s/(Net::SMTP\[v)[\d.]+/${1}X/g;
    my %boundary;
    $boundary{$1} ||= 'boundary-' . (1 + keys %boundary)
        while $octets =~ /boundary="?([^"\s;]+)/g;
    $octets =~ s/\Q$_\E/$boundary{$_}/g for keys %boundary;
    return $octets;
}

sub judge {
    my ($came, $option) = @_;
    my @wrong;
    for my $side (sort keys %$came) {
        my $run = $came->{$side};
        push @wrong, "$side: exit status $run->{status}: $run->{stderr}$run->{stdout}"
            if !$run->{status} != !$option->{fails};
        push @wrong, "$side: nothing delivered: $run->{stderr}"
            if !@{ $run->{mail} } && !$option->{fails};
        push @wrong, "$side: the program had another Net::SMTP: $run->{witness}"
            if $run->{witness} !~ /\b$side\b/;
    }
    my ($stock, $ours) = @$came{qw(stock ours)};
    return @wrong if @wrong || !$ours;
    for my $what (qw(status stdout stderr)) {
        push @wrong, "$what differs:\n    stock: $stock->{$what}\n    ours: $ours->{$what}"
            if !same_said($stock->{$what}, $ours->{$what});
    }
    return (@wrong, mail_differs($stock->{mail}, $ours->{mail}));
}

# The same but for a place inside the core modules' own text, which a program
# in C cannot be at.
sub same_said {
    my ($stock, $ours) = @_;
    my $pattern = quotemeta $stock;
    $pattern =~ s{at\\ [\w\\./]+Net\\/(?:SMTP|Cmd)\\.pm\\ line\\ \d+}{at\\ \\S+\\ line\\ \\d+}g;
    return $ours =~ /\A$pattern\z/;
}

sub mail_differs {
    my ($stock, $ours) = @_;
    return sprintf 'delivered %d times with stock, %d with ours', map { scalar @$_ } $stock, $ours
        if @$stock != @$ours;
    my @wrong;
    for my $index (0 .. $#$stock) {
        for my $what (qw(from to octets)) {
            my ($want, $got) = map { steady($_->[$index]{$what}) } $stock, $ours;
            push @wrong, "$what differs:\n    stock: $want\n    ours: $got" if $want ne $got;
        }
    }
    return @wrong;
}

1;
