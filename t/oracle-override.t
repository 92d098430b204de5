# What a subclass, a mock or an edited class changes, seen by all that is built on it.
use strict;
use warnings;
no warnings 'once';    # packages are made at run time
use lib 't/lib';
use NSX::Test::Oracle;

my @extensions = ('SIZE 1000', 'DSN', 'ETRN', '8BITMIME', 'BINARYMIME', 'CHUNKING');

# Everything once, on an object of the class.
sub session {
    my ($t, $class, %arg) = @_;
    my $s = $t->scalar(sub { $t->connect(class => $class, %arg) });
    return $t->note('no object', $@) unless $s;
    $t->list($s, @$_) for
        [ supports => 'SIZE', 500, 'x' ], [ supports => 'NONE', 500, 'x' ],
        [ etrn => 'x' ], [ mail => 'a@test', Size => 5 ],
        [ recipient => 'b@test', 'bad@test', 'c@test', { SkipBad => 1 } ], [ to => 'd@test' ],
        [ data => "text\n" ], ['reset'], [ help => 'x' ], [ expand => 'x' ], [ verify => 'x' ],
        ['_TURN'], [ mail => 'a@test', Bits => 'binary' ], [ to => 'b@test' ];
    ${*$s}{net_smtp_chunking} = 1;
    $t->list($s, @$_) for [ bdat => 'abc' ], [ bdatlast => 'def' ];
    delete ${*$s}{net_smtp_chunking};
    $t->list($s, @$_) for
        [ mail => 'a@test' ], [ to => 'b@test' ], ['data'], [ datasend => "x\n", '.y' ], ['dataend'],
        [ hello => 'again.test' ], ['message'], ['code'], ['status'], ['ok'], ['quit'];
    $t->state($s);
    return;
}

# How often each is called. A method of which only the fact is compared is in %often.
my %often = map { $_ => 1 } qw(timeout debug);

sub counted {
    my ($method, %arg) = @_;
    return {
        name  => "calls counted: $method" . ($arg{Debug} ? ' with Debug' : ''),
        ehlo  => \@extensions,
        needs => $method eq '_syswrite_with_timeout' ? 3.08 : undef,
        code  => sub {
            my $t = shift;
            my $class = $t->counting_subclass('Counts::Calls', $method);
            if ($often{$method}) {
                no strict 'refs';
                no warnings 'redefine';
                my $count = \%NSX::Test::Oracle::Client::COUNT;
                my $parent = $t->class->can($method);
                *{"Counts::Calls::$method"} = sub { $count->{$method} = 'often'; goto &$parent };
            }
            $class->debug(0);    # no class tree
            session($t, $class, %arg);
            $t->counts;
        },
    };
}

# An overriding method, in a session. The body is Perl text.
sub changed {
    my ($name, $body, %more) = @_;
    return {
        name => "overridden: $name",
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            my $class = $t->subclass('Changes::One', $body);
            $class->debug(0);    # no class tree
            session($t, $class, %{ $more{new} || {} });
        },
        %more,
    };
}

# Only these calls, on an object of a class with this body.
sub calling {
    my ($name, $body, $calls, %more) = @_;
    return {
        name => "overridden: $name",
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            my $s = $t->connect(class => $t->subclass('Changes::Some', $body));
            return $t->note('no object', $@) unless $s;
            $calls->($t, $s);
            $t->state($s);
        },
        %more,
    };
}

# A sub replaced in the stash, for as long as the calls last.
sub replaced {
    my ($method, $new, $calls, %more) = @_;
    return {
        name  => "replaced in its package: $method",
        ehlo  => \@extensions,
        calls => sub {
            my ($t, $s) = @_;
            my $owner = $t->owner($method);
            $calls->($t, $s);
            {
                no strict 'refs';
                no warnings 'redefine';
                my $old = \&{"${owner}::$method"};
                local *{"${owner}::$method"} = sub { $new->($old, @_) };
                $calls->($t, $s);
            }
            $calls->($t, $s);
        },
        %more,
    };
}

