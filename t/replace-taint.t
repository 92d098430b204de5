# Taint mode: PERL5OPT and PERL5LIB are ignored there, a switch on the command line counts.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

my $session = <<'PERL';
use Scalar::Util 'tainted';
sub marks { out(map { defined $_ ? tainted($_) ? "[$_]" : $_ : 'undef' } @_) }
my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or die "none: $@";
PERL


sub tainted_run {
    my ($name, $code, @more) = @_;
    return { name => $name, switches => ['-T'], ehlo => [ 'SIZE 1000', 'AUTH PLAIN' ], code => "use Net::SMTP; $session $code", @more };
}

scripts(
    tainted_run('the switch on the command line counts', 'out(${^TAINT}, ref $s, $ENV{NSX_STOCK} || Net::SMTP->isa("Net::SMTP::XS") ? "as asked" : "not ours"); $s->quit;', says => qr/^1 Net::SMTP as asked$/m),
    tainted_run('PERL5OPT is ignored', 'out(Net::SMTP->isa("Net::SMTP::XS") ? "ours" : "core", ${^TAINT}); $s->quit;', as => 'env', stock => 0, says => qr/^core 1$/m),
    tainted_run('asked for in the script', 'out(Net::SMTP->isa("Net::SMTP::XS") ? "ours" : "core", ${^TAINT}); $s->quit;', as => 'use', stock => 0, says => qr/^ours 1$/m),
    tainted_run('after the core module', 'out(ref $s, ${^TAINT}); marks($s->banner, $s->domain); $s->quit;', as => 'after'),
    tainted_run('by the class itself', 'marks($s->banner, $s->message, $s->code, $s->domain); $s->quit;', as => 'direct'),
    tainted_run('banner and message are tainted, code and domain are not', 'marks($s->banner, $s->domain, $s->code, $s->status, $s->message); marks($s->supports("SIZE"), $s->supports("AUTH"), $s->host eq $host ? 1 : 0); $s->help; marks($s->code, map { s/\n//r } $s->message); $s->quit;', says => qr/^\[mx.test ready\n\] mx.test 250/m),
    tainted_run('what is sent may be tainted', 'my $t = substr $ENV{PATH}, 0, 0; out(tainted($t) ? "tainted" : "clean"); out($s->mail("a\@test$t"), $s->to("b\@test$t"), $s->data("x$t\n"), $s->mail("a\@test"), $s->to("b\@test"), $s->data, $s->datasend("y$t"), $s->dataend, $s->quit);', says => qr/^tainted$/m),
    tainted_run('a line read is tainted, a program may not be run with it', '$s->command("HELP"); my $l = $s->getline; marks($l =~ s/\r?\n//r); out(eval { system "echo $l"; 1 } ? "ran" : $@ =~ /^(Insecure)/); $s->response; $s->quit;', says => qr/^Insecure$/m),
    tainted_run('a failed new', 'socket my $fh, 2, 1, 0; my $n = Net::SMTP->new("127.0.0.1:1", Timeout => 2); out(defined $n ? "object" : "none", $@ || $! ? "why" : "no reason"); $s->quit;'),
    tainted_run('Net::Cmd of another class', '{ package My::Own; require IO::Socket::INET; our @ISA = ("Net::Cmd", "IO::Socket::INET") } my $o = My::Own->new(PeerAddr => $host, PeerPort => $port, Timeout => 60) or die; out($o->response); marks($o->code, $o->message); $o->command("QUIT")->response; $s->quit;', server => { concurrent => 1 }),
);
