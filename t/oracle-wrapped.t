# Every public method behind a wrapper, called in every context. Under goto an
# XSUB that goes by GIMME_V, or that leaves nothing on the stack, answers wrong.
use strict;
use warnings;
no warnings 'once';    # packages are made at run time
use lib 't/lib';
use NSX::Test::Oracle;

# Answers whatever comes: no to a line with "bad", a body after DATA and BDAT.
sub answer_all {
    my $conn = shift;
    $conn->send("220 mx.test ready\r\n");
    while (defined(my $line = $conn->line)) {
        my $refused = $line =~ /bad/;
        my ($verb) = $line =~ /^(\w*)/;
        $conn->octets($1) if $line =~ /^BDAT (\d+)/;
        my $reply =
              $refused        ? '550-no'   . "\r\n550 never"
            : $verb eq 'EHLO' ? '250-mx.test hello' . "\r\n250-ETRN\r\n250 SIZE 1000"
            : $verb eq 'DATA' ? '354 go on'
            : $verb eq 'DOTS' ? "one\r\n..two\r\n."
            :                   '250-yes' . "\r\n250 and how";
        $conn->send("$reply\r\n");
        if ($verb eq 'DATA') {
            while (defined(my $text = $conn->line)) { last if $text =~ /^\.\r?\n/ }
            $conn->send("250 taken\r\n");
        }
        last if $verb eq 'QUIT';
    }
    return;
}

my %prepare = (
    command  => sub { $_[0]->('command', 'NOOP') },
    dots     => sub { $_[0]->('command', 'DOTS') },
    chunking => sub { ${ *{ $_[1] } }{net_smtp_chunking} = 1 },
    bdat     => sub { $_[0]->('command', 'BDAT 1') },
    DATA     => sub { $_[0]->('_DATA') },
    body     => sub { $_[0]->('_DATA'); $_[0]->('datasend', 'x') },
    no_code  => sub { delete ${ *{ $_[1] } }{net_cmd_code} },
    no_text  => sub { ${ *{ $_[1] } }{net_cmd_resp} = [] },
);
my %tidy = (
    response => sub { $_[0]->('response') },
    getline  => sub { $_[0]->('getline') },
    dataend  => sub { $_[0]->('dataend') },
    finish   => sub { $_[0]->('datasend', ''); $_[0]->('dataend') },
    chunking => sub { delete ${ *{ $_[1] } }{net_smtp_chunking} },
    quiet    => sub { delete ${ *{ $_[1] } }{net_cmd_debug} },
);

