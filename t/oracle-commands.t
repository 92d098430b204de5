# The SMTP commands: arguments, options with and without support, results.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Oracle;

my @all = ('SIZE 1000', 'DSN', '8BITMIME', 'BINARYMIME', 'CHUNKING', 'CHECKPOINT', 'AUTH PLAIN LOGIN',
    'XVERP', 'ETRN', 'HELP', 'VRFY');

# One method, in each context, answered by yes and by no.
sub each_answer {
    my ($method, $yes, @args) = @_;
    my @no = ('450 later', "550-no\r\n550 never", '502 what');
    return {
        name    => "$method answered yes and no, in each context",
        scripts => [ talk([], ($yes) x 9), talk([], (@no) x 3) ],
        code    => sub {
            my $t = shift;
            for (1 .. 2) {
                my $s = $t->connect;
                $t->each_context($s, $method, @args);
                $t->state($s);
                $s->close;
            }
        },
        except => $method eq 'datafh' ? ['net_cmd_sending'] : [],
    };
}

# mail or recipient with options, on servers that have all extensions, none, or no EHLO.
sub options {
    my ($method, $name, @args) = @_;
    my $call = sub {
        my ($t, $s) = @_;
        $t->scalar($s, $method, 'a@test', map { ref $_ eq 'HASH' ? {%$_} : $_ } @args);
    };
    return (
        { name => "$method $name, supported",   ehlo => \@all, calls => $call },
        { name => "$method $name, unsupported", ehlo => [],    calls => $call },
    );
}

sub upgraded { my $text = shift; utf8::upgrade($text); return $text }

my @addresses = (
    [ 'plain'                => 'a@test' ],
    [ 'blanks around'        => "  a\@test\t " ],
    [ 'in brackets'          => ' <a@test> ' ],
    [ 'with a name'          => 'A B <a@test>' ],
    [ 'with a comment after' => '<a@test> (A B)' ],
    [ 'empty'                => '' ],
    [ 'null path'            => '<>' ],
    [ 'zero'                 => 0 ],
    [ 'only blanks'          => '  ' ],
    [ 'open bracket'         => '<a@test' ],
    [ 'close bracket'        => 'a@test>' ],
    [ 'route'                => '<@x,@y:a@test>' ],
    [ 'newline at the end'   => "a\@test\n" ],
    [ 'newline within'       => "a\n\@test" ],
    [ 'newline in brackets'  => "<a\n\@test>" ],
    [ 'blanks in brackets'   => '< a @ test >' ],
    [ 'eight bits'           => "\xe9\@test" ],
    [ 'parameters after'     => '<a@test> SIZE=5' ],
    [ 'quoted local part'    => '"a b"@test' ],
    [ 'quoted bracket'       => '"a> b"@test' ],
    [ 'name and comment'     => 'A B <a@test> (C)' ],
    [ 'wide blanks'          => "\x{2003}\x{3000}a\@test\x{2028}\x{a0}" ],
    [ 'wide blanks, bracket' => "\x{2003}<a\@test>\x{85}\x{205f}" ],
    [ 'blanks by one octet'  => "\xa0a\@test\x85" ],
    [ 'the same, bracket'    => "\x85<a\@test>\xa0" ],
    [ 'the same, upgraded'   => upgraded("\xa0a\@test\x85") ],
    [ 'upgraded, bracket'    => upgraded("\x85<a\@test>\xa0") ],
    [ 'upgraded, within'     => upgraded("a\xa0\x85\xe9\@test") ],
    [ 'upgraded blanks only' => upgraded("\xa0\x85 ") ],
);

my %all_mail = (
    Size => 5, Return => 'FULL', Bits => '8', Transaction => 't1', Envelope => 'e=1',
    XVERP => 1, Unknown => 1,
);

