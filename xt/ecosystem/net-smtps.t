#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('Net::SMTPS' => 'libnet-smtps-perl');

sub program {
    my ($auth, @option) = @_;
    return <<"END" . <<'SEND';
use Net::SMTPS;
my \$smtp = Net::SMTPS->new(\$host, Port => \$port, SSL_ca_file => \$ca, Timeout => 20,
    @option) or die "no connection: \$@";
$auth
END
print join('|', ref $smtp, map { $smtp->isa($_) ? 1 : 0 } qw(Net::SMTP Net::Cmd IO::Socket)), "\n";
print join(' ', $smtp->host, $smtp->domain, scalar $smtp->banner), "\n";
print "$_ = ", $smtp->supports($_) // 'undef', "\n" for qw(AUTH SIZE STARTTLS 8BITMIME NONE);
$smtp->mail($from, Bits => 8) or die $smtp->message;
$smtp->to($to) or die $smtp->message;
$smtp->data or die;
$smtp->datasend("From: $from\nTo: $to\nSubject: SMTPS\n\n") or die;
$smtp->datasend($body) or die;
$smtp->dataend or die $smtp->message;
$smtp->quit or die;
SEND
}

$users->perl('plain', smtp => program(''));
for my $mechanism (qw(PLAIN LOGIN CRAM-MD5 DIGEST-MD5)) {
    my $auth = qq{\$smtp->auth(\$user, \$password, '$mechanism') or die \$smtp->message;};
    $users->perl("AUTH $mechanism", auth => program($auth));
    $users->perl("STARTTLS, AUTH $mechanism", submission => program($auth, q{doSSL => 'starttls'}));
    $users->perl("smtps, AUTH $mechanism", smtps => program($auth, q{doSSL => 'ssl'}));
}
my $auth = q{$smtp->auth($user, $password) or die $smtp->message;};
$users->perl('AUTH, mechanism by choice', auth => program($auth));
$users->perl('STARTTLS, then in the clear in one process',
    submission => program($auth, q{doSSL => 'starttls'}) . <<'END');
my $again = Net::SMTPS->new($host, Port => $port, doSSL => 'starttls', SSL_ca_file => $ca) or die "second: $@";
print join('|', @Net::SMTPS::ISA), "\n";
$again->quit;
END
$users->done;
