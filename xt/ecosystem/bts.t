#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $bts = '/usr/bin/bts';
my $users = NSX::Author::Ecosystem->new($bts => 'devscripts');

# The message goes to control@bugs.debian.org, whose mailbox is "control" here.
sub close_bug {
    my (@option) = @_;
    return sub {
        my ($set) = @_;
        @ENV{qw(DEBEMAIL DEBFULLNAME)} = ($set->{NSX_FROM}, 'Robin');
        return ($bts, '--no-conf', '--no-interactive', '--smtp-helo=client.example',
            map({ $_->($set) } @option), 'retitle', '12345', 'the hedge is trimmed',
            ',', 'severity', '12345', 'minor');
    };
}

my $auth  = sub { ('--smtp-username', $_[0]{NSX_USER}, '--smtp-password', $_[0]{NSX_PASSWORD}) };
my $plain = sub {"--smtp-host=$_[0]{NSX_HOST}:$_[0]{NSX_PORT}"};
my $ssl   = sub {"--smtp-host=smtps://$_[0]{NSX_HOST}:$_[0]{NSX_PORT}"};

$users->command('plain', smtp => close_bug($plain), mailbox => 'control');
$users->command('STARTTLS, AUTH', submission => close_bug($plain, $auth), mailbox => 'control');
$users->command('smtps', 'smtps-open' => close_bug($ssl), mailbox => 'control');
# bts asks for STARTTLS on a connection that is in TLS already, which dies.
$users->command('smtps, AUTH', smtps => close_bug($ssl, $auth), fails => 1);
$users->done;
