# The manual page lists every difference from Net::SMTP; each has a test.
#
# A difference carries its name in the page, "=for difference NAME". The table at the
# end says where it is tried: a file and words of that test's name. Those of the
# differences that no other file tries are tried here, on both modules. "kept" is no
# difference, but has a row among them.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Oracle;
use Socket qw(SOL_SOCKET SO_SNDBUF);
use Test::More;
use Time::HiRes ();

use constant PAGE => 'lib/Net/SMTP/XS.pod';
use constant HERE => 't/differences.t';

sub bit { return $_[0] ? 1 : 0 }

{
    package Counted;
    our $reads = 0;
    sub TIESCALAR { return bless [], shift }
    sub FETCH { $reads++; return "text\n" }
}

sub text_of {
    my $file = shift;
    open my $fh, '<', $file or return;
    local $/;
    return scalar <$fh>;
}

# A scenario with the facts that stock and ours are to return.
sub differs {
    my ($name, $code, $stock, $ours, %more) = @_;
    return {
        name => $name,
        %more,
        code => sub {
            my $t = shift;
            my %facts = $code->($t);
            $t->fact($_ => $facts{$_}) for keys %facts;
        },
        differs => { row => $name, stock => $stock, ours => $ours },
    };
}

sub begin {
    my $s = shift;
    $s->mail('a@test');
    $s->to('b@test');
    $s->data;
    return $s;
}

# Calls with a signal handler that dies after a while.
sub interrupted {
    my ($secs, $code) = @_;
    eval {
        local $SIG{ALRM} = sub { die "enough\n" };
        Time::HiRes::alarm($secs);
        $code->();
        Time::HiRes::alarm(0);
    };
    return $@;
}

sub stderr_of {
    my $code = shift;
    my $text = '';
    local *STDERR;
    open STDERR, '>', \$text or die $!;
    $code->();
    return $text;
}

sub warnings_of {
    my $code = shift;
    my $text = '';
    local $SIG{__WARN__} = sub { $text .= $_[0] };
    $code->();
    return $text;
}

sub wire { my $log = shift; $log->{connections}[0]{in} =~ /\A[^\n]*\n(.*)\z/s; return $1 }

my @ok      = ('250 ok', '250 ok', '354 go');
my $too_big = 17 * 1024 * 1024;

