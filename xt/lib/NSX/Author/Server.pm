package NSX::Author::Server;

# What the mail servers under test have in common.  A subclass knows one
# server; a test knows only this interface:
#
#   my $why    = $class->missing;            # why it cannot run here, or undef
#   my $server = $class->start;              # dies with the log on failure
#   my $server = $class->start(ports => { smtp => 25 },     # not just any port
#       names => ['mx.example']);            # more names in the certificate
#   $server->port('smtp')                    # see below
#   $server->user, ->password, ->ca_file     # one account, one authority
#   $server->address('case-7')               # a mailbox made by naming it;
#                                            # Postfix, Exim and OpenSMTPD
#                                            # refuse 'refused'
#   $server->delivered('case-7')             # waits; { from, to, octets } ...
#   $server->stop
#
# Ports (a server may lack some, then port() is undef):
#   smtp        plain; message lines must end in CR LF or the mail is refused
#   lenient     plain; bare CR and LF pass
#   auth        AUTH required, in the clear
#   submission  STARTTLS and AUTH required
#   smtps       TLS from the first octet, AUTH required
#   lmtp        LMTP, plain
#
# Everything lives in one temporary directory and on loopback.

use strict;
use warnings;

use File::Temp ();
use IO::Socket::INET;
use NSX::Author::Certificate;
use NSX::Author::Process;

use constant {
    DOMAIN        => 'nsx.test',
    START_SECONDS => 20,
    STARTS        => 3,       # a port found free may be taken before its use
    MAIL_SECONDS  => 20,
    TICK_SECONDS  => 0.02,
};

sub user     { 'robin' }
sub password { 'sparrow in the hedge' =~ tr/ /-/r }
sub realm    { 'localhost' }
sub host     { '127.0.0.1' }
sub port     { $_[0]{port}{ $_[1] } }
sub ca_file  { $_[0]{certificate}{ca} }
sub dir      { $_[0]{dir} }
sub address  { $_[1] . '@' . DOMAIN }

sub start {
    my ($class, %option) = @_;
    my $why;
    for (1 .. STARTS) {
        my $self = bless { %option, owner => $$ }, $class;
        return $self if eval { $self->bring_up; 1 };
        $why = $@;
        $self->stop;
    }
    die $why;
}

sub bring_up {
    my ($self) = @_;
    $self->make_dir;
    $self->{port} = { map { $_ => free_port() } $self->services };
    %{ $self->{port} } = (%{ $self->{port} }, %{ $self->{ports} || {} });
    $self->{certificate} = NSX::Author::Certificate->make($self->{dir},
        @{ $self->{names} || [] });
    $self->configure;
    $self->{process} = NSX::Author::Process->start([ $self->command ],
        log => "$self->{dir}/output", own_session => $self->own_session,
        dir => $self->{dir});
    $self->wait_until_up;
}

sub make_dir {
    my ($self) = @_;
    $self->{temp} = File::Temp->newdir('nsx-XXXXXXXX', TMPDIR => 1);
    $self->{dir}  = $self->{temp}->dirname;
    chmod 0755, $self->{dir};
    mkdir "$self->{dir}/mail" or die "mkdir: $!";
}

sub services { qw(smtp lenient auth submission smtps) }

# Does the command become the leader of a session by itself?
sub own_session { 0 }

# A port that nothing listens on now.
sub free_port {
    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 1, Proto => 'tcp')
        or die "no port on loopback: $!";
    return $socket->sockport;
}

sub wait_until_up {
    my ($self) = @_;
    my $until = time + START_SECONDS;
    for my $port (values %{ $self->{port} }) {
        until (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)) {
            die ref $self, " ended at once:\n", $self->log
                if !$self->{process}->alive;
            die ref $self, " does not listen:\n", $self->log if time > $until;
            select undef, undef, undef, TICK_SECONDS;
        }
    }
}

sub log {
    my ($self) = @_;
    return join '', map { -e "$self->{dir}/$_" ? slurp("$self->{dir}/$_") : () }
        qw(output log);
}

# The messages that reached a mailbox, oldest first: at least $count of them,
# or fewer when they do not come in time.  A delivery is a file
# MAILBOX.NUMBER: sender, recipient, then the message's octets.
sub delivered {
    my ($self, $mailbox, $count, $seconds) = @_;
    $count = 1 if !defined $count;
    my $until = time + ($seconds || MAIL_SECONDS);
    my @file;
    while (1) {
        @file = glob "$self->{dir}/mail/$mailbox.*";
        last if @file >= $count || time > $until;
        select undef, undef, undef, TICK_SECONDS;
    }
    return map { $self->parse_delivery(slurp($_)) }
        sort { (stat $a)[9] <=> (stat $b)[9] || $a cmp $b } @file;
}

sub parse_delivery {
    my ($self, $text) = @_;
    my ($from, $to, $octets) = split /\n/, $text, 3;
    $octets =~ s/\A(?:Return-Path|Delivered-To):[^\n]*\n// for 1 .. 2;
    $octets =~ s/\AReceived:[^\n]*\n(?:[ \t][^\n]*\n)*//;
    return { from => $from, to => $to, octets => $octets };
}

sub forget {
    my ($self, $mailbox) = @_;
    unlink glob "$self->{dir}/mail/$mailbox.*";
}

# The program that a server pipes each message into.  The name without the
# leading dot appears only when the message is complete.
sub write_deliver_script {
    my ($self) = @_;
    my $script = "$self->{dir}/deliver";
    $self->spew('deliver', <<"END");
#!/bin/sh
# deliver MAILBOX SENDER RECIPIENT
umask 022
new=\$(mktemp '$self->{dir}/mail/.new.XXXXXXXXXX') || exit 75
{ printf '%s\\n%s\\n' "\$2" "\$3"; cat; } >"\$new" || exit 75
chmod 644 "\$new"
mv "\$new" "$self->{dir}/mail/\$1.\${new##*.new.}"
END
    chmod 0755, $script;
    chmod 0777, "$self->{dir}/mail";
    return $script;
}

sub spew {
    my ($self, $name, $text) = @_;
    open my $fh, '>', "$self->{dir}/$name" or die "$name: $!";
    print $fh $text;
    close $fh or die "$name: $!";
}

sub slurp {
    my ($file) = @_;
    open my $fh, '<:raw', $file or die "$file: $!";
    local $/;
    return scalar <$fh>;
}

sub find_program {
    my ($class, @name) = @_;
    for my $name (@name) {
        return $name if $name =~ m{/} && -x $name;
        for my $dir (split(/:/, $ENV{PATH} || ''), qw(/usr/sbin /sbin /usr/bin)) {
            return "$dir/$name" if -x "$dir/$name";
        }
    }
    return;
}

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    my $process = delete $self->{process} or return;
    $process->stop;
}

sub DESTROY { $_[0]->stop }

1;