my @counted = qw(
    command response getline parse_response datasend dataend rawdatasend ungetline
    _RCPT _MAIL _EHLO _HELO _DATA _BDAT _RSET _QUIT _VRFY _EXPN _HELP _ETRN _TURN
    hello mail recipient supports etrn set_status unsupported timeout close message code status ok
    debug debug_print debug_text DEF_REPLY_CODE _is_closed _syswrite_with_timeout
    _set_status_closed _set_status_timeout tied_fh _addr host banner domain quit DESTROY);

oracle(
    (map { counted($_) } @counted),
    (map { counted($_, Debug => 1) } qw(debug debug_print debug_text getline response _syswrite_with_timeout)),
    {   name => 'the order of all internal calls',
        needs => 3.08,
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            our @calls = ();
            my $body = join "\n", map {
                "sub $_ { push \@main::calls, '$_'; my \$self = shift; \$self->SUPER::$_(\@_) }"
            } grep { !/^(?:debug|timeout|_is_closed|DESTROY)$/ } @counted;
            my $class = $t->subclass('Logs::Calls', $body);
            my $s = $t->connect(class => $class);
            $t->note(new => splice @calls);
            for my $call (
                [ mail => 'a@test', Size => 5 ],
                [ recipient => 'b@test', 'bad@test', { SkipBad => 1 } ],
                [ data => "x\n" ], [ data => ], [ datasend => 'x' ], ['dataend'], ['reset'],
                [ help => ], [ expand => 'x' ], [ verify => 'x' ], [ etrn => 'x' ], ['_TURN'],
                [ hello => 'x' ], [ set_status => 250, 'x' ], ['ok'], ['quit'], [ command => 'X' ]) {
                my $method = shift @$call;
                $s->to('b@test') if $method eq 'data';
                splice @calls;
                $s->$method(@$call);
                $t->note($method => splice @calls);
                $s->mail('a@test') if $method eq 'recipient' or $method eq 'dataend';
            }
        },
    },

    # one after the other, with another result
    changed('command adds to the verb', 'sub command { my $s = shift; my $v = shift; $s->SUPER::command($v, @_, "extra") }'),
    changed('command returns another object', 'our $other; sub command { my $s = shift; $s->SUPER::command(@_); $other ||= bless \*$s, ref $s }', new => {}, wire => 1),
    changed('response is always no', 'my $n = 0; sub response { my $s = shift; my $r = $s->SUPER::response(@_); $n++ < 2 ? $r : 5 }', smtp => { extensions => \@extensions, on => { DATA => '554 no' } }),
    changed('response is a text', 'sub response { my $s = shift; my $r = $s->SUPER::response(@_); "$r" }'),
    changed('getline rewrites', 'sub getline { my $s = shift; my $l = $s->SUPER::getline(@_); $l =~ s/ok/OK!/ if defined $l; $l }'),
    changed('getline turns 250 to 251', 'sub getline { my $s = shift; my $l = $s->SUPER::getline(@_); $l =~ s/^250/251/ if defined $l; $l }'),
    calling('getline gives nothing', 'our $on; sub getline { my $s = shift; return if $on; $s->SUPER::getline(@_) }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->scalar($s, 'response');
        $t->scalar($s, 'code');
        $t->scalar($s, help => 'x');
        $t->scalar($s, 'read_until_dot');
    }),
    changed('parse_response allows a comma', 'sub parse_response { my $s = shift; $_[0] =~ s/^(\d\d\d)([, -]?)//; ($1, $2 eq "-") }'),
    calling('parse_response says another code', 'our $on; sub parse_response { my $s = shift; my @r = $s->SUPER::parse_response(@_); $r[0] = 555 if $on; @r }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->scalar($s, mail => 'a@test');
        $t->scalar($s, $_) for qw(code status message);
    }),
    calling('parse_response refuses', 'our $on; sub parse_response { my $s = shift; $on ? () : $s->SUPER::parse_response(@_) }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->scalar($s, mail => 'a@test');
        $t->scalar($s, $_) for qw(code status message);
        $Changes::Some::on = 0;
        $t->scalar($s, 'response');
    }),
    changed('datasend in capitals', 'sub datasend { my $s = shift; $s->SUPER::datasend(map { uc } @_) }'),
    calling('datasend refuses', 'sub datasend { 0 }', sub {
        my ($t, $s) = @_;
        $s->mail('a@test');
        $s->to('b@test');
        $t->list($s, data => 'x');
        $t->scalar($s, 'code');
        $t->scalar($s, PRINT => 'x');
        $t->scalar($s, 'dataend');
    }),
    changed('dataend says no', 'sub dataend { my $s = shift; $s->SUPER::dataend(@_); 0 }'),
    changed('rawdatasend doubles', 'sub rawdatasend { my $s = shift; $s->SUPER::rawdatasend(map { uc } @_) }'),
    changed('_RCPT refuses one', 'sub _RCPT { my $s = shift; return 0 if $_[0] =~ /b@/; $s->SUPER::_RCPT(@_) }'),
    changed('_RCPT accepts without asking', 'sub _RCPT { 1 }'),
    changed('_MAIL adds a parameter', 'sub _MAIL { my $s = shift; $s->SUPER::_MAIL(@_, "X=1") }'),
    changed('_EHLO is LHLO', 'sub _EHLO { my $s = shift; $s->command("LHLO", @_)->response() == 2 }',
        smtp => { extensions => [], on => { LHLO => "250-me\r\n250 SIZE 7" } }),
    calling('_HELO is asked after a refused EHLO', 'sub _HELO { my $s = shift; $s->SUPER::_HELO("mine.test") }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test', Size => 5);
        $t->scalar($s, hello => 'x');
    }, smtp => { helo_only => 1 }),
    changed('hello says another name', 'sub hello { my $s = shift; $s->SUPER::hello("mine.test") }'),
    calling('hello does nothing', 'sub hello { "fine" }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, hello => 'x');
        $t->scalar($s, mail => 'a@test', Size => 5);
    }),
    changed('hello fails', 'sub hello { 0 }'),
    changed('_QUIT says nothing', 'sub _QUIT { 1 }'),
    changed('_BDAT sends another size', 'sub _BDAT { my $s = shift; my $n = shift; $s->SUPER::_BDAT($n, @_) }'),
    changed('_TURN is supported', 'sub _TURN { 7 }'),
    changed('unsupported says more', 'sub unsupported { my $s = shift; $s->set_status(599, "really not"); "no" }'),
    changed('supports lies', 'sub supports { my ($s, $what) = @_; return "" if $what eq "ETRN"; return }'),
    changed('supports denies', 'sub supports { my $s = shift; shift; $s->set_status(@_) if @_; return }'),
    changed('message is another', 'sub message { wantarray ? ("one\n", "SIZE 5\n") : "joined\n" }', greetings => ['ONE']),
    changed('code is another', 'sub code { 299 }'),
    changed('status is always 5', 'sub status { 5 }', replies => [ '450 no', '250 helo taken' ], new => { SendHello => 0 }, code => sub {
        my $t = shift;
        my $s = $t->connect(class => $t->subclass('Changes::One', 'sub status { 5 }'), SendHello => 0);
        $t->scalar($s, hello => 'x');
        $t->state($s);
    }, script => [ '220 x', '<', '450 no', '<', '250 helo taken' ], needs => 3.06),
    changed('set_status writes more', 'sub set_status { my ($s, $c, $r) = @_; $s->SUPER::set_status($c, ref $r ? $r : ["(" . (defined $r ? $r : "-") . ")\n"]) }'),
    changed('debug is always on', 'sub debug { 1 }'),
    changed('debug_print keeps to itself', 'our @said; sub debug_print { my ($s, $out, $text) = @_; push @said, [$out ? 1 : 0, $text] }', new => { Debug => 1 }),
    changed('debug_text masks', 'sub debug_text { my ($s, $out, $text) = @_; $text =~ s/test/****/g; $out ? "out:$text" : $text }', new => { Debug => 1 }),
    changed('debug_text gives nothing', 'sub debug_text { "[]\n" }', new => { Debug => 1 }),
    calling('timeout is short', 'our $on; sub timeout { my $s = shift; $on ? 0.3 : $s->SUPER::timeout(@_) }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->timing(0.3, sub { $t->scalar($s, help => 'x') });
        $t->list($s, 'message');
        $s->close;
    }, script => [ @{ talk([]) } ]),
    calling('close is seen by quit', 'our $n = 0; sub close { my $s = shift; $n++; $s->SUPER::close(@_); "closed" }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, 'quit');
        $t->note(closed => $Changes::Some::n);
    }),
    calling('close does not', 'our $n = 0; sub close { $n++; 0 }', sub {
        my ($t, $s) = @_;
        $t->list($s, 'quit');
        $t->note(closed => $Changes::Some::n);
        $t->note(open => defined fileno $s ? 1 : 0);
    }),
    calling('close is seen at the end of the connection', 'our $n = 0; sub close { my $s = shift; $n++; $s->SUPER::close(@_) }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, help => 'x');
        $t->note(closed => $Changes::Some::n);
        $t->list($s, 'message');
    }, script => [ @{ talk([]) }, '<', ['close'] ]),
    calling('DEF_REPLY_CODE is 599', 'sub DEF_REPLY_CODE { 599 }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, help => 'x');
        $t->scalar($s, $_) for qw(code status);
        delete ${*$s}{net_cmd_code};
        $t->scalar($s, 'code');
        $s->timeout(0.2);
    }, script => [ @{ talk([]) }, '<', ['close'] ]),
    calling('DEF_REPLY_CODE of a timeout', 'sub DEF_REPLY_CODE { "599" }', sub {
        my ($t, $s) = @_;
        $s->timeout(0.2);
        $t->scalar($s, help => 'x');
        $t->scalar($s, $_) for qw(code status);
        $s->close;
    }, script => talk([])),
    calling('_is_closed says yes', 'our $on; sub _is_closed { my $s = shift; return $s->SUPER::_is_closed unless $on; $s->set_status(555, "shut"); 1 }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->scalar($s, @$_) for [ mail => 'a' ], [ datasend => 'x' ], [ rawdatasend => 'x' ], ['dataend'], [ command => 'x' ], ['getline'];
        $t->scalar($s, 'code');
    }),
    calling('_syswrite_with_timeout keeps a copy', 'our @sent; sub _syswrite_with_timeout { my $s = shift; push @sent, $_[0]; $s->SUPER::_syswrite_with_timeout(@_) }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test');
        $t->scalar($s, to => 'b@test');
        $t->scalar($s, data => "a\n.b\n", 'c');
        $t->scalar($s, data => "a\n.b\n");
        $t->note(sent => join '', @Changes::Some::sent);
    }, needs => 3.08),
    calling('_syswrite_with_timeout fails', 'our $on; sub _syswrite_with_timeout { my $s = shift; return $s->SUPER::_syswrite_with_timeout(@_) unless $on; $s->set_status(599, "lost"); return }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test');
        $t->scalar($s, to => 'b@test');
        $t->scalar($s, '_DATA');
        $Changes::Some::on = 1;
        $t->list($s, @$_) for [ datasend => 'x' ], ['dataend'], [ rawdatasend => 'x' ];
        $t->scalar($s, 'code');
    }, needs => 3.08),
    calling('_set_status_timeout tells more', 'sub _set_status_timeout { my $s = shift; $s->set_status(598, "slow\n") }', sub {
        my ($t, $s) = @_;
        $s->timeout(0.2);
        $t->scalar($s, help => 'x');
        $t->scalar($s, $_) for qw(code message);
        $s->close;
    }, script => talk([])),
    calling('_set_status_closed tells more', 'sub _set_status_closed { my $s = shift; $s->set_status(597, "gone\n") }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, help => 'x');
        $t->scalar($s, $_) for qw(code message);
        $t->scalar($s, mail => 'a');
        $t->scalar($s, $_) for qw(code message);
    }, script => [ @{ talk([]) }, '<', ['close'] ]),
    calling('tied_fh is used by datafh', 'sub tied_fh { "a handle" }', sub {
        my ($t, $s) = @_;
        $s->mail('a@test');
        $s->to('b@test');
        $t->scalar($s, 'datafh');
        $t->scalar($s, datasend => 'x');
        $t->scalar($s, 'dataend');
    }, except => ['net_cmd_sending']),
    calling('PRINT and CLOSE reach datasend and dataend', 'our @log; sub datasend { my $s = shift; push @log, "datasend @_"; $s->SUPER::datasend(@_) } sub dataend { my $s = shift; push @log, "dataend"; $s->SUPER::dataend }', sub {
        my ($t, $s) = @_;
        $s->mail('a@test');
        $s->to('b@test');
        my $fh = $s->datafh;
        print {$fh} "x\n";
        close $fh;
        $t->note(log => @Changes::Some::log);
    }),
    calling('READLINE and READ reach getline', 'our $n = 0; sub getline { my $s = shift; $n++; $s->SUPER::getline(@_) }', sub {
        my ($t, $s) = @_;
        my $fh = $s->tied_fh;
        $s->command('X');
        $Changes::Some::n = 0;
        my $line = <$fh>;
        read $fh, my $buf, 3;
        $t->note(got => $line, $buf, $Changes::Some::n);
    }, replies => ["one\r\ntwo\r\nthree\r\n.\r\n"], undef_is_silent => 1),
    calling('_addr as a method has no say', 'sub _addr { "<mine\@test>" }', sub {
        my ($t, $s) = @_;
        $t->scalar($s, mail => 'a@test');
        $t->scalar($s, to => 'b@test');
        $t->scalar($s, _addr => 'b@test');
    }),
    calling('a method that dies', 'our $on; sub getline { my $s = shift; die "enough\n" if $on; $s->SUPER::getline(@_) }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->scalar($s, mail => 'a@test');
        $Changes::Some::on = 0;
        $t->scalar($s, 'response');
        $t->scalar($s, to => 'b@test');
    }),
    calling('a write that dies', 'our $on; sub _syswrite_with_timeout { my $s = shift; die { code => 5 } if $on; $s->SUPER::_syswrite_with_timeout(@_) }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->scalar($s, mail => 'a@test');
        $Changes::Some::on = 0;
        $t->scalar($s, mail => 'b@test');
    }, needs => 3.08),
    calling('re-entry: a command inside getline', 'our $on; sub getline { my $s = shift; if ($on) { $on = 0; $s->command("INNER"); $s->response } $s->SUPER::getline(@_) }', sub {
        my ($t, $s) = @_;
        $Changes::Some::on = 1;
        $t->scalar($s, command => 'OUTER');
        $t->scalar($s, 'response');
        $t->list($s, 'message');
    }, replies => [ '250 first', '251 second' ]),
    calling('the context each is called in', 'our @c; sub _w { push @c, $_[0] . "=" . (defined $_[1] ? $_[1] ? "list" : "scalar" : "void") }' . join('', map {
        "sub $_ { my \$s = shift; _w('$_', wantarray); \$s->SUPER::$_(\@_) }"
    } qw(command response getline parse_response _MAIL _RCPT _DATA datasend dataend message set_status close _QUIT)), sub {
        my ($t, $s) = @_;
        splice @Changes::Some::c;
        for my $call ([ mail => 'a@test' ], [ to => 'b@test' ], [ data => 'x' ], [ help => ], [ expand => 'x' ], ['quit']) {
            my ($method, @args) = @$call;
            my @got = $s->$method(@args);
            $t->note($method => splice @Changes::Some::c);
        }
    }),
    calling('the arguments each is called with', 'our @c; ' . join('', map {
        "sub $_ { my \$s = shift; push \@c, '$_', map { defined \$_ ? \$_ : 'undef' } \@_; \$s->SUPER::$_(\@_) }"
    } qw(command response getline parse_response _MAIL _RCPT _DATA _BDAT datasend rawdatasend dataend set_status _EHLO _HELP)), sub {
        my ($t, $s) = @_;
        splice @Changes::Some::c;
        for my $call ([ mail => 'a@test', Size => 5 ], [ to => ' b@test', { Notify => ['never'] } ], [ data => 'x', "y\n" ],
            [ data => [ 'x', 'y' ] ], [ help => 1, 2 ], [ hello => 'x' ], [ mail => 'a', Bits => 'binary' ], [ bdat => 'abc' ], [ bdatlast => "\n" ]) {
            my ($method, @args) = @$call;
            $s->$method(@args);
            $t->note($method => splice @Changes::Some::c);
        }
    }),

    (map {
        my ($name, $body) = @$_;
        calling("a die: $name", "our \$die; $body", sub {
            my ($t, $s) = @_;
            for my $call ([ mail => 'a@test' ], [ to => 'b@test' ], [ verify => 'x' ], [ data => "x\n" ], ['reset'], [ hello => 'x' ]) {
                my ($method, @args) = @$call;
                for my $context (qw(list scalar void)) {
                    $Changes::Some::die = 1;
                    $t->$context($s, $method => @args);
                    $Changes::Some::die = 0;
                    $t->note('the hash', map { ${*$s}{$_} } qw(net_cmd_code net_cmd_resp));
                    $t->scalar($s, help => 'next');
                }
                $s->data, $s->datasend("y\n"), $s->dataend if $method eq 'to';
            }
        }, smtp => { extensions => [] })
    }
        [ 'getline, having read', 'sub getline { my $s = shift; my $l = $s->SUPER::getline; die "read $l" if $die; $l }' ],
        [ 'parse_response, not asked', 'sub parse_response { my $s = shift; die "not parsed\n" if $die; $s->SUPER::parse_response(@_) }' ],
        [ 'parse_response, having parsed', 'sub parse_response { my $s = shift; my @p = $s->SUPER::parse_response(@_); die "parsed $p[0]\n" if $die; @p }' ]),
    calling('what bdat returns for what fails', 'our %fails; ' . join('', map {
        "sub $_ { my \$s = shift; exists \$fails{$_} ? \$fails{$_} : \$s->SUPER::$_(\@_) }"
    } qw(_BDAT rawdatasend)), sub {
        my ($t, $s) = @_;
        ${*$s}{net_smtp_chunking} = 1;
        for my $method (qw(_BDAT rawdatasend)) {
            for my $no (undef, 0, '', '0') {
                local $Changes::Some::fails{_BDAT} = 1;
                local $Changes::Some::fails{$method} = $no;
                $t->each_context($s, $_ => 'x') for qw(bdat bdatlast);
            }
        }
    }),

    # deeper and wider
    {   name => 'a subclass of a subclass',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            $t->subclass('Level::One', 'our @log; sub command { my $s = shift; push @log, "one @_"; $s->SUPER::command(@_) } sub _RCPT { my $s = shift; $s->SUPER::_RCPT(@_, "ONE") }');
            $t->subclass('Level::Two', 'sub command { my $s = shift; push @Level::One::log, "two @_"; $s->SUPER::command(@_) } sub _RCPT { my $s = shift; $s->SUPER::_RCPT(@_, "TWO") } sub getline { my $s = shift; my $l = $s->SUPER::getline; $l =~ s/ok/yes/ if defined $l; $l }', 'Level::One');
            session($t, 'Level::Two');
            $t->note(log => @Level::One::log);
        },
    },
    {   name => 'the class of an object is emptied',
        code => sub {
            my $t = shift;
            my $s = $t->connect(class => $t->subclass('Emptied', 'sub _MAIL { "own" }'));
            my $mail = $t->class->can('mail');
            $t->scalar(sub { $s->$mail('a@test') });
            { no strict 'refs'; undef %{'Emptied::'} }
            eval { $s->$mail('a@test') };
            $t->note(died => $@ =~ /^(Can't locate object method)/);
            bless $s, $t->class;
            $t->scalar($s, mail => 'b@test');
            $t->state($s);
        },
        ehlo => [],
    },
    {   name => 'classes that come and go at the same addresses',
        code => sub {
            my $t = shift;
            my $s = $t->connect;
            for my $n (1 .. 60) {
                my $own = $n % 3 ? '' : "sub _MAIL { 'own $n' } sub message { 'own $n' }";
                my $class = $t->subclass("Comes::And::Goes$n", $own);
                bless $s, $class;
                $t->note($n => scalar $s->mail('a@test'), scalar $s->message);
                bless $s, $t->class;
                { no strict 'refs'; undef %{"${class}::"}; delete $Comes::And::{"Goes${n}::"} }
            }
            $t->state($s);
        },
        ehlo => [],
    },
    {   name => 'a mixin before the class',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            my $class    = $t->class;
            my $response = $class->can('response');
            *Mix::In::response = sub { push @Mix::In::log, 'r'; goto &$response };
            @With::Mix::ISA = ('Mix::In', $class);
            session($t, 'With::Mix');
            $t->note(log => scalar @Mix::In::log);
        },
    },
    {   name => 'an object blessed anew',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            $t->subclass('Bless::Anew', 'sub _MAIL { my $s = shift; $s->SUPER::_MAIL(@_, "NEW") } sub getline { my $s = shift; my $l = $s->SUPER::getline; $l =~ s/ok/new/ if defined $l; $l }');
            my $s = $t->connect;
            $t->scalar($s, mail => 'a@test');
            bless $s, 'Bless::Anew';
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, 'message');
            bless $s, $t->class;
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, 'message');
        },
    },
    {   name => 'a method defined after the class was used',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            $t->subclass('Later::On');
            my $s = $t->connect(class => 'Later::On');
            $t->scalar($s, mail => 'a@test');
            eval 'sub Later::On::_MAIL { my $s = shift; $s->SUPER::_MAIL(@_) } sub Later::On::command { my $s = shift; push @Later::On::log, "@_"; $s->' . $t->owner('command') . '::command(@_) } sub Later::On::_MAIL { my $s = shift; $s->command("MAIL", @_, "LATER")->response == 2 } 1' or die $@;
            $t->scalar($s, mail => 'a@test');
            { no strict 'refs'; undef *{'Later::On::_MAIL'}; undef *{'Later::On::command'}; }
            $t->scalar($s, mail => 'a@test');
            $t->note(log => @Later::On::log);
        },
    },
    {   name => '@ISA edited after the class was used',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            $t->subclass('Isa::Edit');
            eval 'package Isa::First; sub getline { my $s = shift; my $l = $s->' . $t->cmd_class . '::getline(@_); $l =~ s/ok/first/ if defined $l; $l } 1' or die $@;
            my $s = $t->connect(class => 'Isa::Edit');
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, 'message');
            unshift @Isa::Edit::ISA, 'Isa::First';
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, 'message');
            shift @Isa::Edit::ISA;
            $t->scalar($s, mail => 'a@test');
            $t->scalar($s, 'message');
        },
    },
    {   name => 'a name for the class: stash copy with its own @ISA',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            my ($class, $cmd) = ($t->class, $t->cmd_class);
            no strict 'refs';
            @Stash::Copy::ISA = @{"${class}::ISA"};
            for my $name (keys %{"${class}::"}) {
                next if $name =~ /::|^(?:ISA|VERSION|BEGIN|EXPORT|import|bootstrap)$/ or !defined &{"${class}::$name"};
                *{"Stash::Copy::$name"} = \&{"${class}::$name"};
            }
            session($t, 'Stash::Copy');
        },
    },
    replaced(getline => sub { my ($old, @args) = @_; my $l = $old->(@args); $l =~ s/ok/replaced/ if defined $l; $l },
        sub { my ($t, $s) = @_; $t->scalar($s, mail => 'a@test'); $t->scalar($s, 'message') }),
    replaced(response => sub { my ($old, @args) = @_; $old->(@args); 5 },
        sub { my ($t, $s) = @_; $t->scalar($s, mail => 'a@test'); $t->scalar($s, 'message') }),
    replaced(command => sub { my ($old, $s, @args) = @_; $old->($s, @args, 'MORE') },
        sub { my ($t, $s) = @_; $t->scalar($s, mail => 'a@test'); $t->scalar($s, '_NOOP') }),
    replaced(_addr => sub { my ($old, $s, $addr) = @_; '<replaced@test>' },
        sub { my ($t, $s) = @_; $t->scalar($s, @$_) for [ mail => 'a@test' ], [ to => 'b@test', 'c@test' ], [ send => 'd' ] }),
    replaced(_RCPT => sub { my ($old, $s, @args) = @_; $old->($s, @args, 'REPLACED') },
        sub { my ($t, $s) = @_; $t->scalar($s, to => 'b@test') }),
    replaced(debug => sub { 1 },
        sub { my ($t, $s) = @_; $t->scalar($s, '_NOOP') }),
    replaced(parse_response => sub { my ($old, @args) = @_; $old->(@args); (299, 0) },
        sub { my ($t, $s) = @_; $t->scalar($s, '_NOOP'); $t->scalar($s, 'code') }),
    replaced(set_status => sub { my ($old, $s, $c, $r) = @_; $old->($s, $c, ref $r ? $r : ['set: ' . ($r || '')]) },
        sub { my ($t, $s) = @_; $t->scalar($s, '_NOOP'); $t->list($s, 'message') }),
    replaced(DEF_REPLY_CODE => sub { 598 },
        sub { my ($t, $s) = @_; delete ${*$s}{net_cmd_code}; $t->scalar($s, 'code') }),
    replaced(datasend => sub { my ($old, $s, @args) = @_; $old->($s, map { uc } @args) },
        sub { my ($t, $s) = @_; $t->scalar($s, @$_) for [ mail => 'a' ], [ to => 'b' ], [ data => "x\n" ] }),
    replaced(hello => sub { 'hi' },
        sub { my ($t, $s) = @_; $t->scalar($s, hello => 'x') }),
    {   name => 'an object of a handle our new never made',
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            require IO::Socket::INET;
            my $s = IO::Socket::INET->new(PeerAddr => $t->host, PeerPort => $t->port, Timeout => 60) or die $@;
            bless $s, $t->subclass('Own::Handle');
            ${*$s}{net_smtp_arg} = { Timeout => 60 };
            $t->scalar($s, 'response');
            $t->scalar($s, hello => 'own.test');
            $t->scalar($s, supports => 'SIZE');
            $t->scalar($s, mail => 'a@test', Size => 5);
            $t->scalar($s, to => 'b@test');
            $t->scalar($s, data => "x\n");
            $t->state($s);
            $t->scalar($s, 'quit');
        },
    },
    {   name => 'a subclass with a constructor of its own',
        needs => 3.07,
        ehlo => \@extensions,
        code => sub {
            my $t = shift;
            my $class = $t->class;
            $t->subclass('Own::New', 'sub new { my ($class, @args) = @_; my $self = $class->SUPER::new(@args) or return; ${*$self}{own} = 1; $self->debug(0); $self } sub configure { my ($s, $arg) = @_; ${*$s}{configured} = join " ", sort keys %$arg; $s->SUPER::configure($arg) }');
            my $s = $t->scalar(sub { $t->connect(class => 'Own::New') });
            $t->state($s);
            $t->scalar($s, 'quit');
        },
    },
    {   name => 'the keys of the hash are read between calls',
        ehlo => \@extensions,
        calls => sub {
            my ($t, $s) = @_;
            ${*$s}{net_smtp_esmtp} = { SIZE => '', AUTH => 'LOGIN' };
            $t->list($s, supports => $_) for qw(SIZE AUTH DSN);
            $t->scalar($s, mail => 'a@test', Size => 3, AUTH => '<>', Return => 'FULL');
            ${*$s}{net_smtp_exact_addr} = 1;
            $t->scalar($s, to => 'A <a@test>');
            ${*$s}{$_} = "set $_" for qw(net_smtp_host net_smtp_banner net_smtp_domain);
            $t->scalar($s, $_) for qw(host banner domain);
            ${*$s}{$_} = 0 for qw(net_smtp_host net_smtp_banner net_smtp_domain);
            $t->scalar($s, $_) for qw(host banner domain);
            ${*$s}{net_cmd_debug} = 1;
            $t->scalar($s, '_NOOP');
            ${*$s}{net_cmd_debug} = 0;
            delete ${*$s}{net_smtp_esmtp};
            $t->scalar($s, mail => 'a@test', Size => 3);
            $t->scalar($s, recipient => 'a@test', { Notify => ['NEVER'] });
        },
    },
    {   name => 'last_ch is the state of the data phase',
        ehlo => \@extensions,
        calls => sub {
            my ($t, $s) = @_;
            $s->mail('a@test');
            $s->to('b@test');
            $s->_DATA;
            ${*$s}{net_cmd_last_ch} = "\015";
            $t->scalar($s, datasend => "\n.x");
            ${*$s}{net_cmd_last_ch} = "\012";
            $t->scalar($s, datasend => '.y');
            $t->scalar($s, 'dataend');
            ${*$s}{net_cmd_last_ch} = 'x';
            $t->scalar($s, command => 'NOOP');
        },
    },
);
