#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('Email::Sender' => 'libemail-sender-perl');

sub program {
    my ($class, @option) = @_;
    return join '', "use $class;\n", <<'END', "my \$transport = $class->new(host => \$host, port => \$port, @option);\n", <<'END2';
use Email::Sender::Simple;
my $message = "From: $from\nTo: $to\nSubject: sent by Email::Sender\n\n$body";
END
Email::Sender::Simple->send($message, { to => $to, from => $from, transport => $transport });
Email::Sender::Simple->send($message, { to => [ $to, "second-$to" ], from => $from, transport => $transport });
$transport->disconnect if $transport->can('disconnect');
END2
}

my $tls  = 'ssl_options => { SSL_ca_file => $ca }';
my $auth = 'sasl_username => $user, sasl_password => $password';
for my $class (map {"Email::Sender::Transport::$_"} qw(SMTP SMTP::Persistent)) {
    my $name = $class =~ s/Email::Sender::Transport:://r;
    $users->perl("$name, plain",     smtp       => program($class));
    $users->perl("$name, AUTH",      auth       => program($class, $auth));
    $users->perl("$name, STARTTLS",  submission => program($class, "ssl => 'starttls', $tls, $auth"));
    $users->perl("$name, smtps",     smtps      => program($class, "ssl => 'ssl', $tls, $auth"));
    $users->perl("$name, all options", smtp     => program($class,
        'helo => q(client.example), timeout => 20, localaddr => q(127.0.0.1)'));
}

$users->perl('a refused recipient' => smtp => <<'END');
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;
my $transport = Email::Sender::Transport::SMTP->new(host => $host, port => $port);
my $message = "From: $from\nTo: $to\nSubject: refusal\n\n$body";
eval { sendmail($message, { to => [ $to, 'refused@nsx.test' ], from => $from, transport => $transport }) };
print ref $@, ' ', $@->message, ' ', $@->code, ' ', join(',', $@->recipients), "\n";
sendmail($message, { to => $to, from => $from, transport => $transport });
END

$users->perl('partial success' => smtp => <<'END');
use Email::Abstract;
use Email::Sender::Transport::SMTP;
my $transport = Email::Sender::Transport::SMTP->new(host => $host, port => $port,
    allow_partial_success => 1);
my $message = Email::Abstract->new("From: $from\nTo: $to\nSubject: partial\n\n$body");
my $result = $transport->send($message, { to => [ $to, 'refused@nsx.test' ], from => $from });
print ref $result, ' ', $result->failure->message, "\n";
END

$users->perl('nobody listens' => smtp => <<'END');
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;
my $message = "From: $from\nTo: $to\nSubject: nobody\n\n$body";
my $transport = Email::Sender::Transport::SMTP->new(host => $host, port => 1, timeout => 5);
eval { sendmail($message, { to => $to, from => $from, transport => $transport }) };
print ref $@, ' ', $@->message, "\n";
$transport = Email::Sender::Transport::SMTP->new(host => $host, port => $port);
sendmail($message, { to => $to, from => $from, transport => $transport });
END

$users->done;
