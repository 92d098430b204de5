#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('Net::SMTP::SSL' => 'libnet-smtp-ssl-perl');

my $connect = <<'END';
use Net::SMTP::SSL;
my $smtp = Net::SMTP::SSL->new($host, Port => $port, SSL_ca_file => $ca, Timeout => 20) or die "no connection: $@";
END
my $login = q{$smtp->auth($user, $password) or die $smtp->message;} . "\n";
my $send = <<'END';
my $head = "From: $from\nTo: $to\nSubject: over SSL\n\n";
$smtp->mail($from) or die $smtp->message;
$smtp->to($to) or die $smtp->message;
END

$users->perl('data', smtps => $connect . $login . $send
        . q{$smtp->data($head . $body) or die; $smtp->quit or die;});
$users->perl('datasend by lines', smtps => $connect . $login . $send
        . q{$smtp->data or die; $smtp->datasend($_) or die for "$head", $body =~ /([^\n]*\n|[^\n]+\z)/g;
            $smtp->dataend or die $smtp->message; print $smtp->code, "\n"; $smtp->quit or die;});
$users->perl('datafh', smtps => $connect . $login . $send
        . q{my $fh = $smtp->datafh or die; print $fh $head; print $fh $body; close $fh or die; $smtp->quit or die;});
$users->perl('what is seen from outside', smtps => $connect . $login . <<'END' . $send
print join('|', ref $smtp, map({ $smtp->isa($_) ? 1 : 0 } qw(Net::SMTP Net::Cmd IO::Socket::SSL IO::Socket IO::Socket::INET)),
    $smtp->host, $smtp->domain, scalar $smtp->banner, $smtp->get_cipher ? 'cipher' : 'clear',
    $smtp->peerhost, $smtp->peerport == $port ? 'port' : '-', fileno $smtp ? 'fd' : ''), "\n";
# The core module takes the greeting's host name for an extension.
print "$_\n" for sort grep { $_ ne 'SERVER' } keys %{ ${*$smtp}{net_smtp_esmtp} };
print map {"$_\n"} $smtp->message, $smtp->code, $smtp->ok, $smtp->status;
END
        . q{$smtp->data($head . $body) or die; $smtp->quit or die;});
$users->perl('two messages, a refusal between', smtps => $connect . $login . $send . <<'END');
$smtp->data($head . $body) or die;
$smtp->mail($from) or die;
print $smtp->to('refused@nsx.test') ? 'taken' : 'refused', ' ', $smtp->code, "\n";
$smtp->reset or die;
$smtp->mail($from) && $smtp->recipient($to, 'refused@nsx.test', { SkipBad => 1 }) or die;
$smtp->data([ $head, $body ]) or die;
$smtp->quit or die;
END
$users->done;
