# The constructor: every argument, and every way to fail.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Oracle;

# new with these arguments (a sub that makes them), seen in scalar context.
sub construct {
    my ($name, $args, %more) = @_;
    my @server = grep { exists $more{$_} } qw(smtp script scripts replies);
    return {
        name => "new: $name",
        @server ? () : (smtp => {}),
        code => sub {
            my $t = shift;
            my @args = $args->($t);
            my $s = $t->scalar($t->class, 'new', @args);
            $t->state($s);
            $t->scalar($s, $_) for $s ? qw(host banner domain) : ();
        },
        %more,
    };
}

sub banner {
    my ($name, $banner, @more) = @_;
    return construct(
        "banner $name",
        sub { $_[0]->host, Port => $_[0]->port, Timeout => 2 },
        script => [ ref $banner ? @$banner : [ 'send', $banner ], '<', '250 me' ],
        @more,
    );
}

oracle(
    construct('HOST first',      sub { $_[0]->host, Port => $_[0]->port }),
    construct('Host option',     sub { Host => $_[0]->host, Port => $_[0]->port }),
    construct('HOST with port',  sub { $_[0]->host . ':' . $_[0]->port }),
    construct('HOST with port wins over Port', sub { my $t = shift; $t->host . ':' . $t->port, Port => $t->refused_port }),
    construct('Port as a name with a number', sub { $_[0]->host, Port => 'nosuch(' . $_[0]->port . ')' }),
    construct('Port as a name in the host',   sub { $_[0]->host . ':nosuch(' . $_[0]->port . ')' }),
    construct('Port by an unknown name',      sub { $_[0]->host, Port => 'no-such-service' }),
    construct('host with an unknown port name', sub { $_[0]->host . ':no-such-service' }),
    construct('PeerPort is not an option',    sub { $_[0]->host, PeerPort => $_[0]->port, Port => $_[0]->refused_port }),
    construct('LocalAddr',       sub { $_[0]->host, Port => $_[0]->port, LocalAddr => '127.0.0.1' }),
    construct('LocalAddr that is not ours', sub { $_[0]->host, Port => $_[0]->port, LocalAddr => '192.0.2.1' }),
    construct('LocalPort 0',     sub { $_[0]->host, Port => $_[0]->port, LocalAddr => '127.0.0.1', LocalPort => 0 }),
    construct('Domain',          sub { $_[0]->host, Port => $_[0]->port, Domain => Socket::AF_INET() }),
    construct('Family',          sub { $_[0]->host, Port => $_[0]->port, Family => Socket::AF_INET() }),
    construct('Domain that does not fit', sub { $_[0]->host, Port => $_[0]->port, Domain => Socket::AF_INET6() },
        needs_ipv6 => 1, needs => 3.07),
    construct('a list of hosts', sub { [ $_[0]->host ], Port => $_[0]->port }),
    construct('a list, the first refuses', sub {
        my $t = shift;
        [ '127.0.0.1:' . $t->refused_port, $t->host . ':' . $t->port ];
    }),
    construct('a list, all refuse', sub {
        my $t = shift;
        [ '127.0.0.1:' . $t->refused_port, '127.0.0.1:' . $t->refused_port ];
    }),
    construct('an empty list', sub { [], Port => $_[0]->port }, code => sub {
        my $t = shift;
        my $s = $t->scalar(sub { my $x = $t->class->new([], Port => $t->port); $@ = '' if !$x; $x });
        $t->note(object => $s);
    }),
    construct('a list, the first turns us away', sub {
        my $t = shift;
        [ $t->host, $t->host ], Port => $t->port;
    }, scripts => [ [ '554 not you', ['eof'] ], [ '220 welcome', '<', '250 me' ] ]),
    construct('Host as a list option', sub { Host => [ $_[0]->host ], Port => $_[0]->port }),
    construct('a refused port', sub { $_[0]->host, Port => $_[0]->refused_port }),
    construct('an unknown host', sub { 'no..such..host', Port => 25, Timeout => 2 }),
    construct('an empty host', sub { '', Port => $_[0]->port }, limit => 10),
    construct('Net::Config hosts', sub {
        my $t = shift;
        no warnings 'once';
        $Net::Config::NetConfig{smtp_hosts} = [ $t->host . ':' . $t->port ];
        ();
    }),
    construct('Net::Config host with Port', sub {
        my $t = shift;
        no warnings 'once';
        $Net::Config::NetConfig{smtp_hosts} = [ $t->host ];
        Port => $t->port, Host => undef;
    }),
    construct('Net::Config as text', sub {
        my $t = shift;
        no warnings 'once';
        $Net::Config::NetConfig{smtp_hosts} = $t->host;
        Port => $t->port;
    }),
    construct('an IPv6 address with a port', sub { '[::1]:' . $_[0]->port },
        needs_ipv6 => 1, server => { family => 6 }),
    construct('an IPv6 address', sub { '::1', Port => $_[0]->port },
        needs_ipv6 => 1, server => { family => 6 }),
    construct('an IPv6 address in brackets', sub { '[::1]', Port => $_[0]->port },
        needs_ipv6 => 1, server => { family => 6 }),
    construct('Hello', sub { $_[0]->host, Port => $_[0]->port, Hello => 'client.test' }),
    construct('Hello empty', sub { $_[0]->host, Port => $_[0]->port, Hello => '' }),
    construct('Hello 0', sub { $_[0]->host, Port => $_[0]->port, Hello => 0 }),
    construct('Hello of two words', sub { $_[0]->host, Port => $_[0]->port, Hello => 'a b' }),
    construct('Hello with a newline', sub { $_[0]->host, Port => $_[0]->port, Hello => "a\nb" }),
    construct('SendHello 0', sub { $_[0]->host, Port => $_[0]->port, SendHello => 0 }, needs => 3.06),
    construct('SendHello undef', sub { $_[0]->host, Port => $_[0]->port, SendHello => undef }, needs => 3.06),
    construct('SendHello 1', sub { $_[0]->host, Port => $_[0]->port, SendHello => 1 }),
    construct('ExactAddresses', sub { $_[0]->host, Port => $_[0]->port, ExactAddresses => 1 }),
    construct('Debug', sub { $_[0]->host, Port => $_[0]->port, Debug => 1 }),
    construct('Debug 0', sub { $_[0]->host, Port => $_[0]->port, Debug => 0 }),
    construct('Debug undef', sub { $_[0]->host, Port => $_[0]->port, Debug => undef }),
    construct('Debug 4', sub { $_[0]->host, Port => $_[0]->port, Debug => 4 }),
    construct('Debug text', sub { $_[0]->host, Port => $_[0]->port, Debug => 'yes' }),
    construct('Timeout', sub { $_[0]->host, Port => $_[0]->port, Timeout => 3.5 }),
    construct('Timeout undef', sub { $_[0]->host, Port => $_[0]->port, Timeout => undef }),
    construct('Timeout 0 fails at once', sub { $_[0]->host, Port => $_[0]->port, Timeout => 0 }, wire => 0),
    construct('unknown options are kept', sub { $_[0]->host, Port => $_[0]->port, Foo => 'bar', Baz => undef }),
    construct('SSL 0', sub { $_[0]->host, Port => $_[0]->port, SSL => 0 }),
    construct('an odd list is HOST and options', sub { $_[0]->host, 'Port', $_[0]->port, 'Hello', 'x' }),
    {   name => 'new in list context, good and bad',
        smtp => {},
        code => sub {
            my $t = shift;
            $t->list($t->class, 'new', $t->host, Port => $t->port);
            $t->list($t->class, 'new', $t->host, Port => $t->refused_port);
            $t->void($t->class, 'new', $t->host, Port => $t->port);
        },
    },
    {   name => 'new on an object makes another of its class',
        smtp => {},
        server => { concurrent => 1 },
        code => sub {
            my $t = shift;
            $t->subclass('My::SMTP');
            my $s = $t->connect(class => 'My::SMTP');
            my $other = $t->scalar($s, 'new', $t->host, Port => $t->port);
            $t->state($_) for $s, $other;
            $t->note(different => $s != $other ? 1 : 0);
        },
    },
    {   name => 'new as an indirect object',
        smtp => {},
        code => sub {
            my $t = shift;
            my $class = $t->class;
            my ($host, $port) = ($t->host, $t->port);
            my $s = $t->scalar(sub { eval "new $class('$host', Port => $port)" });
            $t->state($s);
        },
    },
    {   name => 'new does not change its arguments',
        smtp => {},
        code => sub {
            my $t = shift;
            my @args = (Host => [ $t->host ], Port => $t->port, Timeout => undef);
            $t->scalar(sub { $t->class->new(@args) });
            $t->note(arguments => \@args);
        },
    },
    {   name => 'the arguments are a copy in the object',
        smtp => {},
        code => sub {
            my $t = shift;
            my $list = [1];
            my $s = $t->connect(Other => $list);
            $t->note(same => ${*$s}{net_smtp_arg}{Other} == $list ? 1 : 0);
            $t->state($s);
        },
    },
    {   name => 'the error of a failed new, with $!',
        code => sub {
            my $t = shift;
            $t->{errno} = 1;
            $t->scalar($t->class, 'new', '127.0.0.1', Port => $t->refused_port);
        },
    },
    {   name => 'the class level of debug is the default',
        smtp => {},
        code => sub {
            my $t = shift;
            $t->scalar($t->class, 'debug', 1);
            $t->scalar($t->class, 'debug');
            my $s = $t->connect;
            $t->scalar($s, 'debug');
            $t->scalar($s, debug => 0);
            $t->scalar($s, 'debug');
        },
    },
    {   name => 'two objects with Debug tell the class tree once',
        smtp => {},
        code => sub {
            my $t = shift;
            for (1 .. 2) {
                my $s = $t->connect(Debug => 1);
                $t->scalar($s, 'quit');
            }
        },
    },
    {   name => 'the object is all it should be',
        smtp => {},
        code => sub {
            my $t = shift;
            my $s = $t->connect;
            $t->note(isa => map { $s->isa($_) ? 1 : 0 } qw(Net::SMTP Net::Cmd IO::Socket IO::Handle));
            $t->note(UNIVERSAL => UNIVERSAL::isa($s, 'Net::SMTP') ? 1 : 0, UNIVERSAL::isa($s, 'GLOB') ? 1 : 0);
            $t->scalar($s, $_) for qw(peerhost peerport sockhost timeout blocking opened autoflush sockdomain socktype);
            $t->note(connected => defined $s->connected ? 1 : 0, defined fileno $s ? 1 : 0);
            my $r = '';
            vec($r, fileno $s, 1) = 1;
            $t->note(readable => scalar select $r, undef, undef, 0);
            $t->note(glob => ref \*$s, ref *$s{IO}, ref *$s{HASH});
        },
    },
    {   name => 'constants, as methods and as exports',
        code => sub {
            my $t = shift;
            no strict 'refs';
            for my $name (qw(CMD_INFO CMD_OK CMD_MORE CMD_REJECT CMD_ERROR CMD_PENDING DEF_REPLY_CODE)) {
                $t->scalar($t->class, $name);
                $t->scalar($t->cmd_class, $name);
            }
            eval "package Import::Here; $t->{cmd}->import; 1" or die $@;
            $t->note(exported => sort grep { defined &{"Import::Here::$_"} } keys %Import::Here::);
        },
    },
    {   name => 'every method of stock is found',
        needs => 3.08,
        code => sub {
            my $t = shift;
            $t->note(can => $_, $t->class->can($_) ? 1 : 0) for qw(
                new host banner domain hello supports etrn mail send send_or_mail send_and_mail reset
                recipient to cc bcc data bdat bdatlast datafh expand verify help quit can_ssl can_inet6
                _addr _EHLO _HELO _MAIL _RCPT _SEND _SAML _SOML _VRFY _EXPN _HELP _RSET _NOOP _QUIT _DATA
                _BDAT _TURN _ETRN _AUTH _STARTTLS DESTROY auth starttls
                command response message code status ok set_status unsupported getline ungetline
                parse_response read_until_dot datasend rawdatasend dataend debug debug_print debug_text
                tied_fh toascii toebcdic TIEHANDLE READ READLINE PRINT CLOSE _is_closed
                _syswrite_with_timeout _set_status_closed _set_status_timeout _print_isa DEF_REPLY_CODE);
        },
    },
    banner('of one word',       "220 mx.test\r\n"),
    banner('without text',      "220\r\n"),
    banner('with a blank',      "220 \r\n"),
    banner('with blanks',       "220    mx.test   x \r\n"),
    banner('of three lines',    "220-one\r\n220-two\r\n220 three\r\n"),
    banner('without CR',        "220 mx.test ready\n"),
    banner('in single octets',  [ [ 'bytes', "220-a\r\n220 b c\r\n" ] ]),
    banner('4xx',               [ '421 too busy', ['eof'] ]),
    banner('5xx',               [ "554-go\r\n554 away", ['eof'] ]),
    banner('5xx then closed',   [ '554 go away', ['close'] ]),
    banner('1xx',               [ '120 wait', ['eof'] ]),
    banner('3xx',               [ '354 what', ['eof'] ]),
    banner('garbage',           [ 'hello there', ['eof'] ]),
    banner('empty line',        [ '', ['eof'] ]),
    banner('closed at once',    [ ['close'] ]),
    banner('cut short',         [ [ 'send', '220 mx' ], ['close'] ]),
    banner('continued, closed', [ "220-one", ['close'] ]),
    banner('silence',           [ ['eof'] ]),
    banner('continued, silence', [ '220-one', ['eof'] ]),
    banner('with eight bits',   "220 \xe9\xff\x80 x\r\n"),
    banner('with NUL and ESC',  "220 a\0b\e[1m\r\n"),
    (map { my ($name, @steps) = @$_; construct("EHLO $name",
        sub { $_[0]->host, Port => $_[0]->port, Timeout => 2 },
        script => [ '220 mx.test', '<', @steps ],
    ) }
        [ 'refused, HELO too',     '502 no', '<', '503 no' ],
        [ 'refused, HELO taken',   '502 no', '<', '250 plain' ],
        [ 'refused for now',       '450 no', ['eof'] ],
        [ 'answered by silence',   ['eof'] ],
        [ 'answered by the end',   ['close'] ],
        [ 'answered by a reset',   ['reset'] ],
        [ 'answered by garbage',   'what', ['eof'] ],
        [ 'answered with 354',     '354 no', ['eof'] ],
        [ 'refused, then the end', '500 no', ['close'] ],
        [ 'answered in full',      "250-me\r\n250-SIZE 5\r\n250 DSN" ],
    ),
);
