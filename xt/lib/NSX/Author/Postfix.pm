package NSX::Author::Postfix;

# Postfix with a configuration of its own; see NSX::Author::Server.
# One more port: smtps-open, TLS from the first octet without AUTH.
# Nothing of the system's Postfix is read, written or disturbed.

use strict;
use warnings;

use parent 'NSX::Author::Server';

sub missing {
    my ($class) = @_;
    return 'Postfix is started by root only' if $> != 0;
    return 'no postfix command'     if !$class->find_program('postfix');
    return 'no openssl command'     if !$class->find_program('openssl');
    return 'no saslpasswd2 command' if !$class->find_program('saslpasswd2');
    return;
}

sub services { $_[0]->SUPER::services, 'smtps-open' }

sub configure {
    my ($self) = @_;
    my $dir = $self->{dir};
    # Debian looks for smtpd.conf here whatever cyrus_sasl_config_path says.
    for my $name (qw(conf queue data conf/sasl)) {
        mkdir "$dir/$name" or die "mkdir $dir/$name: $!";
    }
    my ($uid, $gid) = (getpwnam 'postfix')[ 2, 3 ];
    chown $uid, $gid, "$dir/data";
    $self->write_deliver_script;
    $self->write_accounts($uid, $gid);
    $self->spew('conf/main.cf',   $self->main_cf);
    $self->spew('conf/master.cf', $self->master_cf);
}

# The master program itself: under the postfix command it would be a process
# further away, out of reach of a signal.
sub command {
    my ($self) = @_;
    my $conf    = "$self->{dir}/conf";
    my $postfix = $self->find_program('postfix');
    my $said    = qx('$postfix' -c '$conf' check 2>&1);
    die "postfix check: $said" if $?;
    chomp(my $where = qx(postconf -c '$conf' -h daemon_directory));
    return ("$where/master", '-s', '-c', $conf);
}

sub own_session { 1 }

sub write_accounts {
    my ($self, $uid, $gid) = @_;
    my $dir = $self->{dir};
    $self->spew('conf/sasl/smtpd.conf', <<"END");
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: $dir/conf/sasl/db
mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256
END
    open my $in, '|-', 'saslpasswd2', '-c', '-p', '-f', "$dir/conf/sasl/db",
        '-u', $self->realm, $self->user
        or die "saslpasswd2: $!";
    print $in $self->password;
    close $in or die "saslpasswd2 failed";
    chown $uid, $gid, "$dir/conf/sasl/db";
}

# Waits until all that was accepted is delivered or put off.
sub settle {
    my ($self) = @_;
    my $until = time + $self->MAIL_SECONDS;
    while (time <= $until) {
        my @waiting = glob "$self->{dir}/queue/{incoming,active,maildrop}/?*";
        return if !@waiting;
        select undef, undef, undef, $self->TICK_SECONDS;
    }
}

# Headers and body leave as they came: no rewriting, nothing added but the
# Received field in front, no MIME parsing, no field dropped.
sub main_cf {
    my ($self) = @_;
    my $dir    = $self->{dir};
    my $domain = $self->DOMAIN;
    return <<"END";
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
maillog_file = $dir/log
maillog_file_prefixes = $dir
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = server.$domain
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = $domain
relay_transport = deliver
relay_recipient_maps =
default_transport = deliver
alias_maps =
alias_database =
biff = no
local_header_rewrite_clients =
message_drop_headers =
append_dot_mydomain = no
disable_mime_input_processing = yes
cleanup_replace_stray_cr_lf = no
message_size_limit = 0
mailbox_size_limit = 0
header_size_limit = 1048576
in_flow_delay = 0
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
  check_recipient_access inline:{ {refused\@$domain = REJECT no such bird} }
smtpd_forbid_bare_newline = reject
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = $dir/conf/sasl
smtpd_sasl_local_domain = @{[ $self->realm ]}
smtpd_sasl_security_options = noanonymous
smtpd_tls_CAfile = $self->{certificate}{ca}
smtpd_tls_cert_file = $self->{certificate}{cert}
smtpd_tls_key_file = $self->{certificate}{key}
smtpd_tls_security_level = none
deliver_destination_concurrency_limit = 4
deliver_destination_recipient_limit = 1
END
}

sub master_cf {
    my ($self) = @_;
    my $port   = $self->{port};
    my $dir    = $self->{dir};
    my $must_auth = '-o smtpd_sasl_auth_enable=yes'
        . ' -o smtpd_relay_restrictions=permit_sasl_authenticated,reject';
    return <<"END";
127.0.0.1:$port->{smtp} inet n - n - - smtpd
127.0.0.1:$port->{lenient} inet n - n - - smtpd -o smtpd_forbid_bare_newline=no
127.0.0.1:$port->{auth} inet n - n - - smtpd $must_auth
127.0.0.1:$port->{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt $must_auth
127.0.0.1:$port->{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes $must_auth
127.0.0.1:$port->{'smtps-open'} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup    unix  n - n 60   1 pickup
cleanup   unix  n - n -    0 cleanup
qmgr      unix  n - n 300  1 qmgr
tlsmgr    unix  - - n 1000 1 tlsmgr
rewrite   unix  - - n -    - trivial-rewrite
bounce    unix  - - n -    0 bounce
defer     unix  - - n -    0 bounce
trace     unix  - - n -    0 bounce
verify    unix  - - n -    1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -    - proxymap
error     unix  - - n -    - error
retry     unix  - - n -    - error
discard   unix  - - n -    - discard
anvil     unix  - - n -    1 anvil
scache    unix  - - n -    1 scache
postlog   unix-dgram n - n - 1 postlogd
deliver   unix  - n n -    - pipe
  user=nobody argv=$dir/deliver \${user} \${sender} \${recipient}
END
}

1;
