# What programs ask the class: isa, can, its version, its stash.
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
    with_session('indirect object syntax', 'my $s = new Net::SMTP($host, Port => $port, Timeout => 60) or die; out(ref $s); my $t = new Net::SMTP(Host => $host, Port => $port, Timeout => 60, Hello => "x.test"); out(ref $t, $t->quit, $s->quit);', as => [ 'replace', 'direct' ],
        server => { concurrent => 1 }),
    with_session('UNIVERSAL::isa', 'my $s = session("Net::SMTP"); out(map { UNIVERSAL::isa($s, $_) ? 1 : 0 } qw(Net::SMTP Net::Cmd IO::Socket GLOB HASH UNIVERSAL Other)); out(map { UNIVERSAL::isa("Net::SMTP", $_) ? 1 : 0 } qw(Net::SMTP Net::Cmd IO::Socket IO::Handle Exporter Other));', says => qr/^1 1 1 1 0 .* 0$/m),
    with_session('UNIVERSAL::can', 'out(map { UNIVERSAL::can("Net::SMTP", $_) ? 1 : 0 } qw(new mail starttls auth datasend response blocking connect can isa import no_such));'),
    with_session('can of every method', 'out($_, ref(Net::SMTP->can($_)) || "none") for qw(new starttls auth can_ssl can_inet6 host banner domain hello supports etrn mail send send_or_mail send_and_mail reset recipient to cc bcc data bdat bdatlast datafh expand verify help quit code message ok status command response datasend dataend rawdatasend getline ungetline read_until_dot tied_fh debug debug_print debug_text set_status timeout sockhost peerhost fileno close no_such CMD_OK CMD_MORE);'),
    with_session('what can gives is what a call calls', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); for (qw(mail to data quit)) { my $m = Net::SMTP->can($_); out($_, $m == $s->can($_) ? 1 : 0, $s->$m($_ eq "mail" ? "a\@test" : $_ eq "to" ? "b\@test" : $_ eq "data" ? "x" : ())) }'),
    with_session('defined &', 'out(map { defined &$_ ? 1 : 0 } \&Net::SMTP::starttls, \&Net::SMTP::auth) ; out(defined &Net::SMTP::starttls ? 1 : 0, defined &Net::SMTP::new ? 1 : 0, defined &Net::SMTP::_SSL::starttls ? 1 : 0, defined &Net::SMTP::no_such ? 1 : 0, defined &Net::Cmd::getline ? 1 : 0, exists &Net::SMTP::mail ? 1 : 0);', differs => { stock => qr/^1 1\n1 1 1 0 1 1$/m, ours => qr/^1 1\n1 1 [01] 0 1 1$/m }),
    with_session('each method called by its full name', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); out(Net::SMTP::mail($s, "a\@test"), Net::SMTP::to($s, "b\@test"), Net::SMTP::data($s), Net::Cmd::datasend($s, "x\n"), Net::Cmd::dataend($s), Net::Cmd::code($s), $s->Net::Cmd::message, $s->Net::SMTP::quit);', as => [ 'replace', 'direct' ]),
    with_session('use with a version', 'use Net::SMTP 3.07; out(Net::SMTP->VERSION(3.07) >= 3.07 ? 1 : 0, $Net::SMTP::VERSION > 3 ? 1 : 0, Net::Cmd->VERSION(3) > 3 ? 1 : 0); session("Net::SMTP");'),
    with_session('require at run time', 'my $class = join "::", "Net", "SMTP"; my $file = "Net/SMTP.pm"; out(eval { require $file } ? 1 : $@); out(eval "require $class" ? 1 : $@); session($class);'),
    { name => 'required within an eval only when needed', code => "$session my \$ok = eval { require Net::SMTP; Net::SMTP->import; 1 }; out(\$ok); session('Net::SMTP');" },
    with_session('%INC and @ISA', 'out(join(" ", grep { !/XS/ } @Net::SMTP::ISA), join(" ", @Net::Cmd::ISA), map { exists $INC{$_} ? 1 : 0 } qw(Net/SMTP.pm Net/Cmd.pm Net/Config.pm IO/Socket.pm IO/Socket/IP.pm Socket.pm Carp.pm));'),
    with_session('a deleted %INC entry and a second require', 'session("Net::SMTP"); delete $INC{"Net/SMTP.pm"}; { no warnings; local $SIG{__WARN__} = sub { }; out(require Net::SMTP) } out(exists $INC{"Net/SMTP.pm"}); session("Net::SMTP");', says => qr/(?:^1 250 queued\n(?s:.*)){2}/m),
    with_session('both deleted, and an object that lives on', 'my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); $s->mail("a\@test"); delete @INC{"Net/SMTP.pm", "Net/Cmd.pm"}; { no warnings; local $SIG{__WARN__} = sub { }; out(require Net::Cmd, require Net::SMTP) } out($s->to("b\@test"), $s->data("x\n"), $s->code, $s->quit); session("Net::SMTP");'),
    with_session('every use of it under all warnings', 'use warnings FATAL => "all"; BEGIN { $^W = 1 } local $SIG{__DIE__} = sub { out("died", @_) }; session("Net::SMTP"); require Net::SMTP; Net::SMTP->import; session("Net::SMTP", Hello => "w.test");'),
    with_session('import with a list', 'out(eval { Net::SMTP->import(); 1 } ? "fine" : $@, eval { Net::SMTP->import("CMD_OK"); 1 } ? "fine" : "refused", eval { Net::Cmd->import("CMD_OK"); 1 } ? "fine" : "refused", eval { Net::Cmd->import("none"); 1 } ? "fine" : "refused");', says => qr/^fine refused fine refused$/m),
    with_session('the subs in the stash, each a CODE slot', 'no strict "refs"; for my $class (qw(Net::SMTP Net::Cmd)) { out($class, $_) for sort grep { !/::|^(?:BEGIN|carp|croak|confess|import|NetConfig|EINTR|gensym|pack_.*|unpack_.*|[A-Z]{2,}_.*|inet_.*|sockaddr.*|[a-z]*addr.*|get\w+info|SOMAXCONN|IP.*|SO.*|MSG.*|AF.*|PF.*|INADDR.*|TCP.*|SHUT.*|SCM.*|IN6.*|EAI.*|AI.*|NI.*|UIO.*|IOV.*|ucred.*|\$CRLF|\$CR|\$LF|CRLF|LF|CR)$/ && defined *{"${class}::$_"}{CODE} } keys %{"${class}::"} }', differs => { stock => qr/^Net::SMTP mail$/m, ours => qr/^Net::SMTP mail$/m }),
    with_session('no sub of stock is missing from the stash', 'out("missing:", grep { !defined &{\&{"Net::SMTP::$_"}} } qw(new can_ssl can_inet6 host banner domain hello supports etrn auth starttls mail send send_or_mail send_and_mail reset recipient to cc bcc data bdat bdatlast datafh expand verify help quit DESTROY _addr _EHLO _HELO _MAIL _RCPT _SEND _SAML _SOML _VRFY _EXPN _HELP _RSET _NOOP _QUIT _DATA _BDAT _TURN _ETRN _AUTH _STARTTLS CMD_OK CMD_MORE carp croak)); ' =~ s/^/no strict "refs"; /r, says => qr/^missing:$/m),
    with_session('methods as constants of Net::Cmd', 'out(Net::SMTP::CMD_OK(), Net::SMTP->CMD_MORE, Net::Cmd::CMD_PENDING(), Net::Cmd->CMD_ERROR, "@Net::Cmd::EXPORT");'),
);
