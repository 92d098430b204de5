#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('Mail::Transport::SMTP' => 'libmail-transport-perl');

sub program {
    my ($context, @option) = @_;
    return <<"END";
use Mail::Message;
use Mail::Transport::SMTP;
my \$message = Mail::Message->build(From => \$from, To => \$to,
    Subject => 'transported', data => \$body);
my \$transport = Mail::Transport::SMTP->new(hostname => \$host, port => \$port, @option);
$context
END
}

my $scalar = q{$transport->send($message) or die 'not sent';};
my $list   = q{my @told = $transport->trySend($message); print join('|', map { defined ? $_ : 'undef' } @told), "\n";};
$users->perl('send',     smtp => program($scalar));
$users->perl('trySend in list context', smtp => program($list));
$users->perl('AUTH',     auth => program($scalar, 'username => $user, password => $password'));
$users->perl('trySend, recipient refused', smtp => program(
    q{my @told = $transport->trySend($message, to => 'refused@nsx.test'); print join('|', map { defined ? $_ : 'undef' } @told), "\n";}
    . $scalar));
$users->done;
