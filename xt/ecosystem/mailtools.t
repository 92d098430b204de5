#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new(
    'Mail::Mailer'   => 'libmailtools-perl',
    'Net::SMTP::SSL' => 'libnet-smtp-ssl-perl',
);

sub mailer {
    my ($type, @option) = @_;
    return <<"END";
use Mail::Mailer;
my \$mailer = Mail::Mailer->new('$type', Server => \$host, Port => \$port,
    From => \$from, @option) or die 'no mailer';
\$mailer->open({ From => \$from, To => \$to, Subject => 'mailed' }) or die 'not open';
print \$mailer \$body;
\$mailer->print("printed\\n", "twice\\n");
\$mailer->close or die 'not closed';
END
}

my $auth = 'Auth => [$user, $password]';
$users->perl('Mail::Mailer smtp',           smtp       => mailer('smtp'));
$users->perl('Mail::Mailer smtp, AUTH',     auth       => mailer('smtp', $auth));
$users->perl('Mail::Mailer smtp, StartTLS', submission => mailer('smtp',
    "StartTLS => 1, SSL_ca_file => \$ca, $auth"));
$users->perl('Mail::Mailer smtps',          smtps      => mailer('smtps',
    "SSL_ca_file => \$ca, $auth"));

$users->perl('Mail::Send', smtp => <<'END');
use Mail::Send;
my $message = Mail::Send->new(To => $to, Subject => 'sent');
$message->set(From => $from);
my $fh = $message->open('smtp', Server => $host, Port => $port, From => $from);
print $fh $body;
$fh->close or die "not sent";
END

my $internet = <<'END';
use Mail::Internet;
my @line = map {"$_\n"} split /\r?\n/, $body;
my $message = Mail::Internet->new([ "From: $from\n", "To: $to\n", "Subject: smtpsent\n", "\n", @line ]);
END
$users->perl('Mail::Internet smtpsend', smtp => $internet . <<'END');
print "$_\n" for $message->smtpsend(Host => $host, Port => $port, MailFrom => $from, Hello => 'client.example');
END
$users->perl('Mail::Internet smtpsend on a connection', submission => $internet . <<'END');
use Net::SMTP;
my $smtp = Net::SMTP->new($host, Port => $port) or die;
$smtp->starttls(SSL_ca_file => $ca) or die $@;
$smtp->auth($user, $password) or die $smtp->message;
print "$_\n" for $message->smtpsend(Host => $smtp, MailFrom => $from);
$smtp->quit;
END
$users->perl('Mail::Internet smtpsend over Net::SMTP::SSL', smtps => $internet . <<'END');
use Net::SMTP::SSL;
my $smtp = Net::SMTP::SSL->new($host, Port => $port, SSL_ca_file => $ca) or die;
$smtp->auth($user, $password) or die $smtp->message;
print "$_\n" for $message->smtpsend(Host => $smtp, MailFrom => $from);
$smtp->quit;
END
$users->done;
