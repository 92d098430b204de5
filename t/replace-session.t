# What programs do in mid-session: messages left open, builtins on the handle, alarms, forks, threads.
use strict;
use warnings;
use lib 't/lib';
use Config;
use NSX::Test::Script;

my @extensions = (ehlo => [ 'SIZE 1000', 'DSN' ]);

# A script with a connected $s.
sub inside {
    my ($name, $code, @more) = @_;
    return { name => $name, @extensions, code => "use Net::SMTP; my \$s = Net::SMTP->new(\$host, Port => \$port, Timeout => 60) or die \$@;\n$code", @more };
}

sub script {
    my ($name, $code, @more) = @_;
    return { name => $name, @extensions, code => "use Net::SMTP;\n$code", @more };
}

my $no_threads = $Config{useithreads} ? undef : 'this perl has no threads';

scripts(
    # the message left open
    inside('datasend and quit with no dataend', 'out($s->mail("a\@test"), $s->to("b\@test"), $s->data, $s->datasend("Subject: x\n", "\n", "text\n", ".dot"), $s->quit, $s->code);'),
    inside('datasend, then the next mail', 'out($s->mail("a\@test"), $s->to("b\@test"), $s->data, $s->datasend("x"), $s->mail("c\@test"), $s->code, $s->to("d\@test"), $s->data("y"), $s->quit);'),
    inside('data and then dataend again', 'out($s->mail("a\@test"), $s->to("b\@test"), $s->data("x\n"), $s->dataend ? "true" : "false", $s->code, $s->mail("c\@test"), $s->dataend ? "true" : "false", $s->code, $s->quit);', says => qr/^1 1 1 true 250 1 true/m),
    inside('dataend with nothing sent', 'out($s->mail("a\@test"), $s->to("b\@test"), $s->data, $s->dataend, $s->code, $s->quit);'),
    inside('data() with a list, an array, both', 'for my $d ([["a\n", "b\n"]], ["a\n", "b\n"], [["x\n"]]) { $s->mail("a\@test"); $s->to("b\@test"); out($s->data(@$d), $s->code) } $s->quit;'),
    inside('a filehandle for the message', 'for my $n (1, 2) { $s->mail("a\@test"); $s->to("b\@test"); my $fh = $s->datafh or die; print {$fh} "Subject: $n\n"; print {$fh} "text\n"; out(close $fh ? "closed" : "not", $s->code) } $s->quit;'),

    # the handle as a handle
    inside('fileno, eof and close of Perl', 'out(defined fileno $s ? 1 : 0, fileno $s == fileno *$s ? 1 : 0, defined $s->fileno ? 1 : 0, $s->opened ? 1 : 0, $s->connected ? 1 : 0, -S $s ? "socket" : "none"); out(close $s ? 1 : 0, defined fileno $s ? 1 : 0, defined $s->fileno ? 1 : 0); out($s->mail("a\@test") ? 1 : 0, $s->code, $s->message);'),
    inside('eof after the server has gone', 'out(eof $s ? "end" : "more", eof($s) ? "end" : "more");', script => [ '220 mx.test', '<', '250 mx.test', ['close'] ], says => qr/^end end$/m),
    inside('print to it', 'out(print {$s} "NOOP\r\n"); $s->flush; out($s->response, $s->message); print $s "NO", "OP", "\r\n"; out($s->response); printf {$s} "%s\r\n", "NOOP"; out($s->response, $s->code); $s->print("NOOP\r\n"); out($s->response); $s->quit;'),
    inside('syswrite and sysread', 'out(syswrite $s, "HELP\r\n"); my $got = ""; while ($got !~ /^214 .*\n/m) { sysread $s, $got, 100, length $got or last } out(parts($got)); out($s->mail("a\@test"), $s->quit);'),
    inside('readline from it', '$s->command("HELP"); my $l = <$s>; out(parts($l)); $l = readline $s; out(parts($l)); out($s->quit);'),
    inside('select on it, in four words and one', 'my $r = ""; vec($r, fileno $s, 1) = 1; out(scalar select my $x = $r, undef, undef, 0.05); $s->command("NOOP"); out(scalar select $x = $r, undef, undef, 5); out($s->response); my $old = select $s; $| = 1; print "NOOP\r\n"; select $old; out($s->response, $s->quit);'),
    inside('IO::Select', 'use IO::Select; my $sel = IO::Select->new($s); out(scalar $sel->can_read(0.05)); $s->command("NOOP"); my @r = $sel->can_read(5); out(scalar @r, $r[0] == $s ? "itself" : "another", $s->response, $s->quit);'),
    inside('a true glob, as *$s', 'use Scalar::Util "reftype"; out(reftype $s, ref \*$s, ref *$s{IO}, ref *$s{HASH}, "$s" =~ /^Net::SMTP=GLOB/ ? "text" : "", *$s =~ /^\*/ ? "star" : ""); out(fileno *$s == fileno $s ? 1 : 0, defined *$s{IO}); local *FH = *$s; out(fileno FH == fileno $s ? 1 : 0); print FH "NOOP\r\n"; $s->flush; out($s->response, $s->quit);'),
    inside('a copied glob keeps the connection', 'open my $copy, "+<&", $s or die; out(defined fileno $copy ? 1 : 0); undef $s; syswrite $copy, "NOOP\r\n"; my $l = <$copy>; out(parts($l));'),
    inside('binmode, blocking, autoflush, sockopts', 'use Socket; out(binmode($s) ? 1 : 0, $s->blocking, $s->autoflush(1) ? 1 : 0, $s->peerport == $port ? 1 : 0, $s->peerhost, $s->sockhost, $s->sockdomain == AF_INET ? 1 : 0, $s->socktype == SOCK_STREAM ? 1 : 0, $s->protocol); out(defined $s->sockopt(SO_KEEPALIVE) ? 1 : 0, $s->setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1) ? 1 : 0, length getpeername $s); out($s->mail("a\@test"), $s->quit);'),
    inside('kept as a bareword, in a hash and an array', 'my %h = (smtp => $s); my @a = ($s); our $global = $s; undef $s; out($h{smtp}->mail("a\@test"), $a[0]->to("b\@test"), $global->data("x"), $h{smtp} == $a[0]); out(delete($h{smtp})->quit);'),

    # alarms
    script('an alarm around a whole session, then another session', 'sub one { my $ok = eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 10; my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or die; $s->mail("a\@test"); $s->to("b\@test"); $s->data("x"); $s->quit; alarm 0; 1 }; alarm 0; out($ok, $@) } one() for 1 .. 3;'),
    script('an alarm that strikes, then another session', 'use Time::HiRes (); my $ok = eval { local $SIG{ALRM} = sub { die "alarm\n" }; Time::HiRes::alarm(0.5); my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or die "none"; out($s->mail("a\@test")); $s->to("b\@test"); 1 }; Time::HiRes::alarm(0); out($ok, $@); my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or die; out($s->mail("c\@test"), $s->to("d\@test"), $s->data("x"), $s->quit);',
        scripts => [ [ '220 mx.test', '<', '250 mx.test', '<', '250 ok' ], [ '220 mx.test', '<', '250 mx.test', '<', '250 ok', '<', '250 ok', '<', '354 go', ['body'], '250 taken', '<', '221 bye' ] ], server => { concurrent => 1 }, says => qr/^1\nundef alarm\n\n1 1 1 1$/m),
    script('an alarm that strikes in new', 'use Time::HiRes (); my $s = eval { local $SIG{ALRM} = sub { die "alarm\n" }; Time::HiRes::alarm(0.4); Net::SMTP->new($host, Port => $port, Timeout => 60) }; Time::HiRes::alarm(0); out(ref $s, $@); $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out(ref $s, $s->quit);',
        scripts => [ [ [ 'delay', 1 ] ], [ '220 mx.test', '<', '250 mx.test', '<', '221 bye' ] ], server => { concurrent => 1 }, says => qr/^ alarm$/m),

    # forks and threads
    inside('a child that exits leaves the session alone', '$s->mail("a\@test"); my $pid = fork; if (!$pid) { undef $s; exit 0 } waitpid $pid, 0; out($?, $s->to("b\@test"), $s->data("x"), $s->quit);'),
    inside('a child that exits with the object', '$s->mail("a\@test"); $s->to("b\@test"); $s->data; $s->datasend("one\n"); my $pid = fork; if (!$pid) { exit 0 } waitpid $pid, 0; out($?, $s->datasend("two\n"), $s->dataend, $s->quit);'),
    inside('a child that goes on with the session', '$s->mail("a\@test"); my $pid = fork; if (!$pid) { out("child", $s->to("b\@test"), $s->data("x"), $s->code); exit 0 } waitpid $pid, 0; out("parent", $?, $s->mail("c\@test"), $s->quit);'),
    inside('the parent closes, the child goes on', 'pipe my $r, my $w; my $pid = fork; if (!$pid) { close $w; <$r>; out("child", $s->mail("a\@test"), $s->quit); exit 0 } close $s; close $w; waitpid $pid, 0; out("parent", $?);'),
    inside('a child that closes it', '$s->mail("a\@test"); my $pid = fork; if (!$pid) { close $s; exit 0 } waitpid $pid, 0; out($?, $s->to("b\@test"), $s->quit);'),
    script('a session of a child, then one of the parent', 'my $pid = fork; if (!$pid) { my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or die; out("child", $s->mail("a\@test"), $s->quit); exit 0 } waitpid $pid, 0; my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or die; out("parent", $?, $s->mail("b\@test"), $s->quit);'),
    inside('a program started in mid-session', '$s->mail("a\@test"); out(scalar `echo hello`); out(system($^X, "-e", "exit 3") >> 8); out($s->to("b\@test"), $s->data("x"), $s->quit);'),
    inside('a thread made and joined in mid-session', 'require threads; $s->mail("a\@test"); my $t = threads->create(sub { 7 }); out($t->join, $s->to("b\@test"), $s->data("x"), $s->quit);', skip => $no_threads),
    script('a thread with a session of its own', 'require threads; my $r = threads->create(sub { my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or return "none"; join ",", $s->mail("a\@test"), $s->to("b\@test"), $s->data("x"), $s->quit })->join; out($r); my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out($s->mail("c\@test"), $s->quit);', skip => $no_threads),
    inside('threads made in the data phase', 'require threads; $s->mail("a\@test"); $s->to("b\@test"); $s->data; for (1 .. 3) { $s->datasend("line $_\n"); threads->create(sub { 1 })->join } out($s->dataend, $s->quit);', skip => $no_threads),
);
