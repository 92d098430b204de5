#!perl
# Short lines of a body wait to be sent together over TLS as in the clear, and
# whatever touches the object or its handle sends them first.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::TLS;
use Test::More;

BEGIN { plan skip_all => NSX::Test::TLS->missing if NSX::Test::TLS->missing }

use Net::SMTP::XS;
use POSIX ();

$SIG{ALRM} = sub { die "nothing came\n" };

# Says what came of a body, so that a client can wait for it: "250 two" behind
# the second line, 250 behind the end.
sub serve {
    my ($c) = @_;
    $c->start_tls;
    $c->say('220 mail.nsx.example');
    while (defined(my $line = $c->line)) {
        $c->note($line);
        $c->say('354 go ahead') if $line eq 'DATA';
        $c->say('250 two')      if $line eq '..two';
        $c->say('250 ok')       if $line eq '.';
    }
}

my $waited = 0;

# Gives two lines, runs the code, ends the message where that can be: what the
# server saw behind DATA.
sub seen {
    my ($touch) = @_;
    my $server = NSX::Test::TLS->start(script => \&serve);
    my $smtp   = Net::SMTP::XS->new('127.0.0.1', Port => $server->port, SSL => 1, Timeout => 60,
        SendHello => 0, SSL_ca_file => NSX::Test::TLS::cert('ca.pem'));
    $smtp or do { diag $@; return };
    $smtp->data or die 'DATA was refused';
    $smtp->datasend("one\n");
    $smtp->datasend(".two\n");
    $waited += grep { $_ eq 'nsx_waiting' } PerlIO::get_layers(*$smtp);
    alarm 60;
    $touch->($smtp);
    alarm 0;
    undef $smtp;
    my ($seen) = $server->finish;
    $seen =~ s/\ADATA\n// or diag $seen;
    return $seen;
}

sub answer {
    my ($smtp) = @_;
    my $line = <$smtp>;
    is $line, "250 two\r\n", 'the server has the lines';
}

my @touches = (
    ['dataend',     sub { $_[0]->dataend },                      '.'],
    ['a command',   sub { $_[0]->command('NOOP'); $_[0]->response }, '.', 'NOOP'],
    ['print',       sub { print { $_[0] } "raw\r\n" },           'raw'],
    ['printf',      sub { printf { $_[0] } "%s\r\n", 'raw' },    'raw'],
    ['syswrite',    sub { syswrite $_[0], "raw\r\n" },           'raw'],
    ['rawdatasend', sub { $_[0]->rawdatasend("raw\r\n") },       'raw'],
    ['readline',    \&answer],
    ['sysread',     sub { is sysread($_[0], my $reply, 100), 9, 'an answer' }],
    ['getline',     sub { is $_[0]->getline, "250 two\n", 'an answer' }],
    ['response',    sub { is $_[0]->response, 2, 'an answer' }],
    ['fileno and select', sub {
        vec(my $bits = '', fileno $_[0], 1) = 1;
        is select($bits, undef, undef, 60), 1, 'an answer';
    }],
    ['close',                sub { close $_[0] }],
    ['close as a method',    sub { $_[0]->close }],
    ['the last reference',   sub { undef $_[0] }],
    ['system',               sub { system $^X, '-e', '1'; answer($_[0]) }],
    ['a child that is forked', sub {
        my $pid = fork;
        die "fork: $!" if !defined $pid;
        POSIX::_exit(0) if !$pid;
        waitpid $pid, 0;
        answer($_[0]);
    }],
    ['a slow producer', sub {
        select undef, undef, undef, 0.02;
        $_[0]->datasend("three\n");
        answer($_[0]);
    }, 'three'],
    ['more than the block', sub { $_[0]->datasend('x' x 70_000 . "\n") }, 'x' x 70_000],
    ['another line',        sub { $_[0]->datasend(".three\n"); $_[0]->dataend }, '..three', '.'],
);

for my $touch (@touches) {
    my ($name, $code, @more) = @$touch;
    is seen($code), join('', map {"$_\n"} 'one', '..two', @more), $name;
}

diag 'no line waited on this machine' if !$waited;
done_testing;
