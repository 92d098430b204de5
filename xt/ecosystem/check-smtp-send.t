#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $check = '/usr/lib/nagios/plugins/check_smtp_send';
my $users = NSX::Author::Ecosystem->new(
    $check           => 'monitoring-plugins-contrib',
    'Net::SMTP::SSL' => 'libnet-smtp-ssl-perl',
    'Net::SMTP_auth' => 'libnet-smtpauth-perl',
);

sub check {
    my (@option) = @_;
    return sub {
        my ($set) = @_;
        return ($check, '-H', $set->{NSX_HOST}, '-p', $set->{NSX_PORT},
            '--mailto', $set->{NSX_TO}, '--mailfrom', $set->{NSX_FROM},
            '--header', 'Subject: checked', '--body', 'one line', '--body', '.dotted',
            '-w', 20, '-c', 30, map { ref ? $_->($set) : $_ } @option);
    };
}

my $auth = sub { ('-U', $_[0]{NSX_USER}, '-P', $_[0]{NSX_PASSWORD}) };
$users->command('plain', smtp => check());
$users->command('from standard input', smtp => check('--stdin'));
$users->command('AUTH LOGIN', auth => check($auth, '--auth', 'LOGIN'));
$users->command('smtps', smtps => check('--ssl', $auth));
$users->done;
