#!perl
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use NSX::Author::Ecosystem;

my $users = NSX::Author::Ecosystem->new(
    'Log::Dispatch' => 'liblog-dispatch-perl',
    'MIME::Lite'    => 'libmime-lite-perl',
    'Mail::Send'    => 'libmailtools-perl',
);

$users->perl('Email::MIMELite', smtp => <<'END');
use Log::Dispatch;
use MIME::Lite;
MIME::Lite->send('smtp', $host, Port => $port);
my $log = Log::Dispatch->new(outputs => [[ 'Email::MIMELite',
    min_level => 'info', to => $to, from => $from, subject => 'logged', buffered => 0 ]]);
$log->log(level => 'alert', message => $body);
END

# Mail::Send is given neither type nor host, so both come from defaults.
$users->perl('Email::MailSend', smtp => <<'END');
use Log::Dispatch;
use Mail::Mailer 'smtp';
use Net::Config;
$NetConfig{smtp_hosts} = ["$host:$port"];
my $log = Log::Dispatch->new(outputs => [[ 'Email::MailSend',
    min_level => 'info', to => $to, from => $from, subject => 'logged', buffered => 1 ]]);
$log->log(level => 'alert', message => $body);
$log->log(level => 'alert', message => "and more\n");
undef $log;
END
$users->done;