oracle(
    each_answer(mail          => '250 ok',     'a@test'),
    each_answer(recipient     => '250 ok',     'a@test'),
    each_answer(to            => '251 forward', 'a@test', 'b@test', 'c@test'),
    each_answer(send          => '250 ok',     'a@test'),
    each_answer(send_or_mail  => '250 ok',     'a@test'),
    each_answer(send_and_mail => '250 ok',     'a@test'),
    each_answer(verify        => '250 ok',     'a@test'),
    each_answer(expand        => "250-a\r\n250 b", 'list'),
    each_answer(help          => "214-a\r\n214 b"),
    each_answer('reset'       => '250 ok'),
    each_answer(hello         => "250-me\r\n250 SIZE 5", 'client.test'),
    each_answer(datafh        => '354 go'),
    each_answer(_EHLO         => '250 ok', 'x', 'y'),
    each_answer(_HELO         => '250 ok', 'x'),
    each_answer(_MAIL         => '250 ok', 'FROM:<a>'),
    each_answer(_RCPT         => '250 ok', 'TO:<a>'),
    each_answer(_SEND         => '250 ok', 'FROM:<a>'),
    each_answer(_SAML         => '250 ok', 'FROM:<a>'),
    each_answer(_SOML         => '250 ok', 'FROM:<a>'),
    each_answer(_VRFY         => '250 ok', 'a'),
    each_answer(_EXPN         => '250 ok', 'a'),
    each_answer(_HELP         => '250 ok', 'a'),
    each_answer(_ETRN         => '250 ok', 'a'),
    each_answer(_AUTH         => '235 ok', 'PLAIN', 'AGEAYg=='),
    each_answer(_STARTTLS     => '220 ok', 'ignored'),
    each_answer(_RSET         => '250 ok', 'ignored'),
    each_answer(_NOOP         => '250 ok', 'ignored'),
    each_answer(_QUIT         => '221 ok', 'ignored'),
    each_answer(_DATA         => '354 ok', 'ignored'),
    {   name    => '_BDAT sends and does not wait',
        replies => ['250 ok'],
        calls   => sub { my ($t, $s) = @_; $t->scalar($s, _BDAT => 4, 'LAST'); $t->scalar($s, 'response') },
    },
    {   name  => '_TURN is unsupported, and nothing is sent',
        calls => sub { my ($t, $s) = @_; $t->each_context($s, _TURN => 'x') },
    },
    {   name  => 'etrn where it is not offered',
        calls => sub {
            my ($t, $s) = @_;
            $t->each_context($s, etrn => 'host.test');
            $t->scalar($s, 'code');
            $t->list($s, 'message');
        },
    },
    {   name  => 'etrn where it is offered',
        ehlo  => ['ETRN'],
        calls => sub { my ($t, $s) = @_; $t->each_context($s, etrn => 'host.test', 'more') },
    },
    {   name  => 'starttls where the server says no',
        tls   => 1,
        skip  => (grep({ -e "$_/IO/Socket/SSL.pm" } @INC)
            ? 0
            : 'the core module has no TLS without IO::Socket::SSL'),
        ehlo  => ['STARTTLS'],
        smtp  => { on => { STARTTLS => '454 not now' } },
        calls => sub { my ($t, $s) = @_; $t->each_context($s, 'starttls') },
    },
    {   name  => 'supports: with a value, without, in any case, absent, with a status to set',
        ehlo  => [ 'SIZE 1000', 'DSN', 'X-Odd=1 2', 'lower case' ],
        calls => sub {
            my ($t, $s) = @_;
            $t->each_context($s, supports => $_) for qw(SIZE size DSN X-ODD lower NONE);
            $t->list($s, supports => 'NONE', 599, ['none here']);
            $t->scalar($s, 'code');
            $t->list($s, 'message');
            $t->list($s, supports => 'SIZE', 598, ['never set']);
            $t->scalar($s, 'code');
            $t->scalar($s, supports => 'NONE', 597, 'text');
            $t->list($s, 'message');
        },
    },
    {   name  => 'supports with too few or too many arguments',
        needs => 3.13,
        calls => sub {
            my ($t, $s) = @_;
            $t->scalar($s, supports => 'NONE', 500);
            $t->scalar($s, supports => 'NONE', 500, 'a', 'b');
        },
    },
    {   name  => 'host, banner and domain',
        calls => sub { my ($t, $s) = @_; $t->each_context($s, $_) for qw(host banner domain) },
    },
    {   name  => 'can_ssl and can_inet6 tell something true',
        calls => sub {
            my ($t, $s) = @_;
            $t->note(can_inet6 => $s->can_inet6, $t->class->can_inet6);
            $t->note(can => map { $s->can($_) ? 1 : 0 } qw(can_ssl starttls auth can_inet6));
        },
    },
    {   name  => 'help with a topic, expand and verify with several words',
        calls => sub {
            my ($t, $s) = @_;
            $t->scalar($s, help => 'MAIL', 'RCPT');
            $t->list($s, expand => 'a', 'b');
            $t->scalar($s, verify => 'a', 'b');
        },
    },
    {   name    => 'help in list context, refused',
        replies => [ '502 no', '502 no', '502 no', '502 no' ],
        calls   => sub {
            my ($t, $s) = @_;
            $t->list($s, 'help');
            $t->list($s, expand => 'x');
            $t->scalar($s, expand => 'x');
            $t->list($s, 'datafh');
        },
    },
    {   name    => 'hello: the second one forgets the first',
        greetings => ['AGAIN'],
        replies => [ "250-again\r\n250-PIPELINING\r\n250 SIZE=77", '250 done' ],
        ehlo    => [ 'SIZE 1000', 'DSN' ],
        calls   => sub {
            my ($t, $s) = @_;
            $t->scalar($s, hello => 'second.test');
            $t->list($s, supports => $_) for qw(SIZE DSN PIPELINING);
            $t->scalar($s, mail => 'a', Size => 5);
        },
    },
    {   name    => 'hello falls back to HELO on 5xx',
        replies => [ '502 no', "250 plain.test hello" ],
        except  => ['net_smtp_esmtp'],
        calls   => sub { my ($t, $s) = @_; $t->scalar($s, hello => 'x.test') },
    },
    {   name    => 'hello does not fall back on 4xx',
        replies => ['421 busy'],
        calls   => sub { my ($t, $s) = @_; $t->list($s, hello => 'x.test'); $t->scalar($s, hello => 'y') },
        new     => { wait => 2 },
        except  => ['open'],
    },
    {   name    => 'hello: odd extension lines',
        replies => ["250-me\r\n250-size   12  34\r\n250-=x\r\n250-A=B=C\r\n250-\r\n250-a-b c\r\n250-D\tE\r\n250 --- f"],
        calls   => sub { my ($t, $s) = @_; $t->scalar($s, 'hello') },
    },
    {   name    => 'hello without, with an empty, with a zero name',
        replies => [ ('250 me') x 4 ],
        calls   => sub { my ($t, $s) = @_; $t->scalar($s, hello => @$_) for [], [''], [0], [ 'a', 'b' ] },
    },
    {   name    => 'hello: the first word of the answer',
        greetings => [qw(TWO ONE FIRST)],
        replies => [ "250  two words", '250 one', "250-first line\r\n250 x" ],
        calls   => sub { my ($t, $s) = @_; $t->list($s, hello => 'x') for 1 .. 3 },
    },
    options(mail => 'without options'),
    options(mail => 'Size', Size => 99),
    options(mail => 'Size not a number', Size => '12abc'),
    options(mail => 'Size 0', Size => 0),
    options(mail => 'Size text', Size => '12'),
    options(mail => 'Size undef', Size => undef),
    options(mail => 'Return FULL', Return => 'FULL'),
    options(mail => 'Return full', Return => 'full'),
    options(mail => 'Return other', Return => 'x'),
    options(mail => 'Bits 8', Bits => 8),
    options(mail => 'Bits binary', Bits => 'binary'),
    options(mail => 'Bits 7', Bits => '7'),
    options(mail => 'Transaction', Transaction => ' t@x '),
    options(mail => 'Envelope', Envelope => "a b=c+d\x01\xe9~!"),
    options(mail => 'ENVID', ENVID => 'a+20b'),
    options(mail => 'AUTH', AUTH => 'a+20b'),
    options(mail => 'AUTH empty', AUTH => ''),
    options(mail => 'XVERP 0', XVERP => 0),
    options(mail => 'everything', map { $_ => $all_mail{$_} } grep { $_ ne 'Unknown' } sort keys %all_mail),
    options(mail => 'an odd number of options', 'Size'),
    options(recipient => 'an empty option hash', {}),
    options(recipient => 'Notify', { Notify => [ 'never', 'Failure' ] }),
    options(recipient => 'Notify of nothing', { Notify => [] }),
    options(recipient => 'Notify undef', { Notify => undef }),
    options(recipient => 'Notify text', { Notify => 'NEVER' }),
    options(recipient => 'ORcpt', { ORcpt => 'rfc822;a+2Bb@test' }),
    options(recipient => 'SkipBad', { SkipBad => 1 }),
    options(recipient => 'several unknown', { Foo => 1, Bar => 2, SkipBad => 1 }),
    options(recipient => 'all of them', { SkipBad => 1, Notify => ['DELAY'], ORcpt => 'x' }),
    {   name  => 'mail and recipient options without ESMTP',
        smtp  => { helo_only => 1 },
        calls => sub {
            my ($t, $s) = @_;
            $t->scalar($s, mail => 'a', Size => 5, Bits => '8');
            $t->scalar($s, recipient => 'b', { Notify => ['NEVER'] });
            $t->scalar($s, recipient => 'b', { SkipBad => 1 });
            $t->scalar($s, recipient => 'b', {});
        },
    },
    {   name  => 'the options of recipient stay the caller\'s',
        ehlo  => ['DSN'],
        calls => sub {
            my ($t, $s) = @_;
            my %opt = (SkipBad => 1, Notify => ['never'], ORcpt => 'x', Other => 2);
            my @list = ('a@test', 'b@test', \%opt);
            $t->scalar(sub { $s->recipient(@list) });
            $t->note(after => \%opt, scalar @list);
            my @options = (Size => 4, Envelope => 'a b');
            $t->scalar(sub { $s->mail('a', @options) });
            $t->note(after => \@options);
        },
    },
    (map { my $method = $_; {
        name  => "$method: SkipBad in each context, with good and bad, and with none",
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a@test');
            $t->each_context($s, $method => 'x@test', 'bad@test', 'y@test', { SkipBad => 1 });
            $t->each_context($s, $method => 'bad@test', { SkipBad => 1 });
            $t->each_context($s, $method => { SkipBad => 1 });
            $t->each_context($s, $method => 'x@test', 'bad@test', 'y@test', { SkipBad => 0 });
            $t->each_context($s, $method => 'x@test', 'bad@test', 'y@test');
            $t->each_context($s, $method);
        },
    } } qw(recipient to cc bcc)),
    (map { my $exact = $_; {
        name  => $exact ? 'exact addresses' : 'addresses',
        new   => { ExactAddresses => $exact },
        calls => sub {
            my ($t, $s) = @_;
            for (@addresses) {
                my ($name, $addr) = @$_;
                next if $exact && $addr =~ /\A[^"]*>\s*[^>\s]/;    # ours refuses it
                $t->note("$name:");
                $t->scalar($s, mail => $addr);
                $t->scalar($s, _addr => $addr);
            }
        },
    } } 0, 1),
    {   name  => 'send, send_or_mail and send_and_mail take the address only',
        calls => sub {
            my ($t, $s) = @_;
            $t->scalar($s, $_ => 'A <a@test>', Size => 5) for qw(send send_or_mail send_and_mail);
            $t->scalar($s, $_) for qw(send send_or_mail send_and_mail);
        },
    },
    {   name  => 'unknown options of mail, several',
        ehlo  => ['SIZE'],
        calls => sub { my ($t, $s) = @_; $t->scalar($s, recipient => 'a', { Xyz => 1, Abc => 1 }) },
    },
    {   name  => 'Bits binary turns bdat on',
        ehlo  => [ 'BINARYMIME', 'CHUNKING' ],
        calls => sub { my ($t, $s) = @_; $t->scalar($s, mail => 'a', Bits => 'binary') },
    },
    {   name  => 'carp names the line of the script',
        ehlo  => [],
        calls => sub {
            my ($t, $s) = @_;
            $t->void(sub {
                $s->mail('a', Size => 5);
                $s->mail('a', Return => 'FULL');
                $s->recipient('a', { ORcpt => 'x' });
                $s->bdat('x');
            });
        },
    },
    {   name  => 'carp names the line of a function of another package',
        ehlo  => [],
        calls => sub {
            my ($t, $s) = @_;
            $t->void(sub { Some::Where::send_it($s) });
        },
    },
    {   name  => 'carp seen from a subclass is about its caller',
        ehlo  => [],
        code  => sub {
            my $t = shift;
            $t->subclass('My::SMTP', 'sub post { my $self = shift; $self->mail("a", Size => 5) }');
            my $s = $t->connect(class => 'My::SMTP');
            $t->void(sub { $s->post });
        },
    },
    {   name  => 'quit in each context, taken, refused and cut off',
        scripts => [ talk([], '221 bye'), talk([], '500 no'), talk([], '221 bye'),
            [ @{ talk([]) }, '<', ['close'] ] ],
        code  => sub {
            my $t = shift;
            for my $context (qw(list scalar void scalar)) {
                my $s = $t->connect;
                $t->$context($s, 'quit');
                $t->state($s);
            }
        },
    },
);

package Some::Where;

sub send_it {
    my $smtp = shift;
    $smtp->mail('a', Size => 5);
    return;
}
