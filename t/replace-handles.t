# Objects that no new of ours made, and the hash that scripts read and write.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

my @both = (as => [ 'replace', 'direct' ]);
my @extensions = (ehlo => [ 'SIZE 1000', 'DSN', 'AUTH PLAIN LOGIN' ]);

# A session on a handle of the script's own making.
my $session = <<'PERL';
sub session {
    my ($s, %arg) = @_;
    ${*$s}{net_smtp_arg} = { Timeout => 60, %arg };
    ${*$s}{net_smtp_host} = 'given.test';
    out($s->response, $s->code, $s->message);
    out($s->hello('own.test'), $s->host, parts([ map { scalar $s->supports($_) } qw(SIZE DSN NONE) ]));
    out($s->mail('a@test', Size => 5), parts([ $s->to('b@test', 'bad@test', { SkipBad => 1 }) ]));
    out($s->data("Subject: x\n\n.dot\n"), $s->code, $s->quit);
}
PERL

sub handle {
    my ($name, $code, @more) = @_;
    return { name => $name, @both, @extensions, code => "use Net::SMTP; $session\n$code", @more };
}

# A script with a connected $s, and what it makes of it.
sub inside {
    my ($name, $code, @more) = @_;
    return { name => $name, @extensions,
        code => "use Net::SMTP; my \$s = Net::SMTP->new(\$host, Port => \$port, Timeout => 60) or die \$@;\n$code", @more };
}

