# Calls and arguments scripts are fond of, and what they look at when something fails.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

my @extensions = (ehlo => [ 'SIZE 1000', 'DSN', 'XCLIENT NAME ADDR' ]);

# A script with a connected $s.
sub inside {
    my ($name, $code, @more) = @_;
    return { name => $name, @extensions, code => "use Net::SMTP; my \$s = Net::SMTP->new(\$host, Port => \$port, Timeout => 60) or die \$@;\n$code", @more };
}

sub script {
    my ($name, $code, @more) = @_;
    return { name => $name, @extensions, code => "use Net::SMTP;\n$code", @more };
}

# A port that refuses, as long as the script lives.
my $refusing = 'use Socket; socket my $shut, PF_INET, SOCK_STREAM, 0; bind $shut, pack_sockaddr_in(0, INADDR_LOOPBACK); my $refused = (unpack_sockaddr_in(getsockname $shut))[0];';

my $host_list = { connections => [ map { [ '220 mx.test', '<', '250 mx.test', '<', '221 bye' ] } 1 .. 4 ] };

scripts(
    inside('command and response, and a second hello', 'out($s->command("XCLIENT", "NAME=x.test", "ADDR=10.0.0.1")->response, $s->code, $s->message, ref $s->command("NOOP")); out($s->response); out($s->hello("second.test"), parts([ $s->supports("SIZE"), $s->supports("XCLIENT") ]), $s->mail("a\@test"), $s->quit);', smtp => { on => { XCLIENT => '220 mx.test again' } }),
    inside('a second hello without arguments', 'out($s->hello, $s->domain, ${*$s}{net_smtp_hello_domain}); out($s->mail("a\@test"), $s->quit);'),
    inside('a timeout changed in mid-session', 'out($s->timeout, $s->timeout(1), $s->timeout); my $t = time; out($s->help ? "help" : "none"); out($s->code, time - $t < 4 ? "in time" : "late");', script => [ '220 mx.test', '<', '250 mx.test', '<', [ 'delay', 5 ] ], wire => 0),
    inside('a timeout raised in mid-session', 'out($s->timeout(9), $s->timeout, $s->mail("a\@test"), $s->timeout(undef), defined $s->timeout ? 1 : 0, $s->to("b\@test"), $s->quit);'),
    inside('to with SkipBad as a list', '$s->mail("a\@test"); my @ok = $s->to("b\@test", "bad\@test", "c\@test", { SkipBad => 1 }); out(scalar @ok, @ok); @ok = $s->to("bad\@test", { SkipBad => 1 }); out(scalar @ok, $s->code); $s->quit;'),
    inside('to with SkipBad as a scalar', '$s->mail("a\@test"); my $ok = $s->to("b\@test", "bad\@test", { SkipBad => 1 }); out($ok); $ok = $s->to("bad\@test", "bad2\@test", { SkipBad => 1 }); out($ok ? "true" : "false"); out($s->to("bad\@test", { SkipBad => 1 }) ? "true" : "false", $s->quit);'),
    inside('to without it: the first that is refused ends it', '$s->mail("a\@test"); out(scalar($s->to("b\@test", "bad\@test", "c\@test")) ? "true" : "false", $s->code, $s->message); my @all = $s->to("b\@test", "c\@test"); out(@all); out(parts([ $s->to() ])); $s->quit;'),
    inside('cc and bcc, and options for all', '$s->mail("a\@test"); out($s->cc("b\@test", "c\@test"), $s->bcc("d\@test"), $s->to("e\@test", { Notify => ["FAILURE", "DELAY"], ORcpt => "rfc822;e\@test" }), $s->quit);'),
    inside('recipients in an array reference', '$s->mail("a\@test"); local $SIG{__WARN__} = sub { out("warned") }; my @r = $s->to("b\@test", "<c\@test>", "D <d\@test>", " e\@test ", "f\@test (F)"); out(@r); $s->quit;'),
    script('host:port against Port', 'my $s = Net::SMTP->new("$host:$port", Port => 1, Timeout => 60) or die $@; out($s->host =~ /^127.0.0.1:\d+$/ ? "with port" : $s->host, $s->mail("a\@test"), $s->quit);'),
    script('host:port alone', 'my $s = Net::SMTP->new("$host:$port", Timeout => 60) or die $@; out($s->peerport == $port, $s->quit);'),
    script('Host as an argument', 'my $s = Net::SMTP->new(Host => $host, Port => $port, Timeout => 60, Hello => "h.test") or die $@; out($s->host, $s->quit);'),
    script('a port by name and number', 'my $s = Net::SMTP->new($host, Port => "nosuchservice($port)", Timeout => 60); out(ref $s, $s ? $s->quit : "none");'),
    script('hosts in a list', "$refusing my \$s = Net::SMTP->new([ \"\$host:\$refused\", \"\$host:\$port\" ], Timeout => 60) or die \$@; out(\$s->peerport == \$port, \$s->host eq \"\$host:\$port\", \$s->quit);"),
    inside('a sender with a newline', 'out($s->mail("a\@test\n"), $s->to("b\@test\n"), $s->to("c\@test\r\n"), $s->data("x"), $s->quit);', differs => { stock => qr/^1 1 1 1 1$(?s:.*)^MAIL FROM:<a\@test ?>/m, ours => qr/^1 1 1 1 1$(?s:.*)^MAIL FROM:<a\@test ?>\\x0d\nRCPT TO:<b\@test ?>\\x0d\nRCPT TO:<c\@test *>\\x0d$/m }),
    inside('a sender and a recipient with a newline only', 'my ($from, $to) = ("a\@test", "b\@test"); out($s->mail("$from\n"), $s->to("$to\n"), $s->data("x"), $s->quit);'),
    inside('the empty sender', 'out($s->mail(""), $s->to("b\@test"), $s->data("x")); out($s->mail("<>"), $s->quit);'),
    inside('addresses with names', 'for ("A B <a\@test>", "<a\@test>", "a\@test", "<a\@test> trailing", "  a\@test  ", "a", "<a b\@test>") { out($_, $s->mail($_)); $s->reset } $s->quit;'),
    { name => '$NetConfig{smtp_hosts} changed at run time', scripts => $host_list->{connections}, code => 'use Net::SMTP; $Net::Config::NetConfig{smtp_hosts} = ["$host:$port"]; my $s = Net::SMTP->new(Timeout => 60) or die "none: $@"; out($s->host eq "$host:$port", $s->quit); require Net::Config; $s = Net::SMTP->new(Timeout => 60) or die "none: $@"; out($s->quit); Net::Config->import; { local $Net::Config::NetConfig{smtp_hosts} = []; my $n = Net::SMTP->new(Timeout => 60); out($n ? "one" : "none") } { no warnings "once"; $Net::SMTP::NetConfig{smtp_hosts} = ["$host:$port"]; } $s = Net::SMTP->new(Timeout => 60) or die; out($s->quit);', says => qr/^1 1\n1\nnone\n1$/m },
    { name => '$NetConfig{smtp_hosts} by a script that imports it', scripts => $host_list->{connections}, code => 'use Net::SMTP; use Net::Config qw(%NetConfig); $NetConfig{smtp_hosts} = ["$host:$port"]; my $s = Net::SMTP->new(Timeout => 60, Hello => "x.test") or die "none: $@"; out($s->quit);' },

    script('options that programs deal with themselves', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 60, StartTLS => 1, Auth => ["a", "b"], Protocol => "tcp", Path => "/p") or die $@; out($s->mail("a\@test"), $s->quit);'),

    # failures
    script('$@ after a refused connection', "$refusing my \$s = Net::SMTP->new(\$host, Port => \$refused, Timeout => 60); my \$why = \$@ || \$!; out(defined \$s ? 'object' : 'none', \$why =~ s/\$refused/REFUSED/r, \$!{ECONNREFUSED} ? 'refused' : \"\$!\");", says => qr/^none .*refused/mi, wire => 0),
    script('$@ after a banner that refuses', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out(defined $s ? "object" : "none", $@ || $!);', script => ['554 go away'], says => qr/^none Net::SMTP: 554 go away/m),
    script('$@ after a refused hello', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out(defined $s ? "object" : "none", $@ || $!);', script => [ '220 mx.test', '<', '550 no', '<', '550 no, really' ], says => qr/^none Net::SMTP: 550 no, really/m),
    script('$@ after a server that hangs up', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out(defined $s ? "object" : "none", $@ || $!);', script => [ ['close'] ], wire => 0),
    script('$@ after a silent server', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 1); out(defined $s ? "object" : "none", $@ || $!);', script => [ [ 'delay', 4 ] ], wire => 0),
    script('a class that cannot be reached, with or die', "$refusing my \$ok = eval { my \$s = Net::SMTP->new(\$host, Port => \$refused, Timeout => 60) or die \"cannot: \$@\"; 1 }; out(\$ok, \$@ =~ s/\$refused/REFUSED/r);", wire => 0),
    script('the list context of a failed new', "$refusing my \@s = Net::SMTP->new(\$host, Port => \$refused, Timeout => 60); out(scalar \@s);", wire => 0),
    script('new leaves $@ alone when all is well', '$@ = "mine"; my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out($s->mail("a\@test"), $s->quit); eval { die "x\n" }; $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out($s->quit);'),
    inside('calls after quit', '$s->quit; local $SIG{__WARN__} = sub { out("warned", $_[0] =~ /^(.*?) at/) }; out($s->mail("a\@test") ? 1 : 0, $s->code, $s->message, $s->quit ? 1 : 0, $s->ok ? 1 : 0);'),
    inside('a refused sender and what is told', 'out($s->mail("a\@test") ? 1 : 0, $s->code, $s->message, $s->status, $s->ok ? 1 : 0, $s->quit);', smtp => { on => { MAIL => '552-too much' . "\r\n" . '552 really' } }),
    inside('a refused message and what is told', '$s->mail("a\@test"); $s->to("b\@test"); out($s->data("x") ? 1 : 0, $s->code, $s->message, $s->quit);', smtp => { on => { '.' => '554 spam' } }),
    inside('a refused DATA and what is told', '$s->mail("a\@test"); out($s->data("x") ? 1 : 0, $s->code, $s->message, $s->quit);'),
);
