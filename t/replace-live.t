# Objects that the core module made go on working when ours takes its place, wherever they are.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

# The same script, but that TAKE does nothing with stock.
sub live {
    my ($name, $code, @more) = @_;
    return {
        name => $name, ehlo => [ 'SIZE 1000', 'DSN', 'BINARYMIME', 'CHUNKING' ], as => 'plain', code => <<"PERL", @more };
use Net::SMTP;
sub take {
    return if \$ENV{NSX_STOCK};
    require Net::SMTP::XS;
    Net::SMTP::XS->import(':replace');
    die 'not taken' if Net::SMTP->can('mail') != Net::SMTP::XS->can('mail');
}
my \$s = Net::SMTP->new(\$host, Port => \$port, Timeout => 60) or die \$@;
$code
PERL
}

scripts(
    live('an idle object', 'take(); out($s->mail("a\@test", Size => 5), $s->to("b\@test", "bad\@test", { SkipBad => 1 }), $s->data("x\n.y\n"), $s->code, $s->message, $s->quit);'),
    live('what is known stays known', 'take(); out($s->host, $s->banner, $s->domain, $s->code, parts([ $s->message ]), $s->timeout, parts([ $s->supports("SIZE") ]), $s->debug, $s->ok ? 1 : 0, $s->isa("Net::SMTP") ? 1 : 0, ref $s); $s->quit;'),
    live('between mail and data', '$s->mail("a\@test"); $s->to("b\@test"); take(); out($s->to("c\@test"), $s->data("x"), $s->quit);'),
    live('in mid-message, at the start of a line', '$s->mail("a\@test"); $s->to("b\@test"); $s->data; $s->datasend("one\n"); take(); out($s->datasend(".two\n"), $s->dataend, $s->code, $s->quit);'),
    live('in mid-message, in mid-line', '$s->mail("a\@test"); $s->to("b\@test"); $s->data; $s->datasend("one"); take(); out($s->datasend(".two"), $s->dataend, $s->code, $s->quit);'),
    live('in mid-message, between CR and LF', '$s->mail("a\@test"); $s->to("b\@test"); $s->data; $s->datasend("one\r"); take(); out($s->datasend("\n.two\r\n"), $s->dataend, $s->code, $s->quit);'),
    live('after DATA, before anything is sent', '$s->mail("a\@test"); $s->to("b\@test"); $s->data; take(); out($s->datasend(".first\n"), $s->dataend, $s->quit);'),
    live('in mid-message, which quit ends', '$s->mail("a\@test"); $s->to("b\@test"); $s->data; $s->datasend("one\n"); take(); out($s->quit);'),
    live('in mid-message, by the handle', '$s->mail("a\@test"); $s->to("b\@test"); my $fh = $s->datafh; print {$fh} "one\n"; take(); print {$fh} ".two\n"; out(close $fh ? 1 : 0, $s->code, $s->quit);'),
    live('between chunks', '$s->mail("a\@test", Bits => "binary"); $s->to("b\@test"); out($s->bdat("abc")); take(); out($s->bdatlast("def"), $s->code, $s->quit);'),
    live('a reply that is still to be read', '$s->command("NOOP"); take(); out($s->response, $s->code, $s->message, $s->mail("a\@test"), $s->quit);'),
    live('lines that were received and not read', '$s->command("HELP"); out(parts($s->getline)); out(scalar @{ ${*$s}{net_cmd_lines} || [] } ? "kept" : "none"); take(); out(parts($s->getline), $s->mail("a\@test"), $s->quit);',
        replies => [ "214-first\r\n214 second", '250 ok', '221 bye' ]),
    live('two replies at once, one read', '$s->command("X"); out($s->response, $s->code); take(); out($s->response, $s->code, $s->message, $s->quit);', replies => [ "250 one\r\n251 two", '221 bye' ]),
    live('half a line', '$s->command("X"); out($s->response, $s->code, length ${*$s}{net_cmd_partial}); $s->timeout(5); take(); out($s->response, $s->code, $s->message, $s->quit);', script => [ '220 mx.test', '<', '250 mx.test', '<', [ 'send', "250 one\r\n251-two\r\n25" ], [ 'delay', 1 ], [ 'send', "1 three\r\n" ], '<', '221 bye' ]),
    live('a line that was pushed back', '$s->command("X"); my $l = $s->getline; $s->ungetline($l); $s->ungetline("299-pushed\n"); take(); out(parts([ map { $s->getline } 1, 2 ]), $s->quit);', replies => [ '250 ok', '221 bye' ]),
    live('with Debug', '$s->debug(1); take(); $s->mail("a\@test"); out($s->debug(0), $s->quit);', says => qr/>>> MAIL/),
    live('of a subclass', '{ package My::Live; our @ISA = "Net::SMTP"; sub _RCPT { my $s = shift; main::out("rcpt @_"); $s->SUPER::_RCPT(@_) } sub getline { my $l = $_[0]->SUPER::getline; $l =~ s/ok/fine/ if defined $l; $l } } bless $s, "My::Live"; $s->mail("a\@test"); take(); out($s->to("b\@test"), $s->message, $s->data("x"), $s->quit);'),
    live('a method called by a reference taken before', 'my ($mail, $to, $quit) = map { $s->can($_) } qw(mail to quit); take(); out($s->$mail("a\@test"), $s->$to("b\@test"), $s->data("x"), $s->$quit);'),
    live('a closure made before, a class made before', 'my $send = sub { $s->mail("a\@test") && $s->to(@_) && $s->data("x") }; { package My::Before; our @ISA = "Net::SMTP"; sub mail { my $s = shift; $s->SUPER::mail("x$_[0]") } } take(); out($send->("b\@test"), $s->quit);'),
    live('a class that copied the stash before', '{ package My::Copy; our @ISA = @Net::SMTP::ISA; no strict "refs"; *{$_} = \&{"Net::SMTP::$_"} for grep { defined &{"Net::SMTP::$_"} } keys %Net::SMTP:: } bless $s, "My::Copy"; $s->mail("a\@test"); take(); out($s->to("b\@test"), $s->data("x"), $s->quit);'),
    live('a closed one', '$s->quit; take(); out($s->mail("a\@test") ? 1 : 0, $s->code, $s->message, defined fileno $s ? "open" : "closed");'),
    live('that nobody uses any more', 'take(); undef $s; out("gone"); $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out($s->quit);'),
    live('beside a new one of ours', 'take(); my $t = Net::SMTP->new($host, Port => $port, Timeout => 60); out($s->mail("a\@test"), $t->mail("b\@test"), $s->to("c\@test"), $t->to("d\@test"), $s->data("x"), $t->data("y"), $t->quit, $s->quit);', server => { concurrent => 1 }),
    live('and a child', '$s->mail("a\@test"); take(); my $pid = fork; if (!$pid) { undef $s; exit 0 } waitpid $pid, 0; out($s->to("b\@test"), $s->quit);'),
);