# What comes before, the call, what comes after. A reference to a text stands
# for a scalar that may be written to.
my @calls = (
    (map { [ undef, $_ ] } qw(host banner domain code status message ok _is_closed unsupported _TURN)),
    [ no_text => ['message'] ],
    [ no_code => ['code'] ],
    (map { [ undef, [ $_ => 'x' ] ], [ undef, [ $_ => 'bad' ] ] }
        qw(mail send send_or_mail send_and_mail recipient to cc bcc expand verify help hello etrn
        _EHLO _HELO _MAIL _RCPT _SEND _SAML _SOML _VRFY _EXPN _HELP _ETRN _AUTH)),
    (map { [ undef, [ $_ => 'a', 'bad', 'c', { SkipBad => 1 } ] ], [ undef, [ $_ => 'bad', { SkipBad => 1 } ] ] } qw(recipient to)),
    [ undef, [ recipient => ] ],
    [ undef, [ recipient => { SkipBad => 1 } ] ],
    [ undef, [ mail => 'x', Size => 5, Bits => 8 ] ],
    (map { [ undef, [ supports => @$_ ] ] } ['SIZE'], ['ETRN'], ['NONE'], [ NONE => 500, 'no' ]),
    (map { [ undef, $_ ] } qw(_RSET _NOOP reset)),
    [ undef, [ command => 'NOOP' ], 'response' ],
    [ undef, [ _BDAT => 0 ], 'response' ],
    [ command => ['response'] ],
    [ command => ['getline'], 'getline' ],
    [ undef, [ ungetline => "250 put back\n" ], 'getline' ],
    (map { [ undef, [ parse_response => \$_ ] ] } '250 ok', '250-more', 'none', ''),
    [ undef, [ set_status => 250, 'set' ] ],
    [ undef, [ data => 'text' ] ],
    [ undef, [ data => ], 'dataend' ],
    [ DATA => [ datasend => 'x' ], 'dataend' ],
    [ DATA => [ datasend => ], 'dataend' ],
    [ body => ['dataend'] ],
    [ undef, ['dataend'] ],
    (map { [ chunking => [ $_ => 'x' ], "chunking" ] } qw(bdat bdatlast)),
    [ bdat => [ rawdatasend => 'x' ], 'response' ],
    [ undef, [ rawdatasend => ] ],
    [ dots => ['read_until_dot'] ],
    [ undef, [ _syswrite_with_timeout => "NOOP\r\n" ], 'response' ],
    [ undef, [ _set_status_closed => 'x' ] ],
    [ undef, ['_set_status_timeout'] ],
    [ undef, ['debug'] ],
    [ undef, [ debug => 0 ], 'quiet' ],
    [ undef, [ debug_text => 1, 'x' ] ],
    [ undef, [ debug_print => 1, "x\n" ] ],
    [ undef, [ _addr => ' x ' ] ],
    [ undef, ['tied_fh'] ],
    [ undef, ['datafh'], 'finish' ],
    [ undef, ['quit'] ],
    (map { [ undef, $_ ] } qw(_is_closed getline reset datasend dataend hello code)),
);

sub method_of { my $call = $_[0][1]; return ref $call ? $call->[0] : $call }
my %methods = map { method_of($_) => 1 } @calls;

# One call, between two values that must stay where they are.
my %inner = (
    list   => sub { my ($m, $s, @a) = @_; return [ 'before', $s->$m(@a), 'behind' ] },
    scalar => sub { my ($m, $s, @a) = @_; return [ 'before', scalar($s->$m(@a)), 'behind' ] },
    void   => sub { my ($m, $s, @a) = @_; my @kept = ('kept', do { $s->$m(@a); 'behind' }); return \@kept },
    truth  => sub { my ($m, $s, @a) = @_; return [ 'before', ($s->$m(@a) ? 'yes' : 'no'), 'behind' ] },
    write  => sub {
        my ($m, $s, @a) = @_;
        my @can;
        for my $value ($s->$m(@a)) {
            push @can, eval { $value .= ref $value ? '' : '!'; 'written' } || $@ =~ /^(Modification)/;
        }
        return \@can;
    },
);

# The context of the frame around the call, which GIMME_V sees under goto.
sub around {
    my ($outer, $code) = @_;
    my ($got, @more);
    if    ($outer eq 'list')   { (@more) = sub { $got = $code->(); () }->() }
    elsif ($outer eq 'scalar') { my $one = sub { $got = $code->(); 1 }->() }
    else                       { sub { $got = $code->(); return }->() }
    return $got;
}

# Calls past the wrappers.
sub plainly {
    my ($t, $s) = @_;
    return sub { my $method = shift; my $code = $t->class->can($method); $code->($s, @_) };
}

# Each call in each context; while_wrapped->($method, $code) runs the code.
sub every_call {
    my ($t, $s, $while_wrapped) = @_;
    my $plainly = plainly($t, $s);
    for my $call (@calls) {
        my ($before, $what, $after) = @$call;
        my ($method, @args) = ref $what ? @$what : $what;
        for my $inner (sort keys %inner) {
            my @seen;
            for my $outer (qw(list scalar void)) {
                my @a = map { my $copy = ref eq 'SCALAR' ? $$_ : $_; $copy } @args;
                $prepare{$before}->($plainly, $s) if $before;
                push @seen, @{ $while_wrapped->($method, sub { around($outer, sub { $inner{$inner}->($method, $s, @a) }) }) };
                $tidy{$after}->($plainly, $s) if $after;
            }
            $t->note("$method in $inner", @seen);
        }
    }
    return;
}

