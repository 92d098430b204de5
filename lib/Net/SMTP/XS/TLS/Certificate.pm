package Net::SMTP::XS::TLS::Certificate;

# A certificate: subject, issuer, common_name, alt_names, serial, validity,
# der, pem, dump, fingerprint.  The getters are XSUBs.

use 5.014;
use strict;
use warnings;

use Carp         ();
use Scalar::Util ();

our @CARP_NOT = qw(Net::SMTP::XS::TLS);

# Net::SSLeay's functions take a number for a pointer: they must not get one.
use overload
    'bool' => sub { 1 },
    '""'   => sub { overload::StrVal($_[0]) },
    '=='   => sub { _same(@_) },
    'eq'   => sub { _same(@_) },
    '!='   => sub { !_same(@_) },
    'ne'   => sub { !_same(@_) },
    '0+'   => sub {
    Carp::croak(
        'a certificate of Net::SMTP::XS is no handle of ' . 'Net::SSLeay: ask it for pem or der');
    },
    fallback => 1;

sub _same {
    my ($one, $other) = @_;
    return
           Scalar::Util::blessed($other)
        && $other->isa(__PACKAGE__)
        && $one->der eq $other->der;
}

# The fields IO::Socket::SSL's peer_certificate knows.
my %field = (
    subject         => \&subject,
    owner           => \&subject,
    issuer          => \&issuer,
    authority       => \&issuer,
    commonName      => \&common_name,
    cn              => \&common_name,
    subjectAltNames => \&alt_names,
);

sub field {
    my ($cert, $name, $method) = @_;
    my $getter = $field{$name}
        or Carp::croak("invalid argument for $method, valid are: " . join ' ', sort keys %field);
    return $cert->$getter;
}

sub fingerprint {
    my ($cert, $digest, $of_key) = @_;
    $digest ||= 'sha256';
    my $octets = $cert->fingerprint_bin($digest, $of_key ? 1 : 0);
    return if !defined $octets;
    return $digest . '$' . ($of_key ? 'pub$' : '') . unpack 'H*', $octets;
}

1;
