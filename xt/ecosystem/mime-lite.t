#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('MIME::Lite' => 'libmime-lite-perl');

my $compose = <<'END';
use MIME::Lite;
my $message = MIME::Lite->new(From => $from, To => $to, Subject => 'light',
    Type => 'multipart/mixed');
$message->attach(Type => 'TEXT', Encoding => '8bit', Data => $body);
$message->attach(Type => 'BINARY', Encoding => 'base64', Data => $body, Filename => 'body.bin');
END

$users->perl('send smtp', smtp => $compose
        . q{$message->send('smtp', $host, Port => $port, Timeout => 20) or die 'not sent'});
$users->perl('send_by_smtp, a list of recipients', smtp => $compose
        . q{$message->send_by_smtp($host, Port => $port, To => [$to, "second-$to"], Hello => 'client.example') or die});
$users->perl('class default', smtp => $compose
        . q{MIME::Lite->send('smtp', $host, Port => $port, Debug => 0); $message->send or die});
$users->perl('AUTH', auth => $compose
        . q{$message->send('smtp', $host, Port => $port, AuthUser => $user, AuthPass => $password) or die});
# The core module makes another class of a connection with SSL => 1, so that
# MIME::Lite's own print is lost and the mail goes out unstuffed: ours has to
# deliver over TLS what the core module delivers without.
$users->perl('smtps as if in the clear', smtps => $compose . <<'END', stock_port => 'auth');
my @tls = $ENV{NSX_PORT_NAME} eq 'smtps' ? (SSL => 1, SSL_ca_file => $ca) : ();
$message->send('smtp', $host, Port => $port, @tls, AuthUser => $user, AuthPass => $password)
    or die 'not sent';
END
$users->perl('print to a handle of its own', smtp => $compose . <<'END');
require Net::SMTP;
my $smtp = MIME::Lite::SMTP->new($host, Port => $port) or die;
$smtp->mail($from) and $smtp->to($to) and $smtp->data or die $smtp->message;
$message->print_for_smtp($smtp);
$smtp->dataend or die;
$smtp->quit;
END
$users->done;
