#!perl

# Programs that call Net::SMTP themselves, in the ways that scripts and
# daemons were seen to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('Net::SMTP' => 'perl-modules');

my $head = <<'END';
my $head = "From: $from\nTo: $to\nSubject: direct\n\n";
END

$users->perl('a list of hosts, the first of them dead', smtp => $head . <<'END');
use Net::SMTP;
my $smtp = Net::SMTP->new([ 'localhost:1', "$host:$port" ], Timeout => 5) or die "$@";
print $smtp->host eq "$host:$port" ? 'second' : $smtp->host, ' ', $smtp->domain, "\n";
$smtp->mail($from);
$smtp->to(split /\s*,\s*/, "$to, second-$to");
$smtp->data();
$smtp->datasend($head . $body);
$smtp->dataend();
$smtp->quit;
END

$users->perl('indirect object, host:port, DSN, line by line', smtp => $head . <<'END');
use Net::SMTP;
my $smtp = new Net::SMTP("$host:$port", Timeout => 5, Hello => 'client.example') or die;
$smtp->mail($from, Return => 'HDRS', Envelope => 'id 1') || die;
$smtp->to($to, { Notify => ['NEVER'] }) || die;
$smtp->data() || die;
$smtp->datasend($_) || die for split /^/m, $head . $body;
$smtp->dataend() || die;
print +(split ' ', $smtp->message)[-1] =~ /^\w+$/ ? "queue id\n" : "none\n";
$smtp->quit;
END

$users->perl('XCLIENT and a second hello', smtp => $head . <<'END');
use Net::SMTP;
use Net::Cmd ();
my $smtp = Net::SMTP->new($host, Port => $port, Timeout => 60, Hello => 'me.example') || die $!;
my %part = map { $_ => 1 } split /\s+/, $smtp->supports('XCLIENT');
print join(' ', grep { $part{$_} } qw(NAME ADDR HELO)), "\n";
$smtp->command('XCLIENT', 'NAME=far.example', 'ADDR=127.0.0.9')->response == 2
    or die $smtp->code;
print $smtp->code, ' ', $smtp->message;
$smtp->hello('me.example') or die;
$smtp->mail('') or die;
$smtp->to($to) or die;
$smtp->data($head, $body) or die;
$smtp->quit;
END

$users->perl('the message left open', smtp => $head . <<'END');
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port) or die;
$smtp->mail("$from\n");
$smtp->recipient(" $to ");
$smtp->data;
$smtp->datasend([ $head, $body ]);
print $smtp->quit ? 1 : 0, ' ', $smtp->code, "\n";
END

$users->perl('dataend after data', smtp => $head . <<'END');
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port) or die;
$smtp->mail($from) && $smtp->to($to) or die;
$smtp->data($head . $body) or die;
print $smtp->dataend, "\n";
$smtp->quit;
END

$users->perl('an address probed', smtp => $head . <<'END');
use Net::SMTP;
sub probe {
    my $smtp = Net::SMTP->new("$host:$port", Hello => 'probe.example', Timeout => 30) or die;
    $smtp->mail('');
    my $found = $smtp->to($_[0]);
    print $_[0], ' ', $found ? 'yes' : 'no', ' ', $smtp->code, ' ', scalar $smtp->message;
    $smtp->quit;
}
probe($to);
probe('refused@nsx.test');
my $smtp = Net::SMTP->new($host, Port => $port) or die;
print join('|', map { defined ? $_ : 'undef' } $smtp->verify($to), $smtp->code, $smtp->expand('all'), $smtp->code,
    $smtp->help, $smtp->code, $smtp->etrn('nsx.test'), $smtp->code), "\n";
my @taken = do { $smtp->mail($from); $smtp->to($to, 'refused@nsx.test', "second-$to", { SkipBad => 1 }) };
my $count = $smtp->to('refused@nsx.test', $to, { SkipBad => 1 });
print "@taken, $count\n";
$smtp->data($head, $body) or die;
$smtp->quit;
END

$users->perl('nobody there', smtp => $head . <<'END');
use Net::SMTP;
my $smtp = Net::SMTP->new('localhost', Port => 1, Timeout => 5);
print defined $smtp ? 'there' : 'nobody', ' ', $@ || $!, "\n";
$smtp = Net::SMTP->new($host, Port => $port) or die;
$smtp->mail($from) && $smtp->to($to) && $smtp->data($head . $body) or die;
print $smtp->quit, "\n";
END

$users->perl('alarm around a session, then another', smtp => $head . <<'END');
use Net::SMTP;
for my $turn (1, 2) {
    eval {
        local $SIG{ALRM} = sub { die "late\n" };
        alarm 20;
        my $smtp = Net::SMTP->new($host, Port => $port) or die "none\n";
        $smtp->mail($from) && $smtp->to($to) && $smtp->data($head . $body) or die $smtp->message;
        $smtp->quit;
        alarm 0;
    };
    print $turn, ' ', $@ || "fine\n";
}
END

