# auth of the core module and of ours, side by side: what is the same, and what
# the core module does wrong.  The core module needs Authen::SASL for it.
use strict;
use warnings;

use lib 't/lib';
use Test::More;

BEGIN {
    plan skip_all => 'Authen::SASL is not installed'
        if !eval { require Authen::SASL; require Authen::SASL::Perl; require Digest::HMAC_MD5; 1 };
}

use MIME::Base64 qw(encode_base64);
use NSX::Test::Oracle;
use NSX::Test::Sasl;

my ($user, $password) = map { NSX::Test::Sasl->$_ } qw(user password);

sub offering { return NSX::Test::Sasl->smtp(mechanisms => [@_]) }

sub sasl {
    my ($mechanism, %callback) = @_;
    return Authen::SASL->new(
        mechanism => $mechanism,
        callback  => { user => $user, pass => $password, authname => $user, %callback },
    );
}

# auth, watched; $@ is a row of its own below.
sub watched {
    my ($t, $context, $smtp, @args) = @_;
    $t->$context(sub { local $@; $smtp->auth(@args) });
}

sub bit { $_[0] ? 1 : 0 }

# ---- the same

sub same {
    my ($name, $smtp, $calls, %more) = @_;
    return { name => $name, smtp => $smtp, calls => $calls, %more };
}

my @same = (
    (map {
        my $name = $_;
        same("$name, accepted", offering($name), sub { watched($_[0], scalar => $_[1], $user, $password) }),
        same("$name, refused", offering($name), sub { watched($_[0], list => $_[1], $user, 'wrong') },
            $name eq 'CRAM-MD5' ? (wire => 0) : ()),
        same("$name by an object", offering($name),
            sub { watched($_[0], list => $_[1], sasl($name)) }),
        same("$name by an object, refused", offering($name),
            sub { watched($_[0], scalar => $_[1], sasl($name, pass => 'wrong')) },
            $name eq 'CRAM-MD5' ? (wire => 0) : ()),
    } qw(PLAIN LOGIN CRAM-MD5)),
    same('no AUTH', {}, sub { watched($_[0], $_ => $_[1], $user, $password) for qw(list scalar void) }),
    same('no AUTH, no user', {}, sub { watched($_[0], $_ => $_[1]) for qw(list scalar void) }),
    same('no user', offering('PLAIN'), sub { watched($_[0], $_ => $_[1]) for qw(list scalar void) }),
    same('an empty user', offering('PLAIN'), sub { watched($_[0], scalar => $_[1], '', 'x') }),
    same('no password', offering('PLAIN'), sub { watched($_[0], scalar => $_[1], $user) }),
    same('a user that is a number', offering('PLAIN'), sub { watched($_[0], scalar => $_[1], 0, 1) }),
    same('a list written over the server\'s', offering(qw(CRAM-MD5 PLAIN LOGIN)), sub {
        my ($t, $s) = @_;
        ${*$s}{net_smtp_esmtp}{AUTH} = 'LOGIN';
        watched($t, scalar => $s, $user, $password);
    }),
    same('the same by an object', offering(qw(CRAM-MD5 PLAIN LOGIN)), sub {
        my ($t, $s) = @_;
        ${*$s}{net_smtp_esmtp}{AUTH} = 'LOGIN';
        watched($t, scalar => $s, sasl(undef));
    }),
    same('the object\'s own choice', offering(qw(LOGIN CRAM-MD5 PLAIN)), sub {
        my ($t, $s) = @_;
        my $sasl = sasl('PLAIN LOGIN');
        watched($t, scalar => $s, $sasl);
        $t->note(mechanism => $sasl->mechanism);
    }),
    same('an object without a choice', offering(qw(LOGIN PLAIN)), sub {
        my ($t, $s) = @_;
        my $sasl = sasl(undef);
        watched($t, scalar => $s, $sasl);
        $t->note(mechanism => $sasl->mechanism);
    }),
    same('DIGEST-MD5 by an object', offering('DIGEST-MD5'),
        sub { watched($_[0], scalar => $_[1], sasl('DIGEST-MD5', realm => 'mx.test')) }, wire => 0),
    same('a temporary failure', NSX::Test::Sasl->smtp(mechanisms => ['PLAIN'],
        replies => { PLAIN => '454 later' }), sub { watched($_[0], scalar => $_[1], $user, $password) }),
    same('a closed connection', NSX::Test::Sasl->smtp(mechanisms => ['PLAIN'],
        faults => { PLAIN => 'hang up' }), sub { watched($_[0], scalar => $_[1], $user, $password) }),
    { name => 'overridden pieces', smtp => offering('LOGIN'), code => sub {
        my ($t) = @_;
        my $class = $t->counting_subclass('My::Counting', qw(command response supports code message debug));
        my $s = $t->connect(class => $class);
        $t->counts('until then');
        watched($t, scalar => $s, $user, $password);
        my %counts = %NSX::Test::Oracle::Client::COUNT;
        %NSX::Test::Oracle::Client::COUNT = ();
        $t->note($_ => $counts{$_}) for qw(command response supports);
    } },
);

