# Arguments of every kind: undef, tied, overloaded, upgraded, wide, references.
use strict;
use warnings;
no warnings 'once';
use lib 't/lib';
use NSX::Test::Oracle;

{
    package Tied::Scalar;
    sub TIESCALAR { my ($class, @values) = @_; return bless { values => \@values, reads => 0 }, $class }
    sub FETCH { my $self = shift; return $self->{values}[ $self->{reads}++ % @{ $self->{values} } ] }
    sub STORE { my ($self, $value) = @_; $self->{stored} = $value; return }

    package Tied::Array;
    require Tie::Array;
    our @ISA = ('Tie::StdArray');

    package Over::Loaded;
    use overload '""' => sub { $_[0]{calls}++; $_[0]{text} }, fallback => 1;
    sub new { my ($class, $text) = @_; return bless { text => $text, calls => 0 }, $class }

    package Over::Number;
    use overload '0+' => sub { 42 }, '""' => sub { 'forty-two' }, fallback => 1;

    package Over::Dies;
    use overload '""' => sub { die "no text\n" }, fallback => 1;

    package Over::List;
    use overload '@{}' => sub { [ "from\n", "a list\n" ] }, '""' => sub { 'a text' }, fallback => 1;

    package Just::An::Object;
}

my %kind = (
    'undef'       => sub { undef },
    'empty'       => sub { '' },
    'integer'     => sub { 12345 },
    'negative'    => sub { -7 },
    'float'       => sub { 1.5 },
    'big'         => sub { 1e20 },
    'number text' => sub { '007' },
    'overloaded'  => sub { Over::Loaded->new('over@test') },
    'overloaded number' => sub { bless {}, 'Over::Number' },
    'upgraded'    => sub { my $x = "up\@t\xe9st"; utf8::upgrade($x); $x },
    'upgraded ASCII' => sub { my $x = 'plain@test'; utf8::upgrade($x); $x },
    'octets'      => sub { "t\xc3\xa9\@test" },
    'tied'        => sub { tie my $x, 'Tied::Scalar', 'tied@test'; \$x },
    'match variable' => sub { 'x matched@test y' =~ /(\S+@\S+)/; \$1 },
    'read only'   => sub { \'const@test' },
    'substr'      => sub { our $long = 'xxx sub@test xxx'; \substr($long, 4, 8) },
    'hash element not there' => sub { our %none = (); \$none{x} },
    'v-string'    => sub { v97.98.99 },
    'a glob'      => sub { *STDOUT },
    'true'        => sub { 1 == 1 },
    'false'       => sub { 1 == 0 },
);

# Kinds that would be taken for something else as the last argument of recipient.
my %no_reference = map { $_ => 1 } 'overloaded', 'overloaded number';

# Each kind of value given to a call, in one session.
sub each_kind {
    my ($name, $call, %more) = @_;
    my @kinds = grep { !$more{without}{$_} } sort keys %kind;
    return {
        name  => "every kind of value: $name",
        ehlo  => [ 'SIZE', 'DSN', 'CHECKPOINT', 'AUTH', '8BITMIME' ],
        calls => sub {
            my ($t, $s) = @_;
            for my $kind (@kinds) {
                $t->note("$kind:");
                my $value = $kind{$kind}->();
                my $magic = ref $value eq 'SCALAR' || ref $value eq 'LVALUE' || ref $value eq 'REF';
                $call->($t, $s, $_) for $magic ? $$value : $value;
                my $tied = $magic ? tied $$value : undef;
                $t->note(reads => $tied->{reads} > 0 ? 'read' : 'not read') if $tied;
            }
        },
        %more,
    };
}

sub on_session {
    my ($name, $calls, %more) = @_;
    return { name => $name, ehlo => [ 'SIZE', 'DSN', 'BINARYMIME', 'CHUNKING' ], calls => $calls, %more };
}

