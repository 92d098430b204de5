package NSX::Author::Suite;

# Runs the test files of a foreign distribution with the core Net::SMTP and
# with Net::SMTP::XS in its place, and sets the counts side by side.
#
#   my $suite = NSX::Author::Suite->new(
#       blib    => 'blib',                  # none: the core module only
#       verbose => 1,                       # show what files at fault said
#       trust   => 'ca.pem',                # the authority tests believe in
#       accept  => [ [ qr/file/ => qr/reason/ ], ... ]);   # skips that may be
#   my $faults = $suite->compare($directory, lib => ['lib'], files => \@file);
#
# What tests can be given, they get: servers of mail, news and files on
# loopback through Net::Config, a domain name, an unprivileged user.  They run
# in a copy, so the directory stays as it is.  A file is at fault when it
# fails, when it counts differently with ours, or when it skips for a reason
# that nobody accepted.  An entry of "flaky" is run again before it is
# believed; one of "known" fails with stock too and need only be the same.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Find ();
use File::Temp ();
use POSIX ();
use TAP::Parser;

use NSX::Author::Scripted;
use NSX::Author::Sink;

use constant {
    FILE_SECONDS => 120,
    FLAKY_TRIES  => 20,
};

sub new {
    my ($class, %option) = @_;
    my $work = File::Temp->newdir('suite-XXXXXXXX', TMPDIR => 1);
    my $self = bless { %option, work => $work,
        mail => NSX::Author::Sink->start, others => NSX::Author::Scripted->start }, $class;
    chmod 0755, $work->dirname;
    $self->write_config("$work/config");
    $self->{side} = [ [ stock => {} ] ];
    push @{ $self->{side} }, [ ours => ours($option{blib}) ] if $option{blib};
    return $self;
}

sub ours {
    my ($blib) = @_;
    -e "$blib/arch/auto/Net/SMTP/XS/XS.so"
        or die "$blib has no built module: run make\n";
    $blib = abs_path($blib);
    return { opt => '-MNet::SMTP::XS=:replace', lib => [ map {"$blib/$_"} qw(lib arch) ] };
}

# Net::Config asks for Net::LocalCfg first and lets it have its way at import.
sub write_config {
    my ($self, $dir) = @_;
    my $smtp = '127.0.0.1:' . $self->{mail}->port('smtp');
    my ($nntp, $ftp) = map { '127.0.0.1:' . $self->{others}->port($_) } qw(nntp ftp);
    mkdir $dir and mkdir "$dir/Net" or die "mkdir: $!";
    open my $fh, '>', "$dir/Net/LocalCfg.pm" or die "LocalCfg.pm: $!";
    print $fh <<"END";
package Net::LocalCfg;
sub import {
    my \$config = \\%Net::Config::NetConfig;
    \@\$config{qw(smtp_hosts nntp_hosts ftp_testhost inet_domain test_hosts)}
        = (['$smtp'], ['$nntp'], '$ftp', 'libnet.example', 1);
    goto &Exporter::import;
}
1;
END
    close $fh or die "LocalCfg.pm: $!";
}

# Every .t under t/.
sub test_files {
    my ($dir) = @_;
    my @found;
    File::Find::find({ no_chdir => 1,
        wanted => sub { push @found, $_ if /\.t\z/ } }, "$dir/t");
    s{^\Q$dir\E/}{} for @found;
    return sort @found;
}

sub compare {
    my ($self, $dir, %option) = @_;
    my $copy = "$self->{work}/copy" . ++$self->{copies};
    system('cp', '-a', '--', $dir, $copy) == 0 or die "cannot copy $dir\n";
    system('chown', '-R', 'nobody', $copy) if $> == 0;
    my $faulty = 0;
    for my $file (@{ $option{files} || [ test_files($copy) ] }) {
        my ($result, $fault) = $self->compare_file($copy, $file, \%option);
        $faulty++ if @$fault;
        printf "  %-28s %s%s\n", $file,
            join(' ', map { sprintf '%-34s', $_->{text} } @$result),
            @$fault ? "<-- @$fault" : '';
        $self->show($file, $result) if @$fault && $self->{verbose};
    }
    return $faulty;
}