# What Authen::SASL's callbacks may be.
my ($hash, $scalar) = ({}, \'text');    # with one address on both sides

push @same, (
    (map {
        my $name = $_;
        same("$name, by functions", offering($name), sub {
            watched($_[0], list => $_[1], sub {$user}, sub {$password});
        }),
        same("$name, a password by a function that is wrong", offering($name),
            sub { watched($_[0], list => $_[1], $user, sub {'wrong'}) },
            $name eq 'CRAM-MD5' ? (wire => 0) : ()),
        same("$name, by functions with arguments", offering($name), sub {
            watched($_[0], list => $_[1], [sub { $_[1] }, $user], [sub {"$_[1]$_[2]"}, $password, '']);
        }),
        same("$name, by functions that have nothing", offering($name), sub {
            watched($_[0], list => $_[1], sub {return}, sub {return});
        }, undef_is_silent => 1),
        same("$name, by a hash", offering($name),
            sub { watched($_[0], list => $_[1], $hash, $hash) }),
        same("$name, by a reference", offering($name),
            sub { watched($_[0], list => $_[1], $scalar, $scalar) }),
    } qw(PLAIN LOGIN CRAM-MD5)),
    same('a function that dies', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        eval { $s->auth($user, sub { die "no password\n" }) };
        $t->note(error => $@);
    }),
    same('functions are called in scalar context', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        my @list = ('a', $password);
        watched($t, list => $s, $user, sub { return @list[0, 1] });
    }),
    same('no AUTH, functions are not called', {}, sub {
        my ($t, $s) = @_;
        watched($t, list => $s, $user, sub { $t->note(called => 1); $password });
    }),
    same('a third argument', offering('PLAIN'),
        sub { watched($_[0], $_ => $_[1], $user, $password, 'more') for qw(list scalar void) }),
    same('a third argument beside an object', offering('PLAIN'),
        sub { watched($_[0], list => $_[1], sasl('PLAIN'), $password, 'more') }),
    same('an object that has no error', offering(qw(X-TRY PLAIN)), sub {
        my ($t, $s) = @_;
        no warnings 'redefine';
        my $real = \&Authen::SASL::client_new;
        local *Authen::SASL::client_new = sub {
            my ($self) = @_;
            return My::Mute->new('X-TRY') if $self->mechanism =~ /X-TRY/;
            return $real->(@_);
        };
        watched($t, list => $s, sasl(undef));
    }),
);

# ---- the defects

sub row {
    my ($name, $smtp, $code, $stock, $ours, %more) = @_;
    return {
        name => $name,
        smtp => $smtp,
        code => sub {
            my ($t) = @_;
            my %facts = $code->($t, $t->connect);
            $t->fact($_ => $facts{$_}) for keys %facts;
        },
        differs => { row => $name, stock => $stock, ours => $ours },
        %more,
    };
}

sub wire {
    my ($pattern) = @_;
    return sub { my ($log) = @_; (seen => bit($log->{connections}[0]{in} =~ $pattern)) };
}

my $in_clear = do {
    my $initial = encode_base64("$user\0$user\0$password", '');
    qr/^AUTH PLAIN \Q$initial\E/m;
};

