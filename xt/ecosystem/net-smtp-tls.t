#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new(
    'Net::SMTP::TLS::ButMaintained' => 'libnet-smtp-tls-butmaintained-perl');

sub program {
    my (@option) = @_;
    return "use Net::SMTP;\n" . <<"END" . <<'SEND';
use Net::SMTP::TLS::ButMaintained;
my \$smtp = Net::SMTP::TLS::ButMaintained->new(\$host, Port => \$port, @option);
END
$smtp->mail($from);
$smtp->to($to);
$smtp->data;
$smtp->datasend("From: $from\nTo: $to\nSubject: TLS\n\n");
$smtp->datasend($body);
$smtp->dataend;
$smtp->quit;
SEND
}

$users->perl('plain',    smtp       => program('NoTLS => 1'));
$users->perl('STARTTLS', submission => program('User => $user, Password => $password'));
$users->done;
