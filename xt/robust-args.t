# Arguments that are not what they seem: none of them crashes, hangs, ends a
# command early or adds another.
use strict;
use warnings;
use lib 't/lib';

use Net::SMTP::XS;
use Socket;
use Test::More;
use NSX::Test::Attack;

no warnings 'recursion';

# Runs code whenever it is looked at.
{

    package Sly;
    our $code;
    sub TIESCALAR { bless {}, shift }
    sub FETCH     { $code ? $code->() : 'sly' }
    sub STORE     { $code->() if $code }
    sub TIEARRAY  { bless { n => $_[1] }, $_[0] }
    sub FETCHSIZE { $code->() if $code; $_[0]{n} }
    sub TIEHASH   { bless {}, shift }
    sub EXISTS    { 0 }

    package Sly::Object;
    use overload '""' => sub { $Sly::code ? $Sly::code->() : 'sly' }, fallback => 1;

    package Sly::Array;
    use overload '@{}' => sub { $Sly::code->() if $Sly::code; ["sly\n"] }, fallback => 1;
}

# Every method, with its arguments' number.
my @methods = (
    (map { [ $_, 1 ] } qw(hello supports etrn mail recipient to send send_or_mail send_and_mail
        expand verify help _EHLO _HELO _MAIL _RCPT _SEND _SAML _SOML _VRFY _EXPN _HELP _ETRN _AUTH
        _BDAT _TURN _addr response command ungetline parse_response unsupported getline
        _syswrite_with_timeout _set_status_closed debug debug_print datasend rawdatasend data
        bdat bdatlast dataend reset quit)),
    (map { [ $_, 2 ] } qw(set_status recipient command datasend rawdatasend data bdat
        debug_print debug_text parse_response)),
    (map { [ $_, 3 ] } qw(supports mail command recipient datasend data debug_print)),
    (map { [ $_, 7 ] } qw(mail command datasend)),
);

my %effect = (
    'is harmless' => sub { 'text' },
    'dies'        => sub { die "sly\n" },
    'drops the object'      => sub { my $v = shift; undef $v->{s}; 'text' },
    'closes'                => sub { my $v = shift; close $v->{s} if $v->{s}; 'text' },
    'gives a command'       => sub { my $v = shift; $v->{s}->command('NOOP')->response; 'text' },
    'sends data'            => sub { my $v = shift; $v->{s}->datasend("x\n"); $v->{s}->dataend; 'text' },
    'quits'                 => sub { my $v = shift; $v->{s}->quit; 'text' },
    'drops the arguments'   => sub { my $v = shift; @{ $v->{args} } = (); 'text' },
    'replaces the arguments' => sub { my $v = shift; @{ $v->{args} } = map {"y$_"} 1 .. 50; 'text' },
    'empties the hash'      => sub { my $v = shift; %{ *{ $v->{s} } } = (io_socket_timeout => 5); 'text' },
    'empties the glob'      => sub { my $v = shift; undef *{ $v->{s} }; 'text' },
    'moves the stack'       => sub { _many((1) x 200_000); _deep(2000); 'text' },
    'is undef'              => sub { undef },
    'is a list'             => sub { (1, 2, 3) },
    'is a reference'        => sub { [] },
    'is wide'               => sub { "\x{100}" },
    'is long'               => sub { 'x' x 100_000 },
    'reblesses'             => sub { my $v = shift; bless $v->{s}, 'Other'; 'text' },
);
@Other::ISA = ('Net::SMTP::XS');

sub _many { return scalar @_ }
sub _deep { my $n = shift; return $n ? _deep($n - 1, 1 .. 10) : 0 }

my %kind = (
    'a tied scalar' => sub { tie my $x, 'Sly'; \$x },
    'an object'     => sub { my $x = bless [], 'Sly::Object'; \$x },
);

