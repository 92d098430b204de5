package NSX::Author::OpenSMTPD;

# OpenSMTPD with a configuration of its own; see NSX::Author::Server.  On its
# port smtp it takes any mail and delivers it; on the others it takes mail from
# those who log in and delivers none.  It offers AUTH under TLS only.

use strict;
use warnings;

use NSX::Author::Cell;

use parent 'NSX::Author::Server';

# That of Debian 12 cannot do TLS with its OpenSSL 3.0.
my @packages = qw(opensmtpd/bullseye libssl1.1/bullseye libevent-2.1-7);

sub missing  { NSX::Author::Cell->missing(@packages) }
sub services { qw(smtp submission smtps) }

sub configure {
    my ($self) = @_;
    $self->make_rsa_certificate;
    $self->write_deliver_script;
    $self->spew('creds', $self->user . "\t" . crypt($self->password, '$6$hedgerow$') . "\n");
    $self->spew('smtpd.conf', $self->smtpd_conf);
}

# Debian's OpenSMTPD cannot use an EC key.
sub make_rsa_certificate {
    my ($self) = @_;
    my ($dir, $tls) = @$self{qw(dir certificate)};
    my $openssl = \&NSX::Author::Certificate::openssl;
    $openssl->(qw(req -newkey rsa:2048 -nodes -batch -subj /CN=localhost),
        '-keyout' => $tls->{key}, '-out' => "$dir/rsa-request.pem");
    $openssl->(qw(x509 -req -days 2), '-in' => "$dir/rsa-request.pem", '-CA' => $tls->{ca},
        '-CAkey' => "$dir/ca-key.pem", '-CAcreateserial', '-extfile' => "$dir/names.pem",
        '-out' => $tls->{cert});
    chmod 0600, $tls->{key};
}

sub command {
    my ($self) = @_;
    return NSX::Author::Cell->command(
        dir      => $self->{dir},
        packages => \@packages,
        users    => [qw(opensmtpd opensmtpq)],
        run      => ['/bin/sh', '-c', 'mkdir -p /var/lib/opensmtpd/empty && exec "$@"', 'sh',
            '/usr/sbin/smtpd', '-d', '-f', "$self->{dir}/smtpd.conf"],
    );
}

sub smtpd_conf {
    my ($self) = @_;
    my ($dir, $port, $tls) = @$self{qw(dir port certificate)};
    my $name = 'server.' . $self->DOMAIN;
    return <<"END";
smtp limit max-mails 1000
pki server cert "$tls->{cert}"
pki server key "$tls->{key}"
table creds file:$dir/creds
table mailboxes { "refused" = "error:550 no such mailbox", "@" = nobody }
listen on 127.0.0.1 port $port->{smtp} hostname $name
listen on 127.0.0.1 port $port->{submission} tls pki server auth <creds> hostname $name
listen on 127.0.0.1 port $port->{smtps} smtps pki server auth <creds> hostname $name
action "deliver" mda "$dir/deliver %{rcpt.user} %{sender} %{rcpt}" virtual <mailboxes>
action "nowhere" relay host smtp://127.0.0.1:9
match from any for domain "@{[ $self->DOMAIN ]}" action "deliver"
match auth from any for any action "nowhere"
END
}

1;
