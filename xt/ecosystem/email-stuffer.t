#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new('Email::Stuffer' => 'libemail-stuffer-perl');

sub program {
    my (@option) = @_;
    return <<"END";
use Email::Stuffer;
use Email::Sender::Transport::SMTP;
my \$transport = Email::Sender::Transport::SMTP->new(
    host => \$host, port => \$port, @option);
Email::Stuffer->new->from(\$from)->to(\$to)->subject('stuffed')
    ->text_body(\$body)->attach(\$body, filename => 'body.bin', content_type => 'application/octet-stream')
    ->transport(\$transport)->send or die 'not sent';
END
}

$users->perl('plain',    smtp       => program());
$users->perl('STARTTLS', submission => program(
    q{ssl => 'starttls', sasl_username => $user, sasl_password => $password}));
$users->perl('smtps',    smtps      => program(
    q{ssl => 1, sasl_username => $user, sasl_password => $password}));
$users->done;