sub compare_file {
    my ($self, $copy, $file, $option) = @_;
    my $tries  = grep({ $_ eq $file } @{ $option->{flaky} || [] }) ? FLAKY_TRIES : 1;
    my @result = map { $self->run_until_passed($copy, $file, $_->[1], $option, $tries) }
        @{ $self->{side} };
    return (\@result, [ $self->faults($file, $option, @result) ]);
}

sub run_until_passed {
    my ($self, $copy, $file, $how, $option, $tries) = @_;
    my $result;
    while ($tries-- > 0) {
        $result = $self->run_file($copy, $file, $how, $option);
        last if !$result->{failed} && !@{ $result->{skip} };
    }
    return $result;
}

# One test file in a child of its own: counts, and all it said.
sub run_file {
    my ($self, $copy, $file, $how, $option) = @_;
    my $pid = open my $out, '-|';
    defined $pid or die "fork: $!";
    $self->become_test($copy, $file, $how, $option) if !$pid;
    my $said = join '', <$out>;
    close $out;
    return { count($said, $?), said => $said };
}

sub become_test {
    my ($self, $copy, $file, $how, $option) = @_;
    open STDERR, '>&', \*STDOUT;
    chdir $copy or die "$copy: $!";
    unprivileged() if $> == 0;
    delete @ENV{qw(PERL5OPT PERL5LIB HARNESS_ACTIVE)};
    @ENV{qw(HOME PERL_USE_UNSAFE_INC)} = ($copy, 1);
    $ENV{SSL_CERT_FILE} = $self->{trust} if $self->{trust};
    my @lib = ("$self->{work}/config", map({"$copy/$_"} @{ $option->{lib} || ['lib'] }),
        @{ $how->{lib} || [] });
    my @switch;
    if (is_tainted($file)) {    # perl obeys neither variable then
        @switch = ('-T', map({"-I$_"} @lib), $how->{opt} || ());
    }
    else {
        $ENV{PERL5LIB} = join ':', @lib;
        $ENV{PERL5OPT} = $how->{opt} if $how->{opt};
    }
    { no warnings 'exec'; exec 'timeout', '-k', 5, FILE_SECONDS, $^X, @switch, $file }
    POSIX::_exit(127);
}

sub is_tainted {
    my ($file) = @_;
    open my $fh, '<', $file or return 0;
    return scalar readline($fh) =~ /^#!.*perl.*\s-\w*T/;
}

sub unprivileged {
    my ($uid, $gid) = (getpwnam 'nobody')[ 2, 3 ];
    $) = "$gid $gid";
    POSIX::setgid($gid);
    POSIX::setuid($uid);
    die "still root" if $> == 0;
}

sub count {
    my ($said, $status) = @_;
    my $parser = TAP::Parser->new({ tap => $said });
    my @skip;
    while (my $result = $parser->next) {
        push @skip, $result->explanation if $result->is_test && $result->has_skip;
    }
    my $all    = $parser->skip_all;
    my $failed = $parser->failed + ($status ? 1 : 0);
    my $passed = $parser->passed - @skip;
    my $text = defined $all ? "skipped: $all"
        : sprintf '%d ok, %d failed, %d skipped', $passed, $failed, scalar @skip;
    $text .= ", exit $status" if $status;
    $text .= ', bad plan' if $parser->parse_errors && !$failed;
    return (text => $text, failed => $failed || scalar $parser->parse_errors,
        skip => [ defined $all ? $all : (), @skip ]);
}

sub faults {
    my ($self, $file, $option, @result) = @_;
    my $known = grep { $_ eq $file } @{ $option->{known} || [] };
    my @skip  = grep { !$self->accepted($file, $_) } map { @{ $_->{skip} } } @result;
    my @fault;
    push @fault, 'fails'   if !$known && grep { $_->{failed} } @result;
    push @fault, 'skips'   if @skip;
    push @fault, 'differs' if @result > 1 && $result[0]{text} ne $result[1]{text};
    return @fault;
}

sub accepted {
    my ($self, $file, $reason) = @_;
    return grep { $file =~ $_->[0] && $reason =~ $_->[1] } @{ $self->{accept} || [] };
}

sub show {
    my ($self, $file, $result) = @_;
    for my $index (0 .. $#$result) {
        my $one = $result->[$index];
        next if !$one->{failed} && !@{ $one->{skip} };
        (my $said = $one->{said}) =~ s/^/    /mg;
        print "  $file with $self->{side}[$index][0]:\n$said\n";
    }
}

1;
