package NSX::Author::Exim;

# Exim with a configuration of its own; see NSX::Author::Server.  On its port
# smtp it takes any mail and delivers it; on the others it takes mail from those
# who log in and delivers none.  AUTH on every port, EXTERNAL by a client
# certificate of our authority.

use strict;
use warnings;

use NSX::Author::Cell;

use parent 'NSX::Author::Server';

my @packages = qw(exim4-daemon-heavy exim4-base libmariadb3 libidn12 libspf2-2 libpq5
    libnsl2 libldap-2.5-0);

sub missing  { NSX::Author::Cell->missing(@packages) }
sub services { qw(smtp auth submission smtps) }

sub configure {
    my ($self) = @_;
    mkdir "$self->{dir}/spool" or die "spool: $!";
    chmod 0777, "$self->{dir}/spool";
    chmod 0644, $self->{certificate}{key};
    $self->write_exim_script($self->write_deliver_script);
    $self->spew('exim.conf', $self->exim_conf);
}

# Exim puts nothing that came from outside into a command, but into its
# environment.
sub write_exim_script {
    my ($self, $deliver) = @_;
    $self->spew('exim-deliver', <<"END");
#!/bin/sh
exec $deliver "\$LOCAL_PART" "\$SENDER" "\$LOCAL_PART\@\$DOMAIN"
END
    chmod 0755, "$self->{dir}/exim-deliver";
}

sub command {
    my ($self) = @_;
    return NSX::Author::Cell->command(
        dir      => $self->{dir},
        packages => \@packages,
        users    => ['Debian-exim'],
        run      => ['/usr/sbin/exim4', '-C', "$self->{dir}/exim.conf", '-bdf'],
    );
}

sub exim_conf {
    my ($self) = @_;
    my ($dir, $port, $tls) = @$self{qw(dir port certificate)};
    my ($user, $password) = ($self->user, $self->password);
    return <<"END";
primary_hostname = server.@{[ $self->DOMAIN ]}
local_interfaces = 127.0.0.1
daemon_smtp_ports = $port->{smtp} : $port->{auth} : $port->{submission} : $port->{smtps}
tls_on_connect_ports = $port->{smtps}
spool_directory = $dir/spool
log_file_path = $dir/spool/%slog
auth_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = $tls->{cert}
tls_privatekey = $tls->{key}
tls_verify_certificates = $tls->{ca}
tls_try_verify_hosts = *
keep_environment =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = check
smtp_accept_queue_per_connection = 0
smtp_accept_max_nonmail = 1000
message_logs = false

begin acl
check:
  deny local_parts = refused
       message = no such mailbox
  accept condition = \${if eq{\$received_port}{$port->{smtp}}}
  accept authenticated = *
  deny message = log in first

begin routers
mailbox:
  driver = accept
  condition = \${if eq{\$received_port}{$port->{smtp}}}
  transport = deliver
nowhere:
  driver = redirect
  data = :blackhole:

begin transports
deliver:
  driver = pipe
  command = $dir/exim-deliver
  user = Debian-exim
  message_prefix =
  message_suffix =

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = \${if and{{eq{\$auth2}{$user}}{eq{\$auth3}{$password}}}}
  server_set_id = \$auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{\$auth1}{$user}}{eq{\$auth2}{$password}}}}
  server_set_id = \$auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = \${if eq{\$auth1}{$user}{$password}fail}
  server_set_id = \$auth1
external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = \${if eq{\$tls_in_certificate_verified}{1}}
  server_condition = \${if eq{\$auth1}{$user}}
  server_set_id = \$auth1
END
}

sub log {
    my ($self) = @_;
    return join '', map { NSX::Author::Server::slurp($_) }
        grep {-e} "$self->{dir}/output", glob "$self->{dir}/spool/*log";
}

1;
