# Net::POP3, Net::NNTP, Net::FTP and any other class of Net::Cmd's, on our channel.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

my @pop3 = ('+OK POP3 ready <1.2@mx.test>', qr/^USER me/, '+OK who', qr/^PASS /, '+OK 2 messages');

# A data connection of FTP's: told where to come, then DATA sent or read.
sub passive {
    my ($preliminary, $octets, @final) = @_;
    return sub {
        my $conn = shift;
        my $data = $conn->passive->();
        $conn->line;
        $conn->send("$preliminary\r\n");
        if (defined $octets) { syswrite $data, $octets }
        else                 { 1 while sysread $data, my $buf, 4096 }
        close $data;
        $conn->send("$_\r\n") for @final;
        return;
    };
}

# A script that uses the module, against these steps of a server; the client's octets are
# compared, its own answers to replies too.
sub client {
    my ($name, $module, $steps, $code, @more) = @_;
    return { name => $name, script => $steps, skip => scalar without($module), code => "use $module;\n$code", @more };
}

my $own = q{{ package My::Protocol; use IO::Socket::INET; use Net::Cmd; our @ISA = ('Net::Cmd', 'IO::Socket::INET'); our $VERSION = '1.0';
    sub new { my ($c, %a) = @_; my $s = $c->SUPER::new(PeerAddr => $a{Host}, PeerPort => $a{Port}, Proto => 'tcp', Timeout => 60) or return; $s->autoflush(1); $s->debug($a{Debug}); return $s->response == CMD_OK ? $s : undef }
    sub get { my $s = shift; return $s->command('GET', @_)->response == CMD_OK ? $s->read_until_dot : undef }
    sub put { my $s = shift; $s->command('PUT')->response == CMD_MORE or return; $s->datasend(@_) && $s->dataend }
    sub bye { my $s = shift; $s->command('BYE')->response; $s->close } }
    my $s = My::Protocol->new(Host => $host, Port => $port, %ENV ? () : ()) or die "none: $@";};

