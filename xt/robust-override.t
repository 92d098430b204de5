# Methods that a class overrides, each in a way that could hurt what calls it.
use strict;
use warnings;
use lib 't/lib';

use Net::SMTP::XS;
use Test::More;
use NSX::Test::Attack;

no warnings 'recursion';

# Every method that others are built on.
my @inner = qw(command response getline ungetline parse_response set_status DEF_REPLY_CODE debug
    debug_print debug_text message code status datasend rawdatasend dataend tied_fh unsupported
    _is_closed _syswrite_with_timeout _set_status_closed _set_status_timeout supports _EHLO _HELO
    _MAIL _RCPT _SEND _SAML _SOML _VRFY _EXPN _HELP _RSET _NOOP _QUIT _DATA _BDAT _ETRN timeout close
    _addr can isa DESTROY fileno opened);

our ($object, $depth, @given);

sub _many { return scalar @_ }
sub _deep { my $n = shift; return $n ? _deep($n - 1, 1 .. 10) : 0 }

# What the overriding method does; @_ is its own.
my %deed = (
    'dies'                  => sub { die "overridden\n" },
    'drops the object'      => sub { undef $object; 1 },
    'empties the glob'      => sub { undef *{ $_[0] }; 1 },
    'empties the hash'      => sub { %{ *{ $_[0] } } = (io_socket_timeout => 1); 1 },
    'closes the handle'     => sub { CORE::close($_[0]); 1 },
    'gives a command'       => sub { $_[0]->Net::SMTP::XS::Cmd::command('INNER')->response },
    'sends data'            => sub { $_[0]->Net::SMTP::XS::Cmd::datasend("inner\n") },
    'calls itself'          => sub { my $m = pop @given; $_[0]->$m(@_[ 1 .. $#_ ]) },
    'empties its arguments' => sub { @_ = (); 1 },
    'changes its arguments' => sub { eval { $_ = 'x' x 5000 } for @_[ 1 .. $#_ ]; 1 },
    'undefines its arguments' => sub { eval { undef $_ } for @_[ 1 .. $#_ ]; 1 },
    'reblesses'             => sub { bless $_[0], 'Net::SMTP::XS'; 1 },
    'moves the stack'       => sub { _many((1) x 100_000); _deep(1000); 1 },
    'edits the class'       => sub { no strict 'refs'; no warnings; @Victim::ISA = ('Between', 'Net::SMTP::XS'); *{"Victim::$given[-1]"} = sub { 7 }; 1 },
    'deletes itself'        => sub { no strict 'refs'; delete $Victim::{ $given[-1] }; 1 },
    'redefines itself'      => sub { eval "no warnings; package Victim; sub $given[-1] { 250 } 1"; 1 },
    'returns nothing'       => sub { return },
    'returns undef'         => sub { undef },
    'returns an empty string' => sub { '' },
    'returns zero'          => sub { 0 },
    'returns a number'      => sub { 250 },
    'returns a float'       => sub { 2.5e300 },
    'returns a list'        => sub { (1 .. 50) },
    'returns many'          => sub { (1) x 100_000 },
    'returns a reference'   => sub { [] },
    'returns a hash'        => sub { {} },
    'returns code'          => sub { sub { 1 } },
    'returns a glob'        => sub { *STDOUT },
    'returns an object'     => sub { bless [], 'Stringy' },
    'returns its object'    => sub { $_[0] },
    'returns another class' => sub { bless {}, 'Stranger' },
    'returns a long string' => sub { '250 ' . 'x' x 200_000 },
    'returns wide text'     => sub { "250 \x{263a}" },
    'returns NULs'          => sub { "\0" x 10 },
    'returns a line'        => sub { "250 line\r\n" },
    'returns a read-only'   => sub { ${ \'250 constant' } },
);

{
    package Stringy;
    use overload '""' => sub { "250 stringy\n" }, '0+' => sub { 2 }, bool => sub { 1 };
    package Stranger;
    sub response { '2' }
    package Between;
    our @ISA = ('Net::SMTP::XS');
}

my @calls = (
    [ hello => 'x' ], [ mail => 'a', Size => 1 ], [ to => 'b', 'c', { SkipBad => 1 } ], [ data => "text\n.\n" ],
    ['data'], [ datasend => "x\n", '.y' ], [ datasend => [ "x\n", '.y' ] ], ['dataend'],
    [ rawdatasend => 'raw' ], [ bdat => 'chunk' ], [ bdatlast => 'chunk' ], ['reset'], [ send => 'a' ],
    [ expand => 'x' ], [ verify => 'x' ], ['help'], [ etrn => 'x' ], [ supports => 'X', 500, ['no'] ],
    ['response'], ['getline'], [ ungetline => 'x' ], ['code'], ['message'], ['status'], ['ok'], ['quit'],
);

sub victim {
    my ($t, $method, $deed) = @_;
    no strict 'refs';
    no warnings 'redefine';
    %Victim:: = ();
    eval 'package Victim; our @ISA = "Net::SMTP::XS"; 1' or die $@;
    *{"Victim::$method"} = sub {
        push @given, $method;
        return $depth++ < 3 ? $deed->(@_) : $method =~ /^(?:can|isa|DESTROY|fileno|opened)\z/ ? 1
            : $_[0]->${ \"Net::SMTP::XS::$method" }(@_[ 1 .. $#_ ]);
    };
    return;
}

for my $deed (sort keys %deed) {
    attack "an overriding method that $deed", sub {
        my $t = shift;
        local $SIG{__WARN__} = sub { };
        open my $null, '>>', $ENV{NSX_STDERR} || '/dev/null' or die;
        local *STDERR = $null;
        my $few = $deed =~ /many|moves|long/;
        for my $method (@inner) {
            victim($t, $method, $deed{$deed});
            for my $phase ($few ? 'chunks' : ('', 'chunks', $method =~ /debug|_print/ ? 'debug' : ())) {
                for my $call (@calls) {
                    my ($name, @args) = @$call;
                    (my $s, my $peer) = $t->wired(('250 ok') x 2, '354 go', ('250 ok') x 10);
                    shutdown $peer, 1;
                    ${*$s}{io_socket_timeout} = 0.05;
                    ${*$s}{net_smtp_chunking} = 1 if $phase eq 'chunks';
                    ${*$s}{net_cmd_debug}     = 1 if $phase eq 'debug';
                    $object = bless $s, 'Victim';
                    undef $s;
                    ($depth, @given) = (0);
                    eval { my @list = $object->$name(@args) };
                    ($depth, @given) = (0);
                    eval { my $scalar = $object->$name(@args) } if $object;
                    eval { $depth = 9; undef $object };
                }
            }
        }
    }, limit => 30;
}

# An edit of the class counts at once, also in the middle of a call.
attack 'edits of the class are seen at once', sub {
    my $t = shift;
    no strict 'refs';
    no warnings qw(redefine once);
    my ($s, $peer) = $t->wired(('250 ok') x 30);
    my $text = sub { $s->command('X')->response; (my $m = $s->message) =~ s/\n//; $m };
    $t->is($text->(), 'ok', 'plain');
    {
        local *Net::SMTP::XS::Cmd::getline = sub {"250 local\n"};
        $t->is($text->(), 'local', 'a local sub');
    }
    $t->is($text->(), 'ok', 'after it');
    my $old = \&Net::SMTP::XS::Cmd::getline;
    eval 'package Net::SMTP::XS::Cmd; sub getline { "250 redefined\n" } 1' or die $@;
    $t->is($text->(), 'redefined', 'a redefined sub');
    *Net::SMTP::XS::Cmd::getline = $old;
    { package Above; sub getline {"250 above\n"} }
    {
        local @Net::SMTP::XS::ISA = ('Above', @Net::SMTP::XS::ISA);
        $t->is($text->(), 'above', 'another parent');
    }
    eval { undef &Above::getline };
    *UNIVERSAL::nonesuch = sub { 1 };
    bless $s, 'Below';
    @Below::ISA = ('Net::SMTP::XS');
    *Below::parse_response = sub { @Below::ISA = ('Net::SMTP::XS'); *Below::getline = sub {"250 mid\n"}; $_[0]->Net::SMTP::XS::Cmd::parse_response($_[1]) };
    my ($s2, $p2) = $t->wired('250-one', '250-two', '250 three');
    bless $s2, 'Below';
    $t->is($s2->command('X')->response, 2, 'response');
    $t->is(scalar $s2->message, 'one' . "\n" . "mid\n", 'a sub that comes while a reply is read');
};

finished();