sub as_is { my ($method, $code) = @_; return $code->() }

sub in_subclass {
    my ($kind, $body, %more) = @_;
    return {
        name   => "every method behind $kind",
        script => [ \&answer_all ],
        except => ['net_cmd_sending'],
        code   => sub {
            my $t = shift;
            my $class = $t->subclass('Wraps::All', join "\n", $more{begin} || '',
                map { my $sub = $body; $sub =~ s/METHOD/$_/g; $sub } 'new', sort keys %methods);
            $t->note('refused' => $class->new('127.0.0.1', Port => $t->refused_port) ? 1 : 0);
            my ($s, @more) = $t->connect(class => $class);
            return $t->note('no object', $@) unless $s;
            $t->note('one object', scalar @more);
            every_call($t, $s, \&as_is);
            $t->state($s);
        },
        %more,
    };
}

oracle(
    in_subclass('goto', 'sub METHOD { my $next = $ISA[0]->can("METHOD"); goto &$next }'),
    in_subclass('an ampersand', 'sub METHOD { my $next = $ISA[0]->can("METHOD"); &$next }'),
    in_subclass('next::method', 'sub METHOD { my $self = shift; $self->next::method(@_) }', begin => 'use mro "c3";'),
    in_subclass('a goto before the end', 'our $dry; sub METHOD { my $next = $ISA[0]->can("METHOD"); goto &$next unless $dry; 1 }'),
    in_subclass('two gotos', 'sub METHOD { my $next = $ISA[0]->can("METHOD"); @_ = ($next, @_); goto &Wraps::All::further }',
        begin => 'sub further { my $next = shift; goto &$next }', greetings => ['250-MX']),
    {   name   => 'every method behind an AUTOLOAD',
        script => [ \&answer_all ],
        except => ['net_cmd_sending'],
        code   => sub {
            my $t = shift;
            our $base = $t->class;
            eval q{
                package Wraps::None;
                our $AUTOLOAD;
                sub AUTOLOAD {
                    (my $name = $AUTOLOAD) =~ s/.*:://;
                    return if $name eq 'DESTROY';
                    my $code = $main::base->can($name) or die "no $name";
                    goto &$code;
                }
                1;
            } or die $@;
            my $s = bless $t->connect, 'Wraps::None';
            every_call($t, $s, \&as_is);
            $t->state($s);
        },
    },
    {   name   => 'every method replaced by a sub with goto, one at a time',
        script => [ \&answer_all ],
        except => ['net_cmd_sending'],
        code   => sub {
            my $t = shift;
            my $s = $t->connect;
            every_call($t, $s, sub {
                my ($method, $code) = @_;
                my $name = $t->owner($method) . "::$method";
                no strict 'refs';
                no warnings 'redefine';
                my $old = \&$name;
                local *$name = sub { goto &$old };
                return $code->();
            });
            $t->state($s);
        },
    },
    {   name  => 'a wrapper that answers itself or goes on',
        ehlo  => [],
        code  => sub {
            my $t = shift;
            my $class = $t->subclass('Wraps::Some',
                'our $dry; sub mail { my $next = $ISA[0]->can("mail"); goto &$next unless $dry; 1 }');
            my $s = $t->connect(class => $class);
            $t->scalar($s, mail => 'a@test');
            my @answers = map { $s->mail($_) ? 'accepted' : 'refused' } 'a@test', '', 'bad@test';
            $t->note(answers => @answers);
            { local $Wraps::Some::dry = 1; $t->scalar($s, mail => 'bad@test') }
        },
        smtp => { on => { MAIL => sub { $_[0] =~ /bad/ ? '550 no' : undef } } },
    },
    {   name => 'the contexts in which methods call each other',
        smtp => { helo_only => 1 },
        code => sub {
            my $t = shift;
            our @contexts = ();
            my $body = join "\n", map {
                "sub $_ { push \@main::contexts, '$_ ' . (wantarray ? 'list' : defined wantarray ? 'scalar' : 'void');"
                    . " my \$next = \$ISA[0]->can('$_'); goto &\$next }"
            } grep { !/^(?:debug|_is_closed|_syswrite_with_timeout|DEF_REPLY_CODE|command)$/ } sort keys %methods;
            my $class = $t->subclass('Tells::Contexts', $body);
            my $s = $t->connect(class => $class);
            $t->note(new => splice @contexts);
            for my $call ([ mail => 'a@test' ], [ to => 'b@test' ], [ data => 'x' ], ['reset'], [ verify => 'x' ],
                [ expand => 'x' ], [ help => 'x' ], ['_TURN'], [ hello => 'x' ], [ send => 'x' ]) {
                my ($method, @args) = @$call;
                for my $inner (qw(list scalar void)) {
                    $inner{$inner}->($method, $s, @args);
                    $t->note("$method in $inner", splice @contexts);
                }
            }
        },
    },
    {   name  => 'debug_text gives what it likes',
        calls => sub {
            my ($t) = @_;
            my $class = $t->subclass('Says::More', 'sub debug_text { wantarray ? ("[", $_[2] =~ /(\S+)/, "]\n") : "scalar\n" }');
            my $s = $t->connect(class => $class);
            $class->debug(0);    # no class tree
            $s->debug(1);
            $t->scalar($s, verify => 'x');
        },
        server => { concurrent => 1 },
        wire   => 0,
    },
    {   name  => 'the lines that warnings name',
        calls => sub {
            my ($t, $s) = @_;
            my $yes = 1;
            my @opt = (Size => 5);
            if ($yes) {
                $s->mail('a@test', @opt);
            }
            $t->note('void in an if');
            my $got = $yes
                ? $s->mail('a@test', @opt)
                : 0;
            $t->note('a choice');
            my @got = map {
                $s->mail('a@test', @opt)
            } 1;
            $t->note('in a map');
            $got = do {
                $s->mail('a@test', @opt)
            };
            if ($yes) {
                $got = $s->mail('a@test', @opt);
            }
            elsif (
                $s->reset) { }
            $t->note('assigned in an if');
            if (!$yes) {
            }
            elsif ($yes
                && $s->mail('a@test', @opt)) {
                $got = 1;
            }
            $t->note('in an elsif');
            if ($yes) {
                $got = eval { $s->code(1); 1 } || $@;
            }
            $t->note(died => $got);
        },
    },
    {   name  => 'parse_response of what is no plain scalar',
        calls => sub {
            my ($t, $s) = @_;
            my $line = 'xx250-more text';
            $t->note(substr => $s->parse_response(substr $line, 2), $line);
            $line = '250 all';
            $t->note(whole => $s->parse_response(substr $line, 0), $line);
            my $part = \substr my $text = 'xx250 part', 2;
            $t->note(kept => $s->parse_response($$part), $text);
            my %hash = (there => '250-x');
            $t->note(element => $s->parse_response($hash{there}), $hash{there});
            my $upgraded = "250\x{e9}\x{e8}";
            utf8::upgrade($upgraded);
            $t->note(upgraded => $s->parse_response($upgraded), $upgraded);
            my $wide = "250\x{263a}\x{263b}";
            $t->note(wide => $s->parse_response($wide), length $wide, ord $wide);
            $t->note(number => $s->parse_response($upgraded = 250), $upgraded);
        },
    },
    {   name  => 'a status that is array-like',
        calls => sub {
            my ($t, $s) = @_;
            { package Array::Like; use overload '@{}' => sub { $_[0]->() }, fallback => 1 }
            my @lines = ("one\n", "two\n");
            $s->set_status(250, bless sub { \@lines }, 'Array::Like');
            $t->list($s, 'message');
            $t->scalar($s, 'message');
            delete ${*$s}{net_cmd_resp};
        },
    },
);