scripts(
    client('POP3: login, list, retrieve, delete', 'Net::POP3',
        [ @pop3, '<', '+OK 2 320', '<', "+OK\r\n1 120\r\n2 200\r\n.", '<', "+OK 120 octets\r\nSubject: x\r\n\r\n..dot\r\ntext\r\n.", '<', '+OK deleted', '<', '-ERR no such', '<', '+OK bye' ],
        'my $p = Net::POP3->new($host, Port => $port, Timeout => 60) or die $@; out(ref $p, $p->banner, $p->isa("Net::Cmd")); out($p->login("me", "secret")); out(join ",", $p->popstat); my $l = $p->list; out(map { "$_=$l->{$_}" } sort keys %$l); out(parts($p->get(1))); out($p->delete(1) ? 1 : 0, $p->delete(9) ? 1 : 0, $p->code, $p->message, $p->quit ? 1 : 0);'),
    client('POP3: top, uidl, last, into a handle', 'Net::POP3',
        [ @pop3, '<', "+OK\r\n1 abc\r\n2 def\r\n.", '<', "+OK\r\nSubject: x\r\n.", '<', "+OK\r\none\r\n..two\r\n.", '<', '+OK', '<', '+OK' ],
        'my $p = Net::POP3->new($host, Port => $port, Timeout => 60) or die $@; $p->user("me"); out($p->pass("p")); my $u = $p->uidl; out(map { "$_=$u->{$_}" } sort keys %$u); out(parts($p->top(1, 0))); open my $fh, ">", \my $got or die; out($p->get(1, $fh) ? 1 : 0); out(parts($got)); out($p->reset ? 1 : 0, $p->quit ? 1 : 0);'),
    client('POP3: a tied handle of a message', 'Net::POP3',
        [ @pop3, '<', "+OK\r\none\r\n..two\r\nthree\r\n.", '<', '+OK' ],
        'my $p = Net::POP3->new($host, Port => $port, Timeout => 60) or die $@; $p->login("me", "p"); my $fh = $p->getfh(1) or die; while (my $l = <$fh>) { out(parts($l)) } out($p->quit ? 1 : 0);'),
    client('POP3: a server that hangs up, one that is silent', 'Net::POP3', [ '+OK ready', '<', ['close'] ],
        'my $p = Net::POP3->new($host, Port => $port, Timeout => 60) or die $@; out($p->user("me") ? 1 : 0, $p->code, $p->message);', wire => 0),
    client('POP3 with Debug', 'Net::POP3', [ @pop3, '<', '+OK bye' ], 'my $p = Net::POP3->new($host, Port => $port, Timeout => 60, Debug => 1) or die $@; $p->login("me", "secret"); $p->quit;', says => qr/>>> USER me/),
    client('NNTP: group, article, overview, post', 'Net::NNTP',
        [ '200 news ready', '<', '200 reader', '<', '211 3 1 3 a.test', '<', "220 1 <x\@test> article\r\nSubject: x\r\n\r\n..dot\r\n.", '<', "224 data\r\n1\tx\ty\r\n.", '<', '340 go', ['body'], '240 posted', '<', '411 no such group', '<', '205 bye' ],
        'my $n = Net::NNTP->new($host, Port => $port, Timeout => 60) or die $@; out(ref $n, $n->postok); out(join ",", $n->group("a.test")); out(parts($n->article(1))); out(parts($n->xover(1))); out($n->post("Subject: y\n", "\n", ".dot\n") ? 1 : 0, $n->code); out(scalar($n->group("none")) ? 1 : 0, $n->code, $n->message, $n->quit ? 1 : 0);'),
    client('NNTP: lists, date, a message by its parts', 'Net::NNTP',
        [ '200 ready', '<', '200 reader', '<', "215 list\r\na.test 3 1 y\r\nb.test 9 2 n\r\n.", '<', '111 20240102030405', '<', "221 head\r\nSubject: x\r\n.", '<', "222 body\r\ntext\r\n.", '<', '340 go', ['body'], '441 refused', '<', '205 bye' ],
        'my $n = Net::NNTP->new($host, Port => $port, Timeout => 60) or die $@; my $l = $n->list; out(map { "$_=@{$l->{$_}}" } sort keys %$l); out($n->date); out(parts($n->head(1)), parts($n->body(1))); out($n->post(["Subject: y\n", "\n", "z"]) ? 1 : 0, $n->code); out($n->quit ? 1 : 0);'),
    client('FTP: login, listing, download, upload', 'Net::FTP',
        [ '220 ftp ready', '<', '331 password', '<', '230-welcome', '230 in', '<', '257 "/home" is it', '<', '200 binary', '<', passive('150 here', "a\r\nb\r\n", '226 done'), '<', passive('150 here', 'octets', '226 done'), '<', passive('150 send', undef, '226 taken'), '<', '550 no such', '<', '221 bye' ],
        'my $f = Net::FTP->new($host, Port => $port, Timeout => 60, Passive => 1) or die $@; out(ref $f, $f->login("me", "secret"), $f->code); out($f->pwd, $f->binary); out(join "|", $f->ls); open my $to, ">", \my $got or die; out(defined $f->get("x", $to) ? 1 : 0); out(parts($got)); open my $from, "<", \"upload" or die; out(defined $f->put($from, "y") ? 1 : 0, $f->code); out($f->delete("z") ? 1 : 0, $f->code, $f->message, $f->quit ? 1 : 0);'),
    client('FTP: a login that is refused', 'Net::FTP', [ '220 ready', '<', '331 password', '<', '530 no', '<', '221 bye' ],
        'my $f = Net::FTP->new($host, Port => $port, Timeout => 60) or die $@; out($f->login("me", "x") ? 1 : 0, $f->code, $f->message, $f->ok ? 1 : 0, $f->quit ? 1 : 0);'),
    client('FTP: many replies at once, features', 'Net::FTP', [ '220-a', ' b', '220 c', '<', "211-Features:\r\n SIZE\r\n MDTM\r\n211 End", '<', '213 77', '<', '214-one', ' 214 not yet', '214 two', '<', '221 bye' ],
        'my $f = Net::FTP->new($host, Port => $port, Timeout => 60) or die $@; out(parts([ $f->message ])); out($f->feature("SIZE") ? 1 : 0); out($f->size("x")); out($f->quot("HELP"), parts([ $f->message ]), $f->quit ? 1 : 0);'),
    client('a class of the script, from commands to messages', 'Net::Cmd',
        [ '220 hi', '<', "250 here\r\none\r\n..two\r\n.", '<', '354 go', ['body'], '250 taken', '<', '550 no', '<', '221 bye' ],
        "$own out(ref \$s, parts(\$s->get('x', 'y')), \$s->put(\"a\\n\", \".b\\n\"), \$s->code, defined \$s->get('z') ? 1 : 0, \$s->code, \$s->status == CMD_ERROR ? 'error' : '', \$s->ok ? 1 : 0, \$s->bye);"),
    client('a class of the script, with Debug', 'Net::Cmd', [ '220 hi', '<', '250-a', '250 b', '<', '221 bye' ],
        "$own \$s->debug(1); \$s->command('GET', 'x', undef)->response; out(\$s->debug, My::Protocol->debug); \$s->bye;" =~ s/, undef\)/)/r),
    client('a class of the script, with a reply syntax of its own', 'Net::Cmd', [ 'OK hi', '<', 'NO reason', '<', 'OK bye' ],
        q{{ package My::Words; use IO::Socket::INET; our @ISA = ('Net::Cmd', 'IO::Socket::INET'); sub parse_response { return ($1 eq 'OK' ? 200 : 500, 0) if $_[1] =~ s/^(OK|NO) //; return } sub DEF_REPLY_CODE { 999 } }
        my $s = My::Words->new(PeerAddr => $host, PeerPort => $port, Timeout => 60) or die; out($s->response, $s->message, $s->command('X')->response, $s->code, $s->message, $s->command('Y')->response); out($s->set_status(250, [ "a\n", "b\n" ]) || '', $s->code, parts([ $s->message ]), $s->unsupported || '', $s->code, $s->message);}),
    client('a class of the script: lines, lines pushed back, raw data', 'Net::Cmd', [ '220 hi', '<', [ 'send', "x\r\ny\n\r\nlast" ], ['close'] ],
        "$own \$s->command('X'); my \$l = \$s->getline; out(parts(\$l)); \$s->ungetline(\$l, \"more\\n\"); out(parts([ map { \$s->getline } 1 .. 4 ])); out(parts([ \$s->getline ]), \$s->code, \$s->message);", wire => 0),
    client('a class of the script: rawdatasend and the tied handle', 'Net::Cmd', [ '220 hi', ['octets', 6 ], '250 one', ['body'], '250 two', '<', '221 bye' ],
        "$own out(\$s->rawdatasend(\"a.\\nb.\\n\"), \$s->response, \$s->code); my \$fh = \$s->tied_fh; print {\$fh} \"x\\n\"; print {\$fh} \".y\\n\"; out(close \$fh ? 1 : 0, \$s->code, \$s->bye);"),
    client('Net::Cmd loaded alone, its constants and exports', 'Net::Cmd', [ '220 hi', '<', '221 bye' ],
        "out(CMD_INFO, CMD_OK, CMD_MORE, CMD_REJECT, CMD_ERROR, CMD_PENDING); out(Net::Cmd->VERSION >= 3, ref Net::Cmd->can('command'), Net::Cmd->can('CMD_OK')->()); $own out(\$s->bye);"),
    client('a class that is no socket: text of its own', 'Net::Cmd', [ ['close'] ],
        q{{ package My::Text; our @ISA = 'Net::Cmd'; sub new { my ($c, @l) = @_; require Symbol; my $s = bless Symbol::gensym(), $c; ${*$s}{net_cmd_lines} = [ @l ]; $s } sub timeout { 5 } }
        my $s = My::Text->new("250-a\n", "250 b\n", "550 c\n"); out($s->response, parts([ $s->message ]), $s->code, $s->response, $s->code, $s->ok ? 1 : 0);}, wire => 0),
);