sub objects_work {
    my ($t, $make, $effect, $alone) = @_;
    local $SIG{__WARN__} = sub { };
    open my $null, ">>", ($ENV{NSX_STDERR}||"/dev/null") or die;
    local *STDERR = $null;
    for my $method (@methods) {
        my ($name, $count) = @$method;
        for my $at (0 .. $count - 1) {
            for my $phase ($alone ? ('') : ('', 'data', 'chunks', 'debug')) {
                my ($s, $peer) = $t->wired(('250 ok') x 3, '354 go', ('250 ok') x 30);
                shutdown $peer, 1;
                my %v = (s => $s, args => [ map {"word$_"} 1 .. $count ]);
                undef $s;
                my $sly = $make->();
                $v{args}[$at] = $$sly if !tied $$sly;
                tie $v{args}[$at], 'Sly' if tied $$sly;
                ${ *{ $v{s} } }{net_cmd_last_ch}   = "\n" if $phase eq 'data';
                ${ *{ $v{s} } }{net_smtp_chunking} = 1    if $phase eq 'chunks';
                ${ *{ $v{s} } }{net_cmd_debug}     = 1    if $phase eq 'debug';
                my $depth = 0;
                local $Sly::code = sub { $depth++ ? 'text' : $effect->(\%v) };
                eval { $v{s}->$name(@{ $v{args} }) };
                undef $Sly::code;
            }
        }
    }
    return;
}

for my $kind (sort keys %kind) {
    for my $effect (sort keys %effect) {
        my $slow = $effect =~ /moves|long/;
        attack "$kind that $effect, as every argument", sub {
            objects_work($_[0], $kind{$kind}, $effect{$effect}, $slow);
        };
    }
}

# The same inside an array that is the body.
for my $effect (sort keys %effect) {
    attack "an array with an object that $effect", sub {
        my $t = shift;
        local $SIG{__WARN__} = sub { };
        for my $name (qw(datasend rawdatasend data bdat bdatlast)) {
            for my $form (qw(real tied)) {
                my ($s, $peer) = $t->wired('354 go', ('250 ok') x 30);
                shutdown $peer, 1;
                my @lines = (map({"line $_\n"} 1 .. 5), bless([], 'Sly::Object'), undef,
                    map {"line $_\n"} 1 .. 5);
                my %v = (s => $s, args => \@lines);
                ${*$s}{net_smtp_chunking} = 1 if $name =~ /^bdat/;
                undef $s;
                tie my @tied, 'Sly', 4;
                my $depth = 0;
                local $Sly::code = sub { $depth++ ? 'text' : $effect{$effect}->(\%v) };
                eval { $v{s}->$name($form eq 'tied' ? \@tied : \@lines) };
                undef $Sly::code;
            }
        }
    };
}

# What no argument can do: end the line.
my @breaks = ("x\r\nRSET", "x\nRSET", "x\rRSET", "x\0RSET", "\r\nRSET\r\n", "<a\@b>\r\nRSET", "\nRSET\n");
attack 'line ends in arguments start no command', sub {
    my $t = shift;
    local $SIG{__WARN__} = sub { };
    for my $break (@breaks, map { my $x = $_; utf8::upgrade($x); $x } @breaks) {
        for my $make (sub { $_[0] }, sub { bless [ $_[0] ], 'Sly::Object' }) {
            local $Sly::code = sub { $break };
            my ($s, $peer) = $t->wired(('250 ok') x 60);
            my $x = $make->($break);
            $s->hello($x);
            ${*$s}{net_smtp_esmtp} = { map { $_ => '' } qw(DSN SIZE ETRN AUTH 8BITMIME CHECKPOINT XVERP SMTPUTF8) };
            $s->mail($x, Size => 1, Return => $x, Bits => $x, Transaction => $x, Envelope => $x);
            $s->mail('a', ENVID => $x, AUTH => $x, XVERP => $x);
            $s->to($x, $x, { Notify => [$x], ORcpt => $x });
            $s->$_($x) for qw(send send_or_mail send_and_mail expand verify help etrn _RCPT _MAIL
                _EHLO _AUTH _VRFY _BDAT);
            $s->command($x, $x);
            $s->reset;
            my @bad = grep {/^RSET/} split /[\r\n\0]+/, $t->heard($peer);
            $t->is("@bad", 'RSET', 'the one RSET that was asked for');
        }
    }
};

