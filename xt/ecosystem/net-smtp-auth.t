#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('Net::SMTP_auth' => 'libnet-smtpauth-perl');

for my $mechanism (qw(PLAIN LOGIN CRAM-MD5)) {
    $users->perl("AUTH $mechanism", auth => <<"END" . <<'SEND');
use Net::SMTP_auth;
my \$smtp = Net::SMTP_auth->new(\$host, Port => \$port) or die "no connection: \$@";
print scalar \$smtp->auth_types, "\\n";
\$smtp->auth('$mechanism', \$user, \$password) or die \$smtp->message;
END
print join('|', ref $smtp, map { $smtp->isa($_) ? 1 : 0 } qw(Net::SMTP Net::Cmd IO::Socket)), "\n";
$smtp->mail($from) && $smtp->to($to) or die $smtp->message;
$smtp->data("From: $from\nTo: $to\nSubject: auth\n\n", $body) or die $smtp->message;
$smtp->quit or die;
SEND
}
$users->perl('AUTH with a wrong password', auth => <<'END');
use Net::SMTP_auth;
my $smtp = Net::SMTP_auth->new($host, Port => $port) or die "no connection: $@";
print $smtp->auth('LOGIN', $user, 'wrong') ? 'in' : 'out', ' ', $smtp->code, "\n";
print $smtp->auth('LOGIN', $user, $password) ? 'in' : 'out', ' ', $smtp->code, "\n";
$smtp->mail($from) && $smtp->to($to) or die $smtp->message;
$smtp->data("From: $from\nTo: $to\nSubject: auth\n\n", $body) or die $smtp->message;
$smtp->quit or die;
END
$users->done;
