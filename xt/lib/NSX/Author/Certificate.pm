package NSX::Author::Certificate;

# An authority of our own and one server certificate from it, made with the
# openssl command for the names localhost and 127.0.0.1, and for others given.
#
#   my $certificate = NSX::Author::Certificate->make($directory, @name);
#   $certificate->{ca}      # file names, all PEM
#   $certificate->{cert}
#   $certificate->{key}

use strict;
use warnings;

use constant DAYS => 2;

sub make {
    my ($class, $dir, @name) = @_;
    my %file = map { $_ => "$dir/$_.pem" } qw(ca ca-key cert key request names);
    my @ec = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch);
    openssl(qw(req -x509), @ec, '-subj' => '/CN=Test authority', '-days' => DAYS,
        '-keyout' => $file{'ca-key'}, '-out' => $file{ca});
    openssl('req', @ec, '-subj' => '/CN=localhost',
        '-keyout' => $file{key}, '-out' => $file{request});
    write_names($file{names}, @name);
    openssl(qw(x509 -req), '-in' => $file{request}, '-days' => DAYS,
        '-CA' => $file{ca}, '-CAkey' => $file{'ca-key'}, '-CAcreateserial',
        '-extfile' => $file{names}, '-out' => $file{cert});
    return bless { map { $_ => $file{$_} } qw(ca cert key) }, $class;
}

sub write_names {
    my ($file, @name) = @_;
    open my $fh, '>', $file or die "$file: $!";
    print $fh 'subjectAltName = ',
        join(', ', map({"DNS:$_"} 'localhost', @name), 'IP:127.0.0.1'), "\n";
    close $fh or die "$file: $!";
}

sub openssl {
    my @argument = @_;
    open my $out, '-|', 'sh', '-c', 'exec openssl "$@" 2>&1', 'sh', @argument
        or die "cannot run openssl: $!";
    my $said = join '', <$out>;
    close $out or die "openssl @argument: $said";
}

1;
