package NSX::Author::PostgreSQL;

# A PostgreSQL of our own, on a Unix socket in a directory of its own, for as long
# as the object lives.
#
#   my $postgres = NSX::Author::PostgreSQL->start;    # dies where there is none
#   Minion->new(Pg => $postgres->url)

use strict;
use warnings;

use File::Temp ();

sub start {
    my ($class) = @_;
    my ($bin) = sort { $b cmp $a } glob '/usr/lib/postgresql/*/bin';
    die "PostgreSQL is not installed\n" if !$bin;
    my $dir = File::Temp->newdir('nsx-pg-XXXXXXXX', TMPDIR => 1);
    my $self = bless { bin => $bin, dir => $dir, owner => $$ }, $class;
    if (!$>) {    # the server refuses to run as root
        $self->{user} = 'postgres';
        my @account = getpwnam $self->{user} or die "no account for PostgreSQL\n";
        chown @account[ 2, 3 ], "$dir" or die "chown: $!\n";
    }
    chmod 0700, "$dir";
    $self->_run("$bin/initdb", '-D', "$dir/data", '-A', 'trust', '-U', 'nsx', '-N');
    $self->_run("$bin/pg_ctl", '-D', "$dir/data", '-w', '-l', "$dir/log",
        '-o', "-c listen_addresses='' -c unix_socket_directories='$dir' -c fsync=off", 'start');
    $self->{runs} = 1;
    return $self;
}

sub url {
    my ($self) = @_;
    my $path = "$self->{dir}" =~ s{/}{%2f}gr;
    return "postgresql://nsx\@$path/postgres";
}

sub _run {
    my ($self, @command) = @_;
    unshift @command, 'runuser', '-u', $self->{user}, '--' if $self->{user};
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;
    if (!$pid) {
        chdir "$self->{dir}";
        open STDOUT, '>>', "$self->{dir}/out";
        open STDERR, '>&', \*STDOUT;
        exec @command or exit 1;
    }
    waitpid $pid, 0;
    die "$command[-1] of PostgreSQL failed\n" if $?;
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$ || !$self->{runs};
    local ($?, $@, $!);
    eval { $self->_run("$self->{bin}/pg_ctl", '-D', "$self->{dir}/data", '-m', 'immediate', 'stop') };
    return;
}

1;