my @differ = (
    row('82 no mechanism fits', offering('GSSAPI2'), sub {
        my ($t, $s) = @_;
        my $lived = eval { $s->auth($user, $password); 1 };
        return (died => bit(!$lived), code => $s->code);
    }, { died => 1 }, { died => 0, code => 504 }),

    row('82 no mechanism fits an object', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        my $lived = eval { $s->auth(sasl('NTLM2')); 1 };
        return (died => bit(!$lived), code => $s->code);
    }, { died => 1 }, { died => 0, code => 504 }),

    row('83 the caller\'s choice is kept', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        # GSSAPI is not offered; the one that cannot begin must not open the
        # door to the server's others.
        my $sasl = sasl('GSSAPI');
        no warnings 'redefine';
        my $real = \&Authen::SASL::client_new;
        local *Authen::SASL::client_new = sub {
            my ($self) = @_;
            return My::CannotBegin->new if $self->mechanism =~ /GSSAPI/;
            return $real->(@_);
        };
        eval { $s->auth($sasl) };
        return ();
    }, { seen => 1 }, { seen => 0 }, after => wire($in_clear)),

    row('84 names of mechanisms are whole words', offering(qw(X-TRY-PLUS X-TRY PLAIN)), sub {
        my ($t, $s) = @_;
        my @lists;
        no warnings 'redefine';
        my $real = \&Authen::SASL::client_new;
        local *Authen::SASL::client_new = sub {
            my ($self) = @_;
            push @lists, $self->mechanism;
            return My::CannotBegin->new('X-TRY') if @lists == 1;
            return $real->(@_);
        };
        $s->auth(sasl(undef));
        return (second => join ' ', split ' ', $lists[1]);
    }, { second => '-PLUS X-TRY PLAIN' }, { second => 'X-TRY-PLUS PLAIN' }),

    row('85 a failed exchange is cancelled', NSX::Test::Sasl->smtp(
        mechanisms => ['DIGEST-MD5'], faults => { 'DIGEST-MD5' => 'wrong proof' }), sub {
        my ($t, $s) = @_;
        local $SIG{__WARN__} = sub { };
        my $ok = $s->auth(sasl('DIGEST-MD5', realm => 'mx.test'));
        return (ok => bit($ok));
    }, { ok => 1, seen => 0 }, { ok => 0, seen => 1 }, after => wire(qr/^\*\r$/m)),

    row('a success without proof', NSX::Test::Sasl->smtp(
        mechanisms => ['DIGEST-MD5'], faults => { 'DIGEST-MD5' => 'no proof' }), sub {
        my ($t, $s) = @_;
        my $ok = $s->auth(sasl('DIGEST-MD5', realm => 'mx.test'));
        return (ok => bit($ok), open => bit(defined fileno $s));
    }, { ok => 1, open => 1 }, { ok => 0, open => 0 }),

    row('a challenge that is not base64', NSX::Test::Sasl->smtp(
        mechanisms => ['CRAM-MD5'], faults => { 'CRAM-MD5' => 'not base64' }), sub {
        my ($t, $s) = @_;
        $s->auth($user, $password);
        return ();
    }, { seen => 0 }, { seen => 1 }, after => wire(qr/^\*\r$/m)),

    row('what functions are given', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        my @given;
        $s->auth($user, sub { push @given, @_; $password });
        return (first => ref($given[0]) =~ /PLAIN/ ? 'client' : $given[0] == $s ? 'object' : '?');
    }, { first => 'client' }, { first => 'object' }),

    row('more than three arguments', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        my $lived = eval { $s->auth($user, $password, 'more', 'and more'); 1 };
        return (died => bit(!$lived), ok => bit($s->code == 235));
    }, { died => 0, ok => 1 }, { died => 1, ok => 0 }),

    row('86 challenges have an end', NSX::Test::Sasl->smtp(
        mechanisms => ['CRAM-MD5'], faults => { 'CRAM-MD5' => 'endless' }), sub {
        my ($t, $s) = @_;
        my $sasl = sasl('CRAM-MD5');
        $s->auth($sasl);
        return ();
    }, { many => 1 }, { many => 0 },
        after => sub { (many => bit(@{ $_[0]{sasl}[0]{said} } > 20)) }),

    row('87 Debug keeps secrets', offering('LOGIN'), sub {
        my ($t, $s) = @_;
        $s->debug(1);
        my $said = '';
        {
            local *STDERR;
            open STDERR, '>', \$said or die "STDERR: $!";
            $s->auth($user, $password);
        }
        my $coded = encode_base64($password, '');
        return (clear => bit($said =~ /\Q$password\E/), coded => bit($said =~ /\Q$coded\E/));
    }, { clear => 1, coded => 1 }, { clear => 0, coded => 0 }),

    row('88 a password in the clear', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        return (ok => bit($s->auth($user, $password)));
    }, { ok => 1, seen => 1 }, { ok => 1, seen => 1 }, after => wire($in_clear)),

    row('89 $@ is left alone', offering('PLAIN'), sub {
        my ($t, $s) = @_;
        $@ = 'mine';
        $s->auth($user, $password);
        return (error => $@);
    }, { error => '' }, { error => 'mine' }),

    row('a mechanism that the server refuses', NSX::Test::Sasl->smtp(
        mechanisms => [qw(CRAM-MD5 LOGIN)], replies => { 'CRAM-MD5' => '504 not now' }), sub {
        my ($t, $s) = @_;
        return (ok => bit($s->auth($user, $password)));
    }, { ok => 0 }, { ok => 1 }),
);

{
    package My::CannotBegin;
    sub new          { my ($class, $name) = @_; return bless { name => $name || 'GSSAPI' }, $class }
    sub mechanism    { $_[0]{name} }
    sub client_start {undef}
    sub error        {'cannot begin'}

    package My::Mute;
    sub new          { my ($class, $name) = @_; return bless { name => $name }, $class }
    sub mechanism    { $_[0]{name} }
    sub client_start {undef}
}

oracle(@same, @differ);
