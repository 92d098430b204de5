# The caller's surroundings: warnings, signals, ties, threads, hooks.
use strict;
use warnings;
no warnings 'once';
use lib 't/lib';
use Config;
use NSX::Test::Oracle;

my @extensions = ('SIZE 1000', 'DSN', '8BITMIME', 'BINARYMIME', 'CHUNKING');

sub session {
    my ($t, $s) = @_;
    $t->scalar($s, @$_) for
        [ mail => 'a@test', Size => 5 ], [ to => 'b@test', 'bad@test', { SkipBad => 1 } ],
        [ data => "x\n.y\n" ], ['reset'], ['help'], [ expand => 'x' ], [ hello => 'x' ], ['quit'];
    return;
}

sub within_session {
    my ($name, $calls, %more) = @_;
    return { name => $name, ehlo => \@extensions, calls => $calls, %more };
}

{
    # A handle behind a handle, as IO::Socket::SSL puts it there.
    package Tied::Through;
    our %used;
    sub TIEHANDLE { my ($class, $inner) = @_; return bless { inner => $inner }, $class }
    sub FILENO  { return fileno $_[0]{inner} }
    sub WRITE   { my $self = shift; $used{WRITE}++; return syswrite $self->{inner}, $_[0], $_[1], $_[2] || 0 }
    sub READ    { my $self = shift; $used{READ}++; return sysread $self->{inner}, $_[0], $_[1], $_[2] || 0 }
    sub CLOSE   { my $self = shift; $used{CLOSE}++; return CORE::close delete $self->{inner} }
    sub BINMODE { return 1 }
    sub UNTIE   { return }

    package Tied::Hash;
    require Tie::Hash;
    our @ISA = ('Tie::StdHash');
}

