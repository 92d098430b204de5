package NSX::Author::PostfixDovecot;

# Postfix with Dovecot's SASL instead of Cyrus'; see NSX::Author::Server.  Its
# bearer tokens are JSON web tokens, which Dovecot judges by a key of ours:
#
#   my $token = $server->token($user, $seconds_to_live);

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64 encode_base64url);
use NSX::Author::Process;

use parent -norequire, 'NSX::Author::Postfix';
use NSX::Author::Postfix;

use constant KEY => 'nobody else knows this key of thirty-two octets';

sub missing {
    my ($class) = @_;
    return 'no dovecot command' if !$class->find_program('dovecot');
    return $class->SUPER::missing;
}

sub configure {
    my ($self) = @_;
    $self->SUPER::configure;
    my $dir = "$self->{dir}/dovecot";
    for my $name ('', '/run', '/state', '/key', '/key/default', '/key/default/HS256') {
        mkdir "$dir$name" or die "mkdir $dir$name: $!";
    }
    chmod 0755, $dir;
    mkdir "$self->{dir}/queue/private", 0700;
    chown((getpwnam 'postfix')[2], -1, "$self->{dir}/queue/private");
    $self->spew('dovecot/key/default/HS256/default', encode_base64(KEY, ''));
    $self->spew('dovecot/users',  $self->user . ':{PLAIN}' . $self->password . "\n");
    $self->spew('dovecot/oauth2', $self->oauth2_conf);
    $self->spew('dovecot/conf',   $self->dovecot_conf);
    $self->{dovecot} = NSX::Author::Process->start(
        [$self->find_program('dovecot'), '-F', '-c', "$dir/conf"], log => "$self->{dir}/output");
    $self->wait_for_socket("$self->{dir}/queue/private/auth");
}

sub wait_for_socket {
    my ($self, $path) = @_;
    my $until = time + $self->START_SECONDS;
    until (-S $path) {
        die "dovecot ended at once:\n", $self->log if !$self->{dovecot}->alive;
        die "dovecot does not listen:\n", $self->log if time > $until;
        select undef, undef, undef, $self->TICK_SECONDS;
    }
}

sub main_cf {
    my ($self) = @_;
    my $cf = $self->SUPER::main_cf;
    $cf =~ s/^smtpd_sasl_type = .*/smtpd_sasl_type = dovecot/m;
    $cf =~ s{^smtpd_sasl_path = .*}{smtpd_sasl_path = private/auth}m;
    return $cf;
}

sub oauth2_conf {
    my ($self) = @_;
    return <<"END";
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=$self->{dir}/dovecot/key/
username_attribute = sub
END
}

sub dovecot_conf {
    my ($self) = @_;
    my $dir = "$self->{dir}/dovecot";
    return <<"END";
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
protocols =
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $dir/oauth2
}
passdb {
  driver = passwd-file
  mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
  args = $dir/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$dir
}
service auth {
  unix_listener $self->{dir}/queue/private/auth {
    mode = 0600
    user = postfix
  }
}
END
}

sub token {
    my ($self, $user, $life) = @_;
    my $now    = time;
    my $claims = sprintf '{"sub":"%s","iat":%d,"nbf":%d,"exp":%d}', $user, $now - 5, $now - 5, $now + $life;
    my $text   = join '.', map { encode_base64url($_) } '{"alg":"HS256","typ":"JWT"}', $claims;
    return $text . '.' . encode_base64url(hmac_sha256($text, KEY));
}

sub log {
    my ($self) = @_;
    my $log = "$self->{dir}/dovecot/log";
    return $self->SUPER::log . (-e $log ? NSX::Author::Server::slurp($log) : '');
}

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    $self->SUPER::stop;
    my $dovecot = delete $self->{dovecot} or return;
    $dovecot->stop;
}

1;