# Things that are no text, given wherever text goes.
sub odd_values {
    my $lvalue = 'abcdef';
    my $cow    = 'c' x 5000;
    my $copy   = $cow;
    my %h      = (k => 'v');
    my $up     = "caf\xe9\n";
    utf8::upgrade($up);
    open my $closed, '<', '/dev/null';
    close $closed;
    tie my $tied, 'Sly';
    my $pos = 'abc';
    pos($pos) = 1;
    return (
        \undef, \'', \0, \-1, \1.5, \9**9**9, \-sin(9**9**9), \"\0", \'constant', \$cow, \$copy,
        \substr($lvalue, 1, 3), \vec($lvalue, 0, 8), \$h{none}, \keys(%h), \pos($pos), \$up,
        \"\x{263a}", \v1.22.333, \*STDOUT, \$closed, \\'x', \\\'x', \qr/x/, \${ qr/x/ }, \sub { 'x' },
        \[], \[ [] ], \{}, \{ SkipBad => 1 }, \$tied, \bless({}, 'Plain'), \bless(\my $b, 'Plain'),
        \bless([], 'Sly::Object'), \bless({}, 'Sly::Array'), \*STDOUT{IO}, \$!, \$0, \$1, \("x" x 5000),
    );
}

for my $phase ('', 'data', 'chunks', 'debug') {
    attack 'odd values everywhere' . ($phase && ", $phase"), sub {
        my $t = shift;
        local $SIG{__WARN__} = sub { };
        open my $null, ">>", ($ENV{NSX_STDERR}||"/dev/null") or die;
        local *STDERR = $null;
        for my $method (@methods) {
            my ($name, $count) = @$method;
            for my $value (odd_values()) {
                my ($s, $peer) = $t->wired(('250 ok') x 2, '354 go', ('250 ok') x 20);
                shutdown $peer, 1;
                ${*$s}{io_socket_timeout} = 0.05;
                ${*$s}{net_cmd_last_ch}   = "\n" if $phase eq 'data';
                ${*$s}{net_smtp_chunking} = 1    if $phase eq 'chunks';
                ${*$s}{net_cmd_debug}     = 1    if $phase eq 'debug';
                my @all = (eval { $s->$name(($$value) x $count) },
                    scalar eval { $s->$name('x', $$value) });
                eval { $s->$name(\$$value); 1 };
            }
        }
    };
}

# The object may not be one at all.
attack 'methods called on what is no object', sub {
    my $t = shift;
    local $SIG{__WARN__} = sub { };
    open my $null, ">>", ($ENV{NSX_STDERR}||"/dev/null") or die;
    local *STDERR = $null;
    opendir my $dir, '.' or die;
    open my $memory, '+<', \(my $text = "250 x\r\n") or die;
    open my $closed, '<', '/dev/null';
    close $closed;
    my $copied = *STDIN;
    my @others = (undef, '', 'Net::SMTP::XS', 'STDOUT', 'nonesuch', 42, {}, [], \'x', sub { 1 }, qr/x/,
        bless({}, 'Net::SMTP::XS'), bless([], 'Net::SMTP::XS'), bless(\my $x, 'Net::SMTP::XS'),
        bless(sub { }, 'Net::SMTP::XS'), bless(qr/x/, 'Net::SMTP::XS'), $dir, $memory, $closed,
        *NEVER, \*NEVER, \$copied, bless(\(my $g = *NEVER), 'Net::SMTP::XS'), *STDIN{IO});
    my %seen;
    for my $class ('Net::SMTP::XS::Cmd', 'Net::SMTP::XS') {
        no strict 'refs';
        for my $name (sort grep { defined &{"${class}::$_"} } keys %{"${class}::"}) {
            next if $name =~ /^(?:new|_new|import|_replace.*|_install|BEGIN|_in_place|carp|croak)$/;
            my $code = \&{"${class}::$name"};
            for my $other (@others) {
                for my $args ([], ['x'], [ 'x', 'y' ]) {
                    next if $name =~ /starttls|auth|AUTH|_tied_write|read_until_dot/ && ref $other;
                    next if ref $other && eval { fileno $other; } && $name =~ /getline|READ/;
                    eval { my @l = $code->($other, @$args); 1 };
                }
            }
            eval { $code->() };
        }
    }
};

# A copy of a glob that is assigned to while a method runs is no glob any more.
attack 'a glob that stops being one', sub {
    my $t = shift;
    for my $method (qw(command response datasend dataend mail code message status quit)) {
        my ($real, $peer) = $t->wired(('250 ok') x 4);
        my $copy = *$real;
        my $s = bless \$copy, 'Net::SMTP::XS';
        $s->code;
        local $SIG{__WARN__} = sub { };
        local $Sly::code = sub { $copy = 5; 'text' };
        eval { $s->$method(bless [], 'Sly::Object') };
        eval { $s->$_ } for qw(code message response quit);
    }
};

finished();