oracle(
    within_session('no die handler is called', sub {
        my ($t, $s) = @_;
        my $died = 0;
        local $SIG{__DIE__} = sub { $died++ };
        session($t, $s);
        $t->note(died => $died);
    }),
    within_session('a die handler sees what dies', sub {
        my ($t, $s) = @_;
        my @died;
        local $SIG{__DIE__} = sub { push @died, $_[0] =~ /^(Wide character)/ };
        $t->scalar($s, command => "\x{263a}");
        $t->note(died => @died);
    }),
    within_session('the module warns though the caller does not want to', sub {
        my ($t, $s) = @_;
        no warnings;
        $t->scalar(sub { $s->command('X', undef); 1 });
        $t->scalar(sub { $s->mail(undef); 1 });
        $t->scalar(sub { $s->mail('a', Size => 'x'); 1 });
        $t->scalar(sub { $s->datasend(undef, 'x'); 1 });
    }, smtp => { extensions => [] }, wire => 0),
    within_session('warnings that are fatal for the caller are not for the module', sub {
        my ($t, $s) = @_;
        use warnings FATAL => 'all';
        $t->scalar(sub { $s->command('X', undef); 'lived' });
        $t->scalar(sub { $s->verify(undef); 'lived' });
        $t->scalar(sub { $s->set_status('abc', 'x'); $s->ok; 'lived' });
        $t->scalar(sub { $s->mail('a', Size => '5x'); 'lived' });
        $t->scalar(sub { $s->rawdatasend('x', undef); 'lived' });
    }, smtp => { extensions => ['SIZE'] }),
    within_session('methods called as functions', sub {
        my ($t, $s) = @_;
        for my $call ([ mail => 'a@test' ], [ to => 'b@test' ], [ data => "x\n" ], ['message'], ['code'], ['_addr', ' x '], [ supports => 'SIZE' ]) {
            my ($method, @args) = @$call;
            my $code = $t->class->can($method);
            $t->list(sub { $code->($s, @args) });
        }
    }),
    {   name => 'a subclass with AUTOLOAD is asked for nothing new',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            our @asked = ();
            $t->subclass('Auto::Load', 'our $AUTOLOAD; sub AUTOLOAD { push @main::asked, $AUTOLOAD; return }');
            my $s = $t->connect(class => 'Auto::Load');
            session($t, $s);
            undef $s;
            $t->note(asked => @asked);
        },
    },
    {   name => 'a subclass with its own can and isa',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            $t->subclass('Own::Can', 'sub can { die "can was called\n" } sub isa { my ($s, $c) = @_; UNIVERSAL::isa($s, $c) }');
            my $s = $t->scalar(sub { $t->connect(class => 'Own::Can') });
            session($t, $s) if $s;
        },
    },
    {   name => 'the octets go through a tie',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            my $s = $t->connect;
            open my $inner, '+<&', $s or die "dup: $!";
            $inner->autoflush(1);
            tie *$s, 'Tied::Through', $inner;
            session($t, $s);
            $t->note(used => map { $Tied::Through::used{$_} ? $_ : () } qw(READ WRITE));
            untie *$s;
            close $s;
        },
        after => sub { (messages => $_[0]{messages}) },
    },
    within_session('options in a tied hash', sub {
        my ($t, $s) = @_;
        tie my %opt, 'Tied::Hash';
        %opt = (SkipBad => 1, Notify => ['never'], Other => 1);
        $s->mail('a');
        $t->list($s, to => 'b@test', 'bad@test', \%opt);
        $t->note(left => sort keys %opt);
    }),
    within_session('the same option twice', sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a', Size => 1, Size => 2);
    }),
    within_session('two hundred recipients', sub {
        my ($t, $s) = @_;
        $s->mail('a@test');
        $t->scalar($s, to => map {"r$_\@test"} 1 .. 200);
        $t->note(skipped => scalar(my @ok = $s->to((map { $_ % 3 ? "r$_\@test" : "bad$_\@test" } 1 .. 60), { SkipBad => 1 })));
    }),
    within_session('a call in a sort, a map and a grep', sub {
        my ($t, $s) = @_;
        my @codes = map { $s->_NOOP; $s->code } 1 .. 3;
        my @sorted = sort { $s->_NOOP; $a <=> $b } 3, 1, 2;
        my @yes = grep { $s->verify($_) } qw(a b);
        $t->note(got => @codes, @sorted, @yes);
    }),
    within_session('a recursive use in a warning handler', sub {
        my ($t, $s) = @_;
        my @seen;
        local $SIG{__WARN__} = sub { $s->_NOOP; push @seen, $s->code };
        $t->scalar($s, mail => 'a@test', AUTH => 'x', Transaction => 'y');
        $t->note(seen => @seen);
    }),
    within_session('die in a warning handler leaves before anything is sent', sub {
        my ($t, $s) = @_;
        local $SIG{__WARN__} = sub { die "no: $_[0]" };
        $t->scalar(sub { $s->mail('a@test', Transaction => 'y') });
        $t->scalar($s, '_NOOP');
    }),
    within_session('a signal handler that uses the object', sub {
        my ($t, $s) = @_;
        my $other;
        local $SIG{USR1} = sub { $other = $s->host };
        kill 'USR1', $$;
        $t->scalar($s, mail => 'a@test');
        $t->note(other => defined $other ? 1 : 0);
    }),
    within_session('a child ends while we wait', sub {
        my ($t, $s) = @_;
        my $reaped = 0;
        local $SIG{CHLD} = sub { $reaped++ };
        my $pid = fork;
        POSIX::_exit(0) if !$pid;
        select undef, undef, undef, 0.2 until $reaped;
        waitpid $pid, 0;
        $t->scalar($s, mail => 'a@test');
    }),
    within_session('a thread made and joined in the middle', sub {
        my ($t, $s) = @_;
        require threads;
        $t->scalar($s, mail => 'a@test');
        my $thread = threads->create(sub { return 7 });
        $t->note(joined => $thread->join);
        $t->scalar($s, to => 'b@test');
        $t->scalar($s, data => "x\n");
    }, $Config{useithreads} ? () : (skip => 'no threads in this perl')),
    within_session('a thread that lets its copy go', sub {
        my ($t, $s) = @_;
        require threads;
        threads->create(sub { undef $s; return })->join;
        $t->scalar($s, '_NOOP');
    }, $Config{useithreads} ? () : (skip => 'no threads in this perl')),
    within_session('two names for one object', sub {
        my ($t, $s) = @_;
        my $same = bless \*$s, ref $s;
        $t->scalar($same, mail => 'a@test');
        $t->scalar($s, to => 'b@test');
        $t->note(code => $same->code, $s->code);
        undef $same;
        $t->scalar($s, data => "x\n");
    }),
    within_session('the handle kept when the object goes', sub {
        my ($t, $s) = @_;
        my $fd = fileno $s;
        open my $kept, '+<&', $s or die "dup: $!";
        $s->close;
        syswrite $kept, "NOOP\r\n";
        my $line = '';
        sysread $kept, $line, 100 while $line !~ /\n/;
        $t->note(line => $line);
        close $kept;
    }),
    {   name => 'a file of the class is opened anew',
        smtp => {},
        server => { concurrent => 1 },
        code => sub {
            my $t = shift;
            my @codes;
            for (1 .. 20) {
                my $s = $t->connect or die $@;
                $s->mail("a$_\@test");
                push @codes, $s->code;
                $s->quit;
            }
            $t->note(codes => @codes);
        },
    },
    {   name => 'objects in a hash, a closure and a global',
        smtp => {},
        server => { concurrent => 1 },
        exits => 1,
        code => sub {
            my $t = shift;
            our $global = $t->connect;
            my %held = (one => $t->connect);
            my $closure = do { my $s = $t->connect; sub { $s->_NOOP } };
            $t->note(ok => $global->_NOOP, $held{one}->_NOOP, $closure->());
            $held{self} = \%held;
        },
    },
);