oracle(
    each_kind('mail', sub { my ($t, $s) = @_; $t->scalar($s, mail => $_[2]); $t->note(arg => defined $_[2] ? "$_[2]" : undef) }),
    each_kind('command', sub { my ($t, $s) = @_; $t->scalar($s, command => 'X', $_[2], 'y') }, wire => 1),
    each_kind('datasend', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $s->to('b');
        $s->_DATA;
        $t->scalar($s, datasend => 'x', $_[2], "\n");
        $t->scalar($s, 'dataend');
    }, needs => 3.07),
    each_kind('the options of mail', sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a', Size => $_[2]);
        $t->scalar($s, mail => 'a', $_ => $_[2]) for qw(Return Bits Transaction Envelope ENVID AUTH XVERP);
    }, without => { 'undef' => 1, 'hash element not there' => 1 }),
    on_session('recipient: every kind, all at once', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        my @all = map { my $v = $kind{$_}->(); ref $v eq 'SCALAR' || ref $v eq 'LVALUE' ? $$v : $v }
            grep { !$no_reference{$_} } sort keys %kind;
        $t->scalar($s, recipient => @all, { SkipBad => 1 });
        $t->list($s, recipient => @all, { SkipBad => 1 });
    }),
    on_session('recipient: what comes back is what was given', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        my $object = Over::Loaded->new('object@test');
        my @back = $s->recipient($object, 12, "\x{e9}", { SkipBad => 1 });
        $t->note(back => @back);
        $t->note(same => ref $back[0] && $back[0] == $object ? 1 : 0);
    }),
    on_session('hello, verify, expand, help and etrn with numbers and objects', sub {
        my ($t, $s) = @_;
        $t->scalar($s, $_ => 12.5) for qw(hello verify expand help _ETRN);
        $t->scalar($s, $_ => Over::Loaded->new('object.test')) for qw(hello verify expand help);
    }),
    on_session('undef where words are wanted', sub {
        my ($t, $s) = @_;
        $t->scalar($s, $_ => undef) for qw(verify expand help);
        $t->scalar($s, supports => 'SIZE');
        $t->scalar($s, send => undef);
    }),
    on_session('supports with undef, a number, an object', sub {
        my ($t, $s) = @_;
        $t->scalar($s, supports => $_) for undef, 12, Over::Loaded->new('size'), '';
    }),
    on_session('references as command words', sub {
        my ($t, $s) = @_;
        for my $ref ([], {}, sub { }, \'x') {
            $t->scalar($s, command => 'X', $ref);
            $t->note(message => $s->response);
        }
    }, smtp => { on => { X => '250 x' } }, wire => 0),
    on_session('an object with no text', sub {
        my ($t, $s) = @_;
        my $bad = bless {}, 'Over::Dies';
        $t->scalar($s, mail => $bad);
        $t->scalar($s, command => 'X', $bad);
        $t->scalar($s, to => $bad, 'b');
        $t->scalar($s, '_NOOP');
    }),
    on_session('datasend of an object that is a list', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $s->to('b');
        my $list = bless {}, 'Over::List';
        $t->scalar($s, '_DATA');
        $t->scalar($s, datasend => $list);
        $t->scalar($s, datasend => $list, "\n");
        $t->scalar($s, 'dataend');
    }),
    on_session('datasend of a reference that is no list', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $s->to('b');
        $t->scalar($s, '_DATA');
        $t->scalar($s, datasend => $_) for { a => 1 }, \'text', sub { };
        $t->scalar($s, datasend => "x\n");
        $t->scalar($s, 'dataend');
    }),
    on_session('datasend of an object with text alone', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $s->to('b');
        $t->scalar($s, '_DATA');
        $t->scalar($s, datasend => "y\n", Over::Loaded->new("text\n"));
        $t->scalar($s, 'dataend');
    }),
    on_session('datasend of a tied array', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $s->to('b');
        tie my @list, 'Tied::Array';
        @list = ("a\n", ".b\n", 3, '');
        $t->scalar($s, '_DATA');
        $t->scalar($s, datasend => \@list);
        $t->scalar($s, 'dataend');
    }),
    on_session('datasend of a list with holes', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $s->to('b');
        my @list = ("a\n");
        $list[2] = "b\n";
        $t->scalar($s, '_DATA');
        $t->scalar($s, datasend => \@list);
        $t->scalar($s, 'dataend');
    }),
    on_session('datasend leaves its arguments alone', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $s->to('b');
        my ($text, $up, $number) = (".a\n", ".\xe9\n", 12);
        utf8::upgrade($up);
        $t->scalar($s, '_DATA');
        $s->datasend($text, $up, $number);
        $s->datasend($up);
        $s->datasend([ $up, $text ]);
        $t->note(kept => $text, $up, $number);
        $t->scalar($s, 'dataend');
    }, needs => 3.07),
    on_session('upgraded text is counted in octets', sub {
        my ($t, $s) = @_;
        my $up = "caf\xe9\r\n";
        utf8::upgrade($up);
        $s->mail('a', Bits => 'binary');
        $s->to('b');
        $t->scalar($s, bdat => $up);
        $t->scalar($s, bdatlast => $up);
        $t->note(kept => $up);
    }),
    on_session('upgraded text raw, and mixed', sub {
        my ($t, $s) = @_;
        my $up = "caf\xe9\r\n";
        utf8::upgrade($up);
        $t->scalar($s, rawdatasend => $up);
        $t->scalar($s, rawdatasend => $up, "\xe9\r\n");
        chop $up;
        chop $up;
        $t->scalar($s, command => $up);
    }),
    on_session('a wide character in a command', sub {
        my ($t, $s) = @_;
        $t->scalar($s, command => "wide \x{263a}");
        $t->scalar($s, '_NOOP');
    }),
    on_session('a wide character in an address', sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => "\x{263a}\@test");
        $t->scalar($s, '_NOOP');
    }),
    on_session('bdat of numbers', sub {
        my ($t, $s) = @_;
        $s->mail('a', Bits => 'binary');
        $s->to('b');
        $t->scalar($s, bdat => $_) for 12345, '';
        $t->scalar($s, bdatlast => 1.5);
    }),
    on_session('set_status with odd values', sub {
        my ($t, $s) = @_;
        for my $args ([ undef, 'x' ], [ 250, Over::Loaded->new('text') ], [ '250 x', 0 ], [ 250.7, 1.5 ]) {
            $t->scalar($s, set_status => @$args);
            $t->scalar($s, 'code');
            $t->note(resp => ref ${*$s}{net_cmd_resp});
        }
    }),
    on_session('ungetline of numbers and undef', sub {
        my ($t, $s) = @_;
        $t->scalar($s, ungetline => 250);
        $t->scalar($s, 'getline');
        $t->scalar($s, ungetline => undef);
        $t->scalar($s, 'getline');
    }),
    on_session('options by an object that is a hash', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $t->scalar($s, to => 'b', bless { SkipBad => 1 }, 'Just::An::Object');
        $t->list($s, to => 'b', 'bad', bless { SkipBad => 1 }, 'Just::An::Object');
    }),
    on_session('a reference that is no hash as the last argument of recipient', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $t->scalar(sub { $s->to('b', []) });
        $t->scalar(sub { $s->to('b', \'x') });
        $t->scalar(sub { $s->to('b', sub { }) });
        $t->scalar($s, '_NOOP');
    }),
    on_session('Notify that is no list', sub {
        my ($t, $s) = @_;
        $s->mail('a');
        $t->scalar(sub { $s->to('b', { Notify => {} }) });
        $t->scalar(sub { $s->to('b', { Notify => [ undef, 'x' ] }) });
        $t->scalar(sub { $s->to('b', { ORcpt => [] }) ; 1 });
    }, wire => 0),
    on_session('new with numbers, objects and undef for options', sub {
        my ($t, $s) = @_;
        $s->quit;
        for my $arg ([ Hello => 12 ], [ Hello => Over::Loaded->new('over.test') ], [ Hello => undef ], [ Port => undef ], [ Timeout => '5' ]) {
            next if $arg->[0] eq 'Port';
            my $o = $t->scalar(sub { $t->connect(@$arg) });
            $o->quit if $o;
        }
        my $o = $t->scalar(sub { $t->class->new(Over::Loaded->new($t->host), Port => Over::Loaded->new($t->port)) });
        $t->state($o);
    }),
    on_session('local $_ and a list separator survive', sub {
        my ($t, $s) = @_;
        local $_ = 'kept';
        local $" = '-';
        'abc' =~ /(b)/;
        $s->mail('x@test', Size => 1);
        $s->to('y@test', { Notify => ['NEVER'] });
        $s->data("a\nb");
        $s->help;
        $t->note(kept => $_, $1);
    }),
    on_session('$! and $@ after what went well', sub {
        my ($t, $s) = @_;
        for my $call ([ mail => 'a' ], [ to => 'b' ], [ data => 'x' ], ['reset'], ['help'], [ supports => 'X' ]) {
            my ($method, @args) = @$call;
            local $@ = 'kept';
            $s->$method(@args);
            $t->note($method => $@);
        }
    }),
);