scripts(
    # made elsewhere
    handle('IO::Socket::INET->new, then bless', 'use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 60) or die; bless $s, "Net::SMTP"; session($s);'),
    handle('IO::Socket::IP->new, then bless', 'use IO::Socket::IP; my $s = IO::Socket::IP->new(PeerAddr => $host, PeerPort => $port, Timeout => 60) or die; bless $s, "Net::SMTP"; session($s);', skip => scalar without('IO::Socket::IP')),
    handle('SUPER::new, past the class, as Net::SMTPS does', q{{ package My::SMTPS; our @ISA = 'Net::SMTP';
        sub new { my $self = shift; my $type = ref $self || $self; my ($host, %arg) = @_; my $obj = $type->IO::Socket::INET::new(PeerAddr => $host, PeerPort => $arg{Port}, Proto => 'tcp', Timeout => $arg{Timeout}) or return;
            ${*$obj}{net_smtp_host} = $host; ${*$obj}{net_smtp_arg} = \%arg; $obj->autoflush(1); $obj->debug($arg{Debug});
            unless ($obj->response == Net::Cmd::CMD_OK()) { $obj->close; return }
            (${*$obj}{net_smtp_banner}) = $obj->message; (${*$obj}{net_smtp_domain}) = $obj->message =~ /\A\s*(\S+)/;
            unless ($obj->hello($arg{Hello} || '')) { $obj->close; return } $obj } }
        require IO::Socket::INET; my $s = My::SMTPS->new($host, Port => $port, Timeout => 60, Hello => 'smtps.test') or die; out(ref $s, $s->banner, $s->domain, $s->host, $s->timeout, $s->mail('a@test', Size => 5), $s->to('b@test'), $s->data("x\n"), $s->quit);}),
    handle('SUPER::new of a class with both parents', q{{ package My::Two; use IO::Socket::INET; our @ISA = ('Net::SMTP', 'IO::Socket::INET');
        sub new { my ($class, %arg) = @_; my $obj = $class->IO::Socket::INET::new(%arg) or return; $obj } }
        my $s = My::Two->new(PeerAddr => $host, PeerPort => $port, Timeout => 60) or die; session($s);}),
    handle('Net::Cmd first and a socket class, as Net::SMTP::TLS was built', q{{ package My::Cmd; use IO::Socket::INET; our @ISA = ('Net::Cmd', 'IO::Socket::INET'); }
        my $s = My::Cmd->new(PeerAddr => $host, PeerPort => $port, Timeout => 60) or die; out($s->response, $s->message); out($s->command('EHLO', 'x.test')->response, parts([ $s->message ])); out($s->command('QUIT')->response, $s->close);}),
    handle('a plain socket, blessed', 'use Socket; use Symbol; my $s = gensym; socket $s, PF_INET, SOCK_STREAM, 0 or die; connect $s, pack_sockaddr_in($port, inet_aton($host)) or die; bless $s, "Net::SMTP"; select((select($s), $| = 1)[0]); session($s);'),
    handle('a handle opened upon a descriptor', 'use IO::Socket::INET; my $raw = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die; my $s = bless IO::Handle->new_from_fd(fileno $raw, "r+"), "Net::SMTP"; $s->autoflush(1); session($s);'),
    handle('a SOCKS handle: greeted by another protocol before it is blessed', q{{ package My::Socks; use IO::Socket::INET; our @ISA = 'IO::Socket::INET'; sub new { my ($c, %a) = @_; my $s = IO::Socket::INET::new($c, PeerAddr => $a{ProxyAddr}, PeerPort => $a{ProxyPort}, Timeout => 60) or return; syswrite $s, "\x05\x01\x00"; sysread $s, my $r, 2; return unless $r eq "\x05\x00"; ${*$s}{SOCKS} = { ok => 1 }; $s } }
        my $s = My::Socks->new(ProxyAddr => $host, ProxyPort => $port) or die "no proxy"; bless $s, 'Net::SMTP'; session($s); out(${*$s}{SOCKS}{ok});},
        script => [ [ 'octets', 3 ], [ 'send', "\x05\x00" ], '220 mx.test ready', '<', '250-mx.test', '250 SIZE 9', '<', '250 ok', '<', '250 ok', '<', '550 no', '<', '354 go', ['body'], '250 taken', '<', '221 bye' ]),
    handle('a SOCKS class put before the class', q{{ package My::Via; our @ISA = 'Net::SMTP'; sub new { my ($c, $h, %a) = @_; require IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => $h, PeerPort => $a{Port}) or return; bless $s, $c; $s->timeout(5); ${*$s}{net_smtp_arg} = \%a; $s } } my $s = My::Via->new($host, Port => $port); session($s);}),
    handle('blessed into another class in mid-session', q{{ package My::Late; our @ISA = 'Net::SMTP'; sub _RCPT { my $s = shift; main::out("late @_"); $s->SUPER::_RCPT(@_) } } my $s = Net::SMTP->new($host, Port => $port, Timeout => 60); $s->mail('a@test'); bless $s, 'My::Late'; out($s->to('b@test'), $s->data('x'), $s->quit);}),
    handle('an object of the script, of which the handle is a part', q{{ package My::Wrap; our $AUTOLOAD; sub new { my ($c, @a) = @_; bless { smtp => Net::SMTP->new(@a) }, $c } sub AUTOLOAD { my $s = shift; (my $m = $AUTOLOAD) =~ s/.*:://; return if $m eq 'DESTROY'; $s->{smtp}->$m(@_) } } my $s = My::Wrap->new($host, Port => $port, Timeout => 60); out($s->mail('a@test'), $s->to('b@test'), $s->data('x'), $s->code, $s->quit);}),
    handle('a pipe to a program', q{use IO::Handle; { package My::Pipe; our @ISA = ('Net::Cmd', 'IO::Handle'); sub timeout { 5 } } pipe my $r, my $w or die; syswrite $w, "220-one\r\n220 two\r\n250 three\r\n"; my $s = bless $r, 'My::Pipe'; out($s->response, parts([ $s->message ]), $s->response, $s->message, $s->code); close $w; out($s->response, $s->code, $s->ok ? 1 : 0);}, wire => 0),
    handle('a temporary file', q{use File::Temp; use IO::File; { package My::File; our @ISA = ('Net::Cmd', 'IO::File'); sub timeout { } sub response { 2 } } my $s = My::File->new_tmpfile or die; out(ref $s, $s->datasend("one\n", ".two\n", "th", "ree\n"), $s->dataend || 'none'); seek $s, 0, 0; local $/; out(parts(scalar readline $s));}, wire => 0, says => qr/one\\r\\n\.\.two\\r\\nthree\\r\\n\.\\r\\n/),
    handle('read_until_dot from a file', q{use IO::File; { package My::File; our @ISA = ('Net::Cmd', 'IO::File'); sub timeout { 5 } } my $s = My::File->new_tmpfile or die; print {$s} "one\r\n..two\r\n.\r\nrest\r\n"; seek $s, 0, 0; out(parts($s->read_until_dot)); out(parts($s->getline));}, wire => 0),

    # read and written between calls
    inside('the AUTH list is written before auth', '${*$s}{net_smtp_esmtp}{AUTH} = "LOGIN"; out(scalar $s->supports("AUTH"), ${*$s}{net_smtp_esmtp}{SIZE}); ${*$s}{net_smtp_esmtp}{NEW} = "x y"; out(scalar $s->supports("NEW")); delete ${*$s}{net_smtp_esmtp}{SIZE}; out(defined $s->supports("SIZE") ? 1 : 0); local $SIG{__WARN__} = sub { out("warned", $_[0] =~ /(SIZE\S* option not supported)/) }; out($s->mail("a\@test", Size => 5), $s->quit);'),
    inside('the second line of a reply is read', 'out($s->help, ${${*$s}{net_cmd_resp}}[1], scalar @{ ${*$s}{net_cmd_resp} }, ${*$s}{net_cmd_code}, ${${*$s}{net_cmd_resp}}[-1]); $s->quit;'),
    inside('the reply is written', '$s->help; ${${*$s}{net_cmd_resp}}[1] = "mine\n"; ${*$s}{net_cmd_code} = "551"; out($s->message, $s->code, $s->status, $s->ok ? 1 : 0); ${*$s}{net_cmd_resp} = ["all new"]; out(parts([ $s->message ])); out($s->mail("a\@test"), $s->code, $s->quit);'),
    inside('host, banner, domain, arguments', '${*$s}{net_smtp_host} = "h"; ${*$s}{net_smtp_banner} = "b"; ${*$s}{net_smtp_domain} = "d"; out($s->host, $s->banner, $s->domain, parts([ sort keys %{ ${*$s}{net_smtp_arg} } ]), ${*$s}{net_smtp_arg}{Timeout}); $s->quit;'),
    inside('keys of the script itself stay', '${*$s}{my_own} = { a => [1] }; ${*$s}{net_smtp_mine} = 7; @{*$s} = (1, 2); ${*$s} = "scalar"; $s->mail("a\@test"); $s->reset; $s->hello("x.test"); out(parts(${*$s}{my_own}), ${*$s}{net_smtp_mine}, "@{*$s}", ${*$s}); $s->quit;'),
    inside('the whole hash emptied in mid-session', '%{*$s} = (); ${*$s}{io_socket_timeout} = 5; out($s->command("NOOP")->response, $s->code, $s->mail("a\@test"), $s->to("b\@test"), $s->data("x\n"), $s->quit);'),
    inside('exact addresses switched in between', 'out($s->mail("A B <a\@test>")); $s->reset; ${*$s}{net_smtp_exact_addr} = 1; out($s->mail("A B <a\@test>")); $s->quit;'),
    inside('the debug level by its key', '${*$s}{net_cmd_debug} = 1; $s->mail("a\@test"); ${*$s}{net_cmd_debug} = 0; $s->reset; out($s->debug, $s->quit);', says => qr/>>> MAIL/),
    inside('the last octet of the body by its key', '$s->mail("a\@test"); $s->to("b\@test"); $s->data; $s->datasend("x"); out(parts(${*$s}{net_cmd_last_ch})); ${*$s}{net_cmd_last_ch} = "\012"; $s->datasend(".y\n"); out(parts(${*$s}{net_cmd_last_ch}), $s->dataend, exists ${*$s}{net_cmd_last_ch} ? 1 : 0); $s->quit;'),
    inside('io_socket_timeout by its key', 'out(${*$s}{io_socket_timeout}, $s->timeout); ${*$s}{io_socket_timeout} = 1; out($s->timeout); ${*$s}{io_socket_timeout} = 7; out($s->timeout, $s->quit);'),
);