$users->perl('a child at work while the session lasts', smtp => $head . <<'END');
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port) or die;
$smtp->mail($from) && $smtp->to($to) or die;
my $pid = fork;
if (!$pid) { exit 0 }
waitpid $pid, 0;
$smtp->data($head . $body) or die;
$smtp->quit or die;
END

$users->perl('a file copied through the handle', smtp => $head . <<'END');
use File::Copy qw(copy);
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port) or die;
$smtp->mail($from) && $smtp->to($to) or die;
my $fh = $smtp->datafh or die;
print {$fh} $head;
open my $in, '<:raw', $ENV{NSX_BODY} or die;
print {$fh} $_ while <$in>;
close $fh or die;
print $smtp->code, "\n";
$smtp->quit;
END

$users->perl('the handle itself', smtp => $head . <<'END');
use IO::Select;
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port) or die;
print join('|', fileno($smtp) == $smtp->fileno, ref \*$smtp, $smtp->connected ? 1 : 0,
    $smtp->peerhost, $smtp->peerport == $port, $smtp->timeout, $smtp->blocking), "\n";
$smtp->timeout(30);
print {$smtp} "NOOP\r\n";
$smtp->flush;
print IO::Select->new($smtp)->can_read(10) ? "ready\n" : "late\n";
print scalar readline($smtp);
$smtp->mail($from) && $smtp->to($to) && $smtp->data($head . $body) or die;
$smtp->quit;
print $smtp->connected ? 1 : 0, ' ', defined fileno $smtp ? 1 : 0, "\n";
END

my $upgrade = <<'END';
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port, Hello => 'client.example',
    SSL_ca_file => $ca, Debug => 0) or die $@;
print join(' ', map { $smtp->can($_) ? 1 : 0 } qw(starttls can_ssl auth)), "\n";
defined $smtp->supports('STARTTLS') or die 'no STARTTLS';
$smtp->starttls or die $@;
print join('|', $smtp->isa('Net::SMTP') ? 1 : 0, $smtp->isa('IO::Socket') ? 1 : 0,
    $smtp->get_cipher ? 'cipher' : 'none', $smtp->get_sslversion, $smtp->peer_certificate('cn'),
    defined $smtp->supports('STARTTLS') ? 1 : 0), "\n";
END
$users->perl('STARTTLS, AUTH and what the connection tells', submission => $head . $upgrade . <<'END');
$smtp->auth($user, $password) or die $smtp->message;
$smtp->mail($from) && $smtp->to($to) && $smtp->data($head . $body) or die $smtp->message;
$smtp->quit or die;
END
$users->perl('AUTH by an Authen::SASL object', submission => $head . $upgrade . <<'END');
use Authen::SASL;
my $sasl = Authen::SASL->new(mechanism => 'CRAM-MD5',
    callback => { user => $user, pass => $password });
$smtp->auth($sasl) or die $smtp->message;
$smtp->mail($from, AUTH => '<>') && $smtp->to($to) && $smtp->data($head . $body) or die $smtp->message;
$smtp->quit or die;
END
$users->perl('a wrong password', submission => $head . $upgrade . <<'END');
print $smtp->auth($user, 'wrong') ? 'in' : 'out', ' ', $smtp->code, "\n";
$smtp->auth($user, $password) or die $smtp->message;
$smtp->mail($from) && $smtp->to($to) && $smtp->data($head . $body) or die $smtp->message;
$smtp->quit or die;
END
$users->perl('SSL => 1', smtps => $head . <<'END');
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port, SSL => 1, SSL_ca_file => $ca) or die $@;
$smtp->auth($user, $password) or die $smtp->message;
$smtp->mail($from) && $smtp->to($to) or die;
$smtp->data or die;
$smtp->datasend($_) or die for unpack '(a7)*', $head . $body;
$smtp->dataend or die $smtp->message;
$smtp->quit or die;
END
$users->perl('an untrusted server', smtps => $head . <<'END');
use Net::SMTP;
$ENV{SSL_CERT_FILE} = '/dev/null';
my $smtp = Net::SMTP->new($host, Port => $port, SSL => 1);
print $smtp ? "trusted\n" : $@ =~ /certificate verify failed/ ? "refused\n" : "$@\n";
$smtp = Net::SMTP->new($host, Port => $port, SSL => 1, SSL_verify_mode => 0) or die $@;
$smtp->auth($user, $password) or die $smtp->message;
$smtp->mail($from) && $smtp->to($to) && $smtp->data($head . $body) or die $smtp->message;
$smtp->quit or die;
END
$users->done;
