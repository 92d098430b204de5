# A class that is edited or mocked while the program runs.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

# A session whose effects show.
my $session = <<'PERL';
sub session {
    my $class = shift;
    my $s = $class->new($host, Port => $port, Timeout => 60, @_) or return out("no object: $@");
    out(ref $s, $s->banner, $s->domain, parts([ $s->supports('SIZE') ]));
    out($s->mail('a@test', Size => 5), parts([ $s->to('b@test', 'bad@test', { SkipBad => 1 }) ]), $s->code);
    out($s->data("Subject: x\n\n.dot\n"), $s->code, $s->message, parts($s->reset), parts($s->quit));
    return $s;
}
PERL

sub with_session {
    my ($name, $code, @more) = @_;
    return { name => $name, ehlo => [ 'SIZE 1000', 'DSN' ], code => "use Net::SMTP; $session\n$code", @more };
}

scripts(
    with_session('@Net::SMTP::ISA at run time: a class before', '{ package Before; sub datasend { my $s = shift; $s->Net::Cmd::datasend(map { ref $_ ? map { uc } @$_ : uc } @_) } sub timeout { my $s = shift; $main::n++; $s->IO::Socket::timeout(@_) } } unshift @Net::SMTP::ISA, "Before"; session("Net::SMTP"); out($main::n ? "seen" : "not seen"); shift @Net::SMTP::ISA; session("Net::SMTP");'),
    with_session('@Net::SMTP::ISA at run time: the socket class changed', 'use IO::Socket::INET; @Net::SMTP::ISA = map { $_ eq "IO::Socket::IP" ? "IO::Socket::INET" : $_ } @Net::SMTP::ISA; my $s = session("Net::SMTP"); out(map { $s->isa($_) ? 1 : 0 } qw(IO::Socket::INET IO::Socket::IP Net::Cmd));', differs => { stock => qr/^1 queued|^1 250 queued\n.*\n?(?s:.*)^1 0 1$/m, ours => qr/^1 250 queued\n(?s:.*)^1 \d 1$/m }),
    with_session('@Net::SMTP::ISA assigned anew, by those who know only stock', 'use IO::Socket::INET; { package Sock; our @ISA = "IO::Socket::INET"; sub new { my $c = shift; my %a = @_; delete $a{Family}; $main::made++; $c->SUPER::new(%a) } } @Net::SMTP::ISA = ("Net::Cmd", "Sock"); session("Net::SMTP"); out("made $main::made");', says => qr/^made 1$/m),
    with_session('@ISA pushed to', '{ package After; sub extra { "extra " . $_[0]->host } } push @Net::SMTP::ISA, "After"; my $s = session("Net::SMTP"); out($s->extra);'),
    with_session('*Net::SMTP::starttls replaced', 'no warnings "redefine"; *Net::SMTP::starttls = sub { my ($s, %a) = @_; out("starttls", %a); $s->command("STARTTLS")->response; "mine" }; my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out($s->starttls(a => 1), $s->code, $s->mail("a\@test"), $s->quit);', as => [ 'replace', 'direct' ]),
    with_session('*Net::SMTP::DESTROY replaced', 'no warnings "redefine"; my $n = 0; *Net::SMTP::DESTROY = sub { $n++; out("destroyed", ref $_[0], defined fileno $_[0] ? "open" : "closed") }; { my $s = session("Net::SMTP") } { my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) } out($n);', as => [ 'replace', 'direct' ], says => qr/^2$/m),
    with_session('local *Net::Cmd::getline', 'no warnings "redefine"; my $old = \&Net::Cmd::getline; my $n = 0; { local *Net::Cmd::getline = sub { my $l = $old->(@_); $n++; $l =~ s/ok/OK/ if defined $l; $l }; session("Net::SMTP") } my $had = $n; session("Net::SMTP"); out($had, $n);', as => [ 'replace', 'direct' ]),
    with_session('local *Net::SMTP::new', 'no warnings "redefine"; { local *Net::SMTP::new = sub { my $class = shift; out("new", $class, scalar @_); bless {}, "Fake" }; my $s = Net::SMTP->new($host); out(ref $s, ref(Net::SMTP->new)) } session("Net::SMTP");', as => [ 'replace', 'direct' ], says => qr/^Fake Fake$/m),
    with_session('*Net::SMTP::new wrapped for good', 'no warnings "redefine"; my $old = \&Net::SMTP::new; *Net::SMTP::new = sub { my ($class, $h, %a) = @_; $old->($class, $h, %a, Hello => "wrapped.test") }; session("Net::SMTP");', as => [ 'replace', 'direct' ]),
    with_session('$Net::SMTP::VERSION assigned', '{ local $Net::SMTP::VERSION = "9.5"; out(Net::SMTP->VERSION, eval { Net::SMTP->VERSION(9); 1 }) } $Net::SMTP::VERSION = 1; out(Net::SMTP->VERSION, eval { Net::SMTP->VERSION(2); 1 } ? "yes" : "no"); session("Net::SMTP");', as => [ 'replace', 'direct' ]),
    { name => 'a mocked class in its place, loaded before', code => 'BEGIN { package Net::SMTP; $INC{"Net/SMTP.pm"} = "mock"; no warnings "redefine"; sub new { my $c = shift; main::out("mocked new"); bless {}, $c } sub mail { "mocked mail" } sub AUTOLOAD { our $AUTOLOAD; return if $AUTOLOAD =~ /DESTROY/; "auto" } } use Net::SMTP; my $s = Net::SMTP->new($host); out(ref $s, $s->mail("x"));', says => qr/^mocked new\nNet::SMTP mocked mail$/m },
    { name => 'a mocked class in its place, by an object that is a hash', code => 'use Net::SMTP; { package Mock::SMTP; our @ISA = "Net::SMTP"; sub new { bless { sent => [] }, shift } for my $m (qw(mail to data datasend dataend quit)) { no strict "refs"; *$m = sub { my $s = shift; push @{ $s->{sent} }, $m, @_; 1 } } } no warnings "redefine"; local *Net::SMTP::new = sub { Mock::SMTP->new }; my $s = Net::SMTP->new("x"); out($s->mail("a"), $s->to("b"), $s->data, $s->datasend("x"), $s->dataend, $s->quit, @{ $s->{sent} }, $s->isa("Net::SMTP"));', as => [ 'replace', 'direct' ], says => qr/^1 1 1 1 1 1 mail a to b/m },
    { name => 'methods mocked one by one', ehlo => ['SIZE 1'], code => 'use Net::SMTP; no warnings "redefine"; my @log; for my $m (qw(mail to data quit)) { no strict "refs"; my $old = \&{"Net::SMTP::$m"}; *{"Net::SMTP::$m"} = sub { push @log, $m; goto &$old } } my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out($s->mail("a\@test"), $s->to("b\@test"), $s->data("x"), $s->quit, @log);', as => [ 'replace', 'direct' ], says => qr/^1 1 1 1 mail to data quit$/m },
);
