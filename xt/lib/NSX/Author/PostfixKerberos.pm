package NSX::Author::PostfixKerberos;

# Postfix that takes GSSAPI, and a Kerberos realm of our own on loopback; see
# NSX::Author::Server.
#
#   $server->environment     # for whoever is to be our user, with a ticket
#   $server->get_ticket      # after which that is so

use strict;
use warnings;

use NSX::Author::Process;

use NSX::Author::Postfix;
use parent -norequire, 'NSX::Author::Postfix';

use constant REALM => 'NSX.TEST';

sub missing {
    my ($class) = @_;
    for my $command (qw(krb5kdc kdb5_util kadmin.local kinit)) {
        return "no $command command" if !$class->find_program($command);
    }
    return 'no GSSAPI module of Cyrus SASL' if !glob '/usr/lib/*/sasl2/libgssapiv2.so';
    return $class->SUPER::missing;
}

sub environment {
    my ($self) = @_;
    my $dir = "$self->{dir}/krb";
    return (
        KRB5_CONFIG      => "$dir/krb5.conf",
        KRB5_KDC_PROFILE => "$dir/kdc.conf",
        KRB5_KTNAME      => "$dir/keytab",
        KRB5CCNAME       => "$dir/tickets",
    );
}

sub configure {
    my ($self) = @_;
    my $dir = "$self->{dir}/krb";
    my $uid = (getpwnam 'postfix')[2];
    mkdir $dir or die "mkdir $dir: $!";
    $self->{kdc_port} = NSX::Author::Server::free_port();
    $self->spew('krb/krb5.conf', $self->krb5_conf);
    $self->spew('krb/kdc.conf',  $self->kdc_conf);
    local %ENV = (%ENV, $self->environment);
    run(qw(kdb5_util create -s -P master -r), REALM);
    run('kadmin.local', '-r', REALM, '-q', $_)
        for 'addprinc -pw ' . $self->password . ' ' . $self->user,
        'addprinc -randkey smtp/localhost', "ktadd -k $dir/keytab smtp/localhost";
    chown $uid, -1, "$dir/keytab";
    $self->{kdc} = NSX::Author::Process->start([$self->find_program('krb5kdc'), '-n', '-r', REALM],
        log => "$self->{dir}/output");
    $self->SUPER::configure;
}

sub run {
    my (@command) = @_;
    open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1 </dev/null', 'sh', @command
        or die "$command[0]: $!";
    my $said = join '', readline $out;
    close $out or die "@command: $said";
}

sub get_ticket {
    my ($self) = @_;
    local %ENV = (%ENV, $self->environment);
    my $until = time + $self->START_SECONDS;
    while (1) {
        open my $in, '|-', 'kinit ' . $self->user . ' >/dev/null 2>&1' or die "kinit: $!";
        print $in $self->password . "\n";
        return if close $in;
        die "kinit gets no ticket:\n", $self->log if time > $until;
        select undef, undef, undef, $self->TICK_SECONDS;
    }
}

sub krb5_conf {
    my ($self) = @_;
    return <<"END";
[libdefaults]
default_realm = @{[REALM]}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
@{[REALM]} = {
  kdc = 127.0.0.1:$self->{kdc_port}
}
[domain_realm]
localhost = @{[REALM]}
END
}

sub kdc_conf {
    my ($self) = @_;
    my $dir = "$self->{dir}/krb";
    return <<"END";
[realms]
@{[REALM]} = {
  database_name = $dir/principal
  key_stash_file = $dir/stash
  kdc_listen = 127.0.0.1:$self->{kdc_port}
  kdc_tcp_listen = 127.0.0.1:$self->{kdc_port}
}
[logging]
kdc = FILE:$dir/log
END
}

sub write_accounts {
    my ($self) = @_;
    $self->spew('conf/sasl/smtpd.conf', "mech_list: GSSAPI\n");
}

sub main_cf {
    my ($self) = @_;
    my $cf  = $self->SUPER::main_cf;
    my $dir = "$self->{dir}/krb";
    $cf =~ s/^myhostname = .*/myhostname = localhost/m;
    return $cf . "import_environment = MAIL_CONFIG KRB5_CONFIG=$dir/krb5.conf KRB5_KTNAME=$dir/keytab\n";
}

sub log {
    my ($self) = @_;
    my $log = "$self->{dir}/krb/log";
    return $self->SUPER::log . (-e $log ? NSX::Author::Server::slurp($log) : '');
}

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    $self->SUPER::stop;
    my $kdc = delete $self->{kdc} or return;
    $kdc->stop;
}

1;
