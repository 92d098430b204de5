# The manual pages' examples do what the pages say.
#
#   =for example run [smtp] [delivers=N]    a program; smtp: with a connected $smtp,
#                                           delivers: that many messages arrive
#   =for example compile                    what needs more than a loopback server
#   =for example shell                      "$ command" and, below it, what it prints
#   =for example loop                       what needs an event loop: for xt/operation-loops.t
#   =for example minion                     what needs Minion: for xt/minion.t
#   =for example end
#
# mail.example.com is a server of ours. Where an example uses them, $header, $body,
# @lines and $password exist. A warning, or anything on STDERR, is a failure.
use strict;
use warnings;
use lib 't/lib';

use Cwd ();
use File::Find ();
use File::Temp ();
use NSX::Test::Server;
use Test::More;

use constant LIMIT => 30;    # seconds for one example

my @extensions = qw(8BITMIME BINARYMIME CHUNKING DSN ETRN SMTPUTF8);
my @inc = map { '-I' . Cwd::abs_path($_) } grep { !ref && -d } @INC;
my $dir = File::Temp->newdir;

my @pages;
File::Find::find(
    { no_chdir => 1, wanted => sub { push @pages, $_ if /\.pod\z/ } }, 'lib');

sub examples {
    my $file = shift;
    open my $fh, '<', $file or die "$file: $!";
    my (@found, $open);
    while (my $line = <$fh>) {
        if ($line =~ /^=for example end\b/) {
            die "$file line $.: nothing to end" if !$open;
            push @found, $open;
            undef $open;
        }
        elsif ($line =~ /^=for example (\w+)(.*)/) {
            die "$file line $.: example in an example" if $open;
            $open = { kind => $1, file => $file, line => $. + 2, code => '' };
            for my $word (split ' ', $2) {
                my ($key, $value) = split /=/, $word;
                $open->{$key} = defined $value ? $value : 1;
            }
        }
        elsif ($open && $line =~ /^(?:    (.*)|\s*)$/) {
            $open->{code} .= (defined $1 ? $1 : '') . "\n";
        }
    }
    die "$file: an example without an end" if $open;
    return @found;
}

sub name_of { "$_[0]{file} line $_[0]{line}" }

sub program {
    my ($example, $server) = @_;
    my $connect = $example->{smtp}
        ? q{my $smtp = Net::SMTP::XS->new('mail.example.com', Timeout => 10) or die $@;}
        : '';
    my $text = <<"END" . $example->{code} . "\n;1;\n";
use strict;
use warnings;
use Net::SMTP::XS;
my \$header   = "From: alice\\\@example.com\\nSubject: x\\n";
my \$body     = "Hello.\\n";
my \@lines    = ('one', '.', 'three');
my \$password = 'secret';
$connect
# line $example->{line} "$example->{file}"
END
    return addressed($text, $server);
}

sub addressed {
    my ($text, $server) = @_;
    my $address = $server->host . ':' . $server->port;
    $text =~ s/\bmail\.example\.com\b/$address/g;
    return $text;
}

# Exit status, what was printed, what was said on STDERR.
sub run_shell {
    my $command = shift;
    my $errors = "$dir/errors";
    my $pid = open my $out, '-|';
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDERR, '>', $errors or die "$errors: $!";
        alarm LIMIT;
        exec @$command or die "exec: $!";
    }
    my $printed = join '', <$out>;
    close $out;
    my $status = $?;
    open my $err, '<', $errors or die "$errors: $!";
    return ($status, $printed, join '', <$err>);
}

sub try_program {
    my ($example, @flags) = @_;
    my $server = NSX::Test::Server->start(smtp => { extensions => ['SIZE 1000000', @extensions] });
    my $file = "$dir/example.pl";
    open my $fh, '>', $file or die "$file: $!";
    print $fh program($example, $server);
    close $fh or die "$file: $!";
    my ($status, undef, $errors) = run_shell([ $^X, @inc, @flags, $file ]);
    my $log = $server->finish;
    $errors =~ s/^\Q$file\E syntax OK\n//m;
    is "$status $errors", '0 ', name_of($example);
    is scalar @{ $log->{messages} }, $example->{delivers}, name_of($example) . ': messages delivered'
        if defined $example->{delivers};
    return;
}

sub try_shell {
    my $example = shift;
    my $perl = join ' ', map { "'" . s/'/'\\''/gr . "'" } $^X, @inc;
    my $server = NSX::Test::Server->start(smtp => {});
    my $text = addressed($example->{code}, $server);
    while ($text =~ /^\$ (.*(?:(?<=\\)\n.*)*)\n((?:(?!\$ ).*\n)*)/mg) {
        my ($command, $expected) = ($1, $2);
        $command =~ s/(?<!\S)perl(?= )/$perl/g;
        $expected =~ s/\n+\z//;
        my ($status, $printed, $errors) = run_shell([ 'sh', '-c', $command ]);
        $printed =~ s/\n+\z//;
        is "$status $errors", '0 ', name_of($example);
        is $printed, $expected, name_of($example) . ': what it prints';
    }
    $server->finish;
    return;
}

my %try = (
    run     => \&try_program,
    compile => sub { try_program(@_, '-c') },
    loop    => sub { },
    minion  => sub { },
    shell   => \&try_shell,
);
for my $example (map { examples($_) } sort @pages) {
    my $how = $try{ $example->{kind} } or die name_of($example) . ": $example->{kind}?";
    $how->($example);
}
done_testing;
