#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $git = '/usr/lib/git-core/git-send-email';
my $users = NSX::Author::Ecosystem->new($git => 'git-email');

# A patch whose message is the body.  The file, not a repository, is sent.
sub send_email {
    my (@option) = @_;
    return sub {
        my ($set) = @_;
        my $body  = NSX::Author::Server::slurp($set->{NSX_BODY});
        my $patch = $users->spew('0001-trim.patch', join '',
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n",
            "From: $set->{NSX_FROM}\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n",
            "Subject: [PATCH] trim the hedge\nContent-Type: text/plain; charset=ISO-8859-1\n",
            "Content-Transfer-Encoding: 8bit\n\n", $body, "\n---\n file | 1 +\n");
        $users->spew('.gitconfig', "[user]\n name = Robin\n email = $set->{NSX_FROM}\n");
        return ('git', 'send-email', '--from', $set->{NSX_FROM}, '--to', $set->{NSX_TO},
            '--confirm=never', '--suppress-cc=all', '--transfer-encoding=8bit', '--no-validate',
            '--smtp-server', $set->{NSX_HOST}, '--smtp-server-port', $set->{NSX_PORT},
            '--smtp-domain', 'client.example',
            map({ $_->($set) } @option), $patch);
    };
}

my $auth = sub { ('--smtp-user', $_[0]{NSX_USER}, '--smtp-pass', $_[0]{NSX_PASSWORD}) };
my $tls  = sub { ('--smtp-encryption=tls', '--smtp-ssl-cert-path', $_[0]{NSX_CA}) };
my $ssl  = sub { ('--smtp-encryption=ssl', '--smtp-ssl-cert-path', $_[0]{NSX_CA}) };
my $mechanism = sub { my ($name) = @_; sub {"--smtp-auth=$name"} };

$users->command('plain', smtp => send_email());
$users->command('quiet, one message a connection', smtp => send_email(
    sub { ('--quiet', '--batch-size=1', '--relogin-delay=0') }));
$users->command('with the dialogue', smtp => send_email(sub {'--smtp-debug=1'}));
$users->command("AUTH $_", auth => send_email($auth, $mechanism->($_)))
    for qw(PLAIN LOGIN CRAM-MD5 DIGEST-MD5);
$users->command("STARTTLS, AUTH $_", submission => send_email($tls, $auth, $mechanism->($_)))
    for qw(PLAIN LOGIN CRAM-MD5);
$users->command('STARTTLS, AUTH by choice', submission => send_email($tls, $auth));
$users->command('smtps, AUTH PLAIN', smtps => send_email($ssl, $auth, $mechanism->('PLAIN')));
$users->command('smtps, AUTH by choice', smtps => send_email($ssl, $auth));
$users->command('STARTTLS without trust in the server', submission => send_email(
        sub { ('--smtp-encryption=tls', '--smtp-ssl-cert-path', '/dev/null') }, $auth),
    fails => 1);
$users->done;
