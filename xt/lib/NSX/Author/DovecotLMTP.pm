package NSX::Author::DovecotLMTP;

# Dovecot's LMTP with a configuration of its own; see NSX::Author::Server.  It
# listens on a port, lmtp, and on the socket that path() names, and delivers
# into a maildir for each mailbox; any mailbox exists.

use strict;
use warnings;

use parent 'NSX::Author::Server';

sub missing {
    my ($class) = @_;
    return 'Dovecot is started by root only' if $> != 0;
    return 'no dovecot command' if !$class->find_program('dovecot');
    return 'no openssl command' if !$class->find_program('openssl');
    return 'no LMTP in this Dovecot (dovecot-lmtpd)' if !-x '/usr/lib/dovecot/lmtp';
    return;
}

sub services { qw(lmtp) }
sub path     { "$_[0]{dir}/lmtp" }

sub configure {
    my ($self) = @_;
    for my $name (qw(run state)) { mkdir "$self->{dir}/$name" or die "mkdir $name: $!" }
    chmod 0777, "$self->{dir}/mail";
    $self->spew('dovecot.conf', $self->dovecot_conf);
}

sub command {
    my ($self) = @_;
    return ($self->find_program('dovecot'), '-F', '-c', "$self->{dir}/dovecot.conf");
}

sub dovecot_conf {
    my ($self) = @_;
    my $dir = $self->{dir};
    return <<"END";
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
protocols = lmtp
ssl = no
hostname = server.@{[ $self->DOMAIN ]}
postmaster_address = postmaster\@@{[ $self->DOMAIN ]}
mail_location = maildir:$dir/mail/%n
mail_fsync = never
first_valid_uid = 1
auth_username_chars =
lda_mailbox_autocreate = yes
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $self->{port}{lmtp}
  }
  unix_listener $dir/lmtp {
    mode = 0600
  }
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$dir allow_all_users=yes
}
END
}

# Files of the maildir, without the header that Dovecot puts before a message.
sub delivered {
    my ($self, $mailbox) = @_;
    return map { $self->parse_delivery(NSX::Author::Server::slurp($_)) }
        glob "$self->{dir}/mail/$mailbox/new/*";
}

sub parse_delivery {
    my ($self, $octets) = @_;
    my ($from) = $octets =~ /\AReturn-Path: <([^\n]*)>\n/;
    my ($to)   = $octets =~ /^Delivered-To: ([^\n]*)\n/m;
    return $self->SUPER::parse_delivery("$from\n$to\n$octets");
}

1;