my @scenarios = (
    differs('a reply that a die left unread answers nothing', sub {
        my $t = shift;
        my $s = $t->connect;
        my $error = interrupted(0.1, sub { $s->mail('a@test') });
        return (error => $error, to => bit($s->to('refused@test')), code => $s->code);
    },
        { error => "enough\n", to => 1, code => 250 },
        { error => "enough\n", to => 0, code => 550 },
        script => [ @{ talk([]) }, '<', [ 'delay', 0.3 ], '250 late', '<', '550 no' ]),

    differs('a message that a die cut short is not ended', sub {
        my $t = shift;
        my $text = ('x' x 70 . "\n") x 200_000 . 'x';
        my $s = $t->connect;
        setsockopt $s, SOL_SOCKET, SO_SNDBUF, pack 'i', 16384;
        begin($s);
        my $error = interrupted(0.2, sub { $s->datasend($text) });
        $s->timeout(10);
        return (error => $error, end => bit($s->dataend), open => bit(defined fileno $s));
    },
        { error => "enough\n", end => 1, open => 1 },
        { error => "enough\n", end => 0, open => 0 },
        script => [ @{ talk([], @ok) }, [ 'stall', 1.5 ], ['swallow'], '250 taken' ],
        server => { rcvbuf => 65536 }),

    differs('quit on a connection that is lost is false', sub {
        my $t = shift;
        my $s = $t->connect;
        $s->timeout(0.2);
        $s->mail('a@test');
        return (quit => bit($s->quit));
    },
        { quit => 1 }, { quit => 0 },
        script => talk([])),

    differs('mail has an option for SMTPUTF8', sub {
        my $t = shift;
        my $s = $t->connect;
        my $warnings = warnings_of(sub { $s->mail('a@test', SMTPUTF8 => 1) });
        return (warned => bit($warnings));
    },
        { warned => 1, wire => "MAIL FROM:<a\@test>\r\n" },
        { warned => 0, wire => "MAIL FROM:<a\@test> SMTPUTF8\r\n" },
        smtp  => { extensions => ['SMTPUTF8'] },
        after => sub { (wire => wire(@_)) }),

    differs('an address adds no parameters', sub {
        my $t = shift;
        my $said = '';
        for my $exact (0, 1) {
            my $s = $t->connect(ExactAddresses => $exact);
            for ('a@test> EVIL=7', 'a@test>EVIL=7', '"a"> EVIL=7') {
                eval { $s->mail($_) };
                $said .= $@;
                eval { $s->to($_) };
                $said .= $@;
            }
            eval { $s->mail('<a@test> EVIL=<7>') } if $exact;
            $s->mail($_) for 'a@test>', '"a> b"@test', '<"a> b"@test>';
            $s->quit;
        }
        return (said => $said =~ s/^address ("\\?"?a[^\n]*EVIL=7"): a '>' that is not the last character must be in a quoted string at .*differences.t line \d+\.\n//gmr);
    },
        { said => '', evil => 13 }, { said => '', evil => 0 },
        smtp  => {},
        after => sub {
            my $all = join '', map { $_->{in} } @{ $_[0]{connections} };
            return (evil => scalar(() = $all =~ /EVIL/g));
        }),

    differs('undef to bdat is an empty chunk', sub {
        my $t = shift;
        my $s = $t->connect;
        $s->mail('a@test', Bits => 'binary');
        warnings_of(sub { $s->bdatlast(undef) });
        return;
    },
        { wire => qr/^BDAT  LAST\r$/m },
        { wire => qr/^BDAT 0 LAST\r$/m },
        smtp  => { extensions => [ 'BINARYMIME', 'CHUNKING' ] },
        after => sub { (wire => wire(@_)) }),

    differs('a command in the middle of data sends nothing more', sub {
        my $t = shift;
        my $class = $t->subclass('Nosy', 'our $ran; sub debug_print {'
            . ' my ($s, $out, $text) = @_; $s->command("NOOP") if $text =~ /second/ && !$ran++ }');
        my $s = begin($t->connect(class => $class));
        $s->datasend("first\n");
        stderr_of(sub { $s->debug(1); $s->datasend("second\nVRFY x\n") });
        $s->debug(0);
        $t->part($s);
        return;
    },
        { wire => qr/^\.\r\nNOOP\r\nsecond\r\nVRFY x\r\n/m },
        { wire => qr/\nfirst\r\n\z/ },
        script => talk([], @ok, '250 taken', '250 ok', '250 ok', '250 ok'),
        after => sub { (wire => wire(@_)) }),

    differs('data reads its arguments before DATA', sub {
        my $t = shift;
        my $s = $t->connect;
        tie my $text, 'Counted';
        $s->data($text);
        return (read => bit($Counted::reads));
    },
        { read => 0 }, { read => 1 },
        script => talk([], '503 no')),

    differs('refused data does not read its arguments', sub {
        my $t = shift;
        my $s = $t->connect;
        my $reads = '';
        for my $method (qw(data bdat bdatlast)) {
            ${*$s}{net_smtp_chunking} = 1 if $method eq 'data';
            tie my $text, 'Counted';
            $Counted::reads = 0;
            warnings_of(sub { $s->$method($text) });
            $reads .= bit($Counted::reads);
            delete ${*$s}{net_smtp_chunking};
        }
        return (reads => $reads);
    },
        { reads => '111' }, { reads => '000' },
        smtp => {}),

    differs('methods have no frames', sub {
        my $t = shift;
        my $class = $t->subclass('Framed', 'our @seen; sub getline {'
            . ' my $n = 0; while (my @c = caller $n++) { push @seen, $c[3] } return "250 ok\n" }');
        my $s = $t->connect;
        bless $s, $class;
        $s->mail('a@test');
        no warnings 'once';
        return (frames => bit(grep {/::(?:_MAIL|response)\z/} @Framed::seen));
    },
        { frames => 1 }, { frames => 0 },
        smtp => {}),

    differs('a command has an end', sub {
        my $t = shift;
        my $s = $t->connect;
        my $lived = eval { $s->command('x' x $too_big); 1 };
        return (lived => bit($lived), error => $lived ? '' : $@);
    },
        { lived => 1, error => '' },
        { lived => 0, error => qr/command too long/ },
        script => [ @{ talk([]) }, [ 'octets', $too_big + 2 ] ]),

    differs('received lines are in the engine', sub {
        my $t = shift;
        my $s = $t->connect;
        $s->command('X');
        $s->response;
        return (lines => join '', @{ ${*$s}{net_cmd_lines} || [] });
    },
        { lines => "250 two\n" }, { lines => '' },
        replies => ["250 one\r\n250 two"]),

    differs('their key is there once getline or ungetline was asked', sub {
        my $t = shift;
        my $s = $t->connect;
        my $there = bit(exists ${*$s}{net_cmd_lines});
        $s->mail('a@test');
        $there .= bit(exists ${*$s}{net_cmd_lines});
        $s->command('NOOP');
        my $line = $s->getline;
        $there .= bit(exists ${*$s}{net_cmd_lines});
        $s->ungetline($line);
        return (there => $there, response => $s->response,
            partial => bit(exists ${*$s}{net_cmd_partial}));
    },
        { there => '111', response => 2, partial => 1 },
        { there => '001', response => 2, partial => 0 },
        smtp => {}),

    differs('the tree of classes is our own', sub {
        my $t = shift;
        my $text = stderr_of(sub { $t->connect(Debug => 1) });
        return (tree => $text =~ /\A(.*)>>> \1\(/ ? 'root' : $text,
            cmd => bit($text =~ /Net::SMTP::XS::Cmd/));
    },
        { tree => 'root', cmd => 0 }, { tree => 'root', cmd => 1 },
        smtp => {}),

    differs('a warning about undef names the line of the script', sub {
        my $t = shift;
        my $s = $t->connect;
        return (where => warnings_of(sub { $s->command('NOOP', undef) }));
    },
        { where => qr/\A(?:.* at MODULE line.*\n)+\z/ },
        { where => qr/\A(?:.* at \S*differences\.t line.*\n)+\z/ },
        smtp => {}),
);

# NAME => [ [ FILE, WORDS ], ... ], from the table.
sub table {
    my %tried;
    while (my $line = <DATA>) {
        my ($name, $file, $words) = $line =~ /^(\S+)\s+(\S+)\s+(.+?)\s*$/ or next;
        push @{ $tried{$name} }, [ $file, $words ];
    }
    return %tried;
}

sub is_tried {
    my ($file, $words) = @_;
    return grep { $_->{name} =~ /\Q$words\E/ } @scenarios if $file eq HERE;
    return 1 if $file =~ m{^xt/} && !-d 'xt';    # not everybody has the author's tests
    my $text = text_of($file);
    return defined $text && $text =~ /\Q$words\E/;
}

my %tried  = table();
my @listed = text_of(PAGE) =~ /^=for difference (\S+)/mg;
my %listed = map { $_ => 1 } @listed;

# The other way about: what these files tell to differ is in the table.
for my $file (glob('t/*.t'), glob('xt/*.t')) {
    next if $file eq HERE;
    my @known = map { $_->[1] } grep { $_->[0] eq $file } map {@$_} values %tried;
    my @rows = text_of($file) =~ /^\s*(?:row\(|defect\(\d+, )['"]((?:[^'\\]|\\.)+?)['"],/mg;
    my @unknown = grep { my $row = $_; !grep { index($row, $_) >= 0 } @known } @rows;
    is join(', ', @unknown), '', "what $file tries is in the table" if @rows;
}
delete $tried{kept};

is scalar @listed, scalar keys %listed, 'no difference is listed twice';
for my $name (@listed) {
    my @tests = @{ $tried{$name} || [] };
    my @lost  = map {"$_->[0]: $_->[1]"} grep { !is_tried(@$_) } @tests;
    ok @tests && !@lost, "$name is tried" or diag @lost ? "not there: @lost" : 'nowhere';
}
is join(' ', grep { !$listed{$_} } sort keys %tried), '', 'what is tried is in the list';

subtest 'tried here' => sub { oracle(@scenarios) };

done_testing;

__DATA__
signal-timeout         t/oracle-defects.t  a signal is not a timeout
write-timeout          t/oracle-defects.t  Timeout holds for writes
late-reply             t/oracle-defects.t  a late reply answers no other command
partial-line           t/oracle-defects.t  what came before a timeout is not half lost
slow-reply             t/oracle-defects.t  a drip of octets does not evade Timeout
slow-reply             t/oracle-defects.t  nor does a drip of lines
endless-reply          t/oracle-defects.t  a reply has an end
long-line              t/oracle-defects.t  a line has an end
skipbad-flight         t/flight.t          fifty recipients take one flight
skipbad-dead-server    t/oracle-defects.t  SkipBad waits once for a dead server
failed-datasend        t/oracle-defects.t  no hole in the data after a timeout
write-timeout-reply    t/oracle-defects.t  a command that was not sent has no reply to wait for
nodelay                t/oracle-defects.t  nothing is held back to fill a segment
nodelay                t/oracle-defects.t  an empty chunk neither
pending-refusal        t/oracle-defects.t  the reply before the end is not lost
abandoned-reply        t/differences.t     a reply that a die left unread answers nothing
interrupted-body       t/differences.t     a message that a die cut short is not ended
interrupted-body       t/interrupted.t     datasend dies by
interrupted-body       t/interrupted.t     is not taken for the chunk
abandoned-reply        t/interrupted.t     a command behind DATA whose reply was not read
command-in-data        t/differences.t     a command in the middle of data sends nothing more
data-arguments         t/differences.t     data reads its arguments before DATA
method-frames          t/differences.t     methods have no frames
bare-cr-command        t/oracle-defects.t  a bare CR does not pass in a command
nul-command            t/oracle-defects.t  a NUL does not pass in a command
raw-parameter          t/oracle-defects.t  control characters do not pass in parameters
quoted-address         t/oracle-defects.t  the address is not the one in the quoted name
wide-xtext             t/oracle-defects.t  wide characters in Envelope
address-object         t/oracle-defects.t  an address object as the last recipient is an address
smtputf8               t/differences.t     mail has an option for SMTPUTF8
command-length         t/differences.t     a command has an end
address-parameters     t/differences.t     an address adds no parameters
closed-mail            t/oracle-defects.t  a closed object has no replies left
stale-extensions       t/oracle-defects.t  a HELO forgets the extensions
greeting-extension     t/oracle-defects.t  the greeting is no extension
auth-equals            t/oracle-defects.t  AUTH and AUTH= together
supports-vivifies      t/oracle-defects.t  supports has no side effect
chunking-flag          t/oracle-defects.t  a refused MAIL does not turn chunks on
chunking-flag          t/oracle-defects.t  the next message turns chunks off
chunking-flag          t/oracle-defects.t  reset turns chunks off
chunking-flag          t/oracle-defects.t  chunks are on after mail in void context too
chunking-flag          t/oracle-defects.t  nor are they after a refused MAIL in void context
blank-greeting         t/oracle-defects.t  hello does not return the caller
mail-warning           t/oracle-defects.t  an unknown option of mail is one of mail
refused-data           t/oracle-defects.t  refused data is false
refused-data           t/differences.t     refused data does not read its arguments
no-reply-yet           t/oracle-defects.t  message and status before any reply
unicode-digits         t/oracle-defects.t  digits are ASCII digits
quit-after-loss        t/differences.t     quit on a connection that is lost is false
no-host                t/oracle-defects.t  new without a host says so
debug-escape           t/oracle-defects.t  Debug escapes what a terminal would obey
datafh-list            t/oracle-defects.t  print LIST to datafh
datafh-printf          t/oracle-defects.t  printf to datafh
datafh-printf          t/oracle-defects.t  syswrite to datafh
datafh-printf          t/oracle-defects.t  say to datafh, and the separators
datafh-empty           t/oracle-defects.t  datafh closed at once ends the message
tied-read-offset       t/oracle-defects.t  read with an offset
tied-read-end          t/oracle-defects.t  read on a tied handle ends with the connection
wide-data              t/oracle-defects.t  a wide character is refused before DATA
wide-data              t/oracle-defects.t  a wide character in a chunk sends nothing of it
wide-bdat              t/oracle-defects.t  bdat refuses a wide character before it announces it
bdat-array             t/oracle-defects.t  bdat of lines by reference
bdat-list              t/oracle-defects.t  bdat of a list
bdat-undef             t/differences.t     undef to bdat is an empty chunk
body-memory            t/oracle-defects.t  memory does not follow the message
waiting-lines          t/waiting.t         a layer tells that octets wait
tls-timeout            xt/tls-stock.t      Timeout ignored for replies
tls-timeout            t/tls-faults.t      a reply that comes too slowly
tls-cr                 xt/tls-stock.t      CR left in messages and capabilities
tls-cr                 t/tls.t             to the last, without a CR
tls-input-separator    xt/tls-stock.t      local $/ makes every call block
tls-input-separator    t/tls-stream.t      replies are read whatever $/ is
tls-eof                xt/tls-stock.t      the end of the stream leaves the object open
tls-eof                t/tls-faults.t      the stream ends with one
tls-upgraded           xt/tls-stock.t      upgraded strings are cut
tls-upgraded           t/tls-stream.t      an upgraded string
tls-send               xt/tls-stock.t      send() dies
tls-ungetline          xt/tls-stock.t      ungetline has no effect
tls-ungetline          t/tls-faults.t      lines put back before
tls-subclass           xt/tls-stock.t      the subclass is lost
tls-subclass           t/tls.t             the class is kept
tls-failed-handshake   xt/tls-stock.t      after a failed handshake the object goes on
tls-failed-handshake   t/tls-faults.t      nothing follows in the clear
tls-ipv6               xt/tls-stock.t      a full IPv6 address is mangled
tls-ipv6               t/tls-verify.t      SSL_verifycn_name with an IPv6 address
tls-nonblocking        xt/tls-stock.t      on a non-blocking handle every reply fails
tls-nonblocking        t/tls-stream.t      without blocking
tls-native             t/tls.t             what the object knows
auth-no-mechanism      t/auth-stock.t      no mechanism fits
auth-chosen-mechanism  t/auth-stock.t      the caller\'s choice is kept
auth-mechanism-names   t/auth-stock.t      names of mechanisms are whole words
auth-cancel            t/auth-stock.t      a failed exchange is cancelled
auth-base64            t/auth-stock.t      a challenge that is not base64
auth-functions         t/auth-stock.t      what functions are given
auth-options           t/auth-stock.t      more than three arguments
auth-proof             t/auth-stock.t      a success without proof
auth-proof             t/auth-object.t     a success that is not to be believed
auth-steps             t/auth-stock.t      challenges have an end
auth-debug             t/auth-stock.t      Debug keeps secrets
auth-debug             t/oracle-defects.t  Debug does not tell passwords
auth-exception         t/auth-stock.t      $@ is left alone
auth-next-mechanism    t/auth-stock.t      a mechanism that the server refuses
auth-next-mechanism    t/auth.t            a wrong password is tried once
auth-native            t/auth.t            each mechanism, with the right and with a wrong password
kept                   t/auth-stock.t      a password in the clear
received-lines         t/differences.t     received lines are in the engine
received-lines         t/differences.t     their key is there once getline or ungetline was asked
class-tree             t/differences.t     the tree of classes is our own
warning-place          t/differences.t     a warning about undef names the line of the script
