package NSX::Test::Oracle::Client;

# What a scenario's code is given: the class under judgement, the server's
# address, and calls that are watched.
#
#   $t->refused_port               a port that refuses
#   $t->connect(ARGS)              the class's new, on the server, Timeout 60; wait => SECS is
#                                  the timeout of what comes after it
#   $t->part($obj)                 ends the connection so that the server has read all of it
#   $t->scalar($obj, METHOD, ARGS) one watched call; also list, void
#   $t->scalar(sub { ... })        the same for any code
#   $t->each_context(...)          the same call as list, as scalar, as void
#   $t->state($obj)                the object's visible state
#   $t->note(LABEL, VALUE...)      a value to compare
#   $t->fact(NAME, VALUE)          a value for an after or differs entry
#   $t->subclass(NAME, BODY)       package NAME, a child of the class, with BODY
#   $t->counting_subclass(NAME, METHODS)   each method counts itself, then calls its parent's
#   $t->counts                     note and forget these counts
#   $t->owner(METHOD)              the package whose stash holds the method
#   $t->within(SECS, sub)          true when the code returned in time
#   $t->interrupted(sub)           true when the code came to the server's ['meet'], whereat a
#                                  signal handler died in it
#   $t->timing(SECS, sub)          note 'at once' or 'waited', SECS the time it would wait
#
# A watched call keeps: what came back (with the scalars' types), $@, warnings,
# the text on STDERR, an exception; errno when $t->{errno} is set.

use strict;
use warnings;

use B ();
use Data::Dumper ();
use POSIX ();
use Scalar::Util qw(blessed reftype);
use Socket;
use Storable ();
use Time::HiRes ();

use constant {
    PARTING  => 10,        # seconds we wait for the server's end
    FAR      => 30,        # seconds, more than a busy machine takes
    INTERVAL => 20_000,    # microseconds
};

our %COUNT;

sub run {
    my ($class, $run) = @_;
    my $t = bless {
        %{ $run->{side} },
        server => $run->{server},
        scenario => $run->{scenario},
        seen   => [],
        facts  => {},
    }, $class;
    my $normalise = $class->normaliser($run);
    $t->{normalise} = sub {
        my $text = $normalise->(@_);
        $text =~ s/\b$_\b/REFUSED/g for @{ $t->{hidden} || [] };
        return $text;
    };
    $t->_capture_stderr;
    $SIG{__WARN__} = sub { push @{ $t->{warned} }, $_[0] };
    my $done = eval { $t->_play($run->{scenario}); 1 };
    $t->note('scenario died', $@) unless $done;
    $t->_rest;
    my $file = $run->{file};
    Storable::nstore({ seen => $t->{seen}, facts => $t->{facts}, wire => [] }, "$file.new");
    rename "$file.new", $file or die "rename: $!";
    exit 0 if $run->{scenario}{exits};
    POSIX::_exit(0);
}

sub _play {
    my ($t, $scenario) = @_;
    my $calls = $scenario->{calls} or return $scenario->{code}->($t);
    my $smtp = $t->connect(%{ $scenario->{new} || {} });
    return $t->note('no object', $@) unless $smtp;
    $t->{errno} = $scenario->{errno};
    $calls->($t, $smtp);
    $t->state($smtp);
    $t->part($smtp);
    return;
}

# To close with replies unread is to reset, and that takes from the server what
# it has not read yet; so that the wire is complete, read to its end first.
sub part {
    my ($t, $smtp) = @_;
    my $fd = fileno $smtp;
    return if !defined $fd or !-S $smtp;
    shutdown $smtp, 1;
    my $ready = '';
    vec($ready, $fd, 1) = 1;
    while (select my $now = $ready, undef, undef, PARTING) {
        sysread $smtp, my $rest, 65536 or last;
    }
    return;
}

sub class     { $_[0]{class} }
sub cmd_class { $_[0]{cmd} }
sub side      { $_[0]{side} }
sub host      { $_[0]{server}->host }
sub port      { $_[0]{server}->port }

sub connect {
    my ($t, %arg) = @_;
    my $class = delete $arg{class} || $t->class;
    my $wait = delete $arg{wait};
    my $s = $class->new($t->host, Port => $t->port, Timeout => 60, %arg);
    $s->timeout($wait) if $s && defined $wait;
    return $s;
}

# A port of the loopback where nothing listens, kept from others for as long as we live.
sub refused_port {
    my $t = shift;
    socket my $fh, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
    bind $fh, pack_sockaddr_in(0, INADDR_LOOPBACK) or die "bind: $!";
    push @{ $t->{kept} }, $fh;
    my $port = (unpack_sockaddr_in(getsockname $fh))[0];
    push @{ $t->{hidden} }, $port;
    return $port;
}

# ---- watched calls

sub scalar { my $t = shift; return $t->_watch('scalar', @_) }
sub list   { my $t = shift; return $t->_watch('list',   @_) }
sub void   { my $t = shift; return $t->_watch('void',   @_) }

sub each_context {
    my $t = shift;
    $t->$_(@_) for qw(list scalar void);
    return;
}

sub _watch {
    my ($t, $context, $what) = splice @_, 0, 3;
    my ($label, $code) = ('code', $what);
    if (ref $what ne 'CODE') {
        $label = shift;
        my $args = \@_;
        $code = sub { $what->$label(@$args) };
    }
    $t->_rest;
    my %saw = (warned => [], err => undef);
    my (@got, $errno);
    $t->{warned} = $saw{warned};
    my $lived = eval {
        $@ = 'untouched';
        $! = 0;
        if    ($context eq 'list')   { @got    = $code->() }
        elsif ($context eq 'scalar') { $got[0] = $code->() }
        else                         { $code->() }
        $errno = $! + 0;
        $saw{err} = $@;
        1;
    };
    $saw{died} = $@ unless $lived;
    $saw{errno} = $errno if $t->{errno};
    $saw{stderr} = $t->_new_stderr;
    $saw{got} = $lived ? [ map { $t->describe($_) } @got ] : [];
    delete $t->{warned};
    $t->_keep("$context $label", \%saw);
    return $context eq 'scalar' ? $got[0] : @got;
}

sub _keep {
    my ($t, $label, $saw) = @_;
    my $as = $t->{normalise};
    my @texts = map { defined $_ ? $as->($_) : undef } @$saw{qw(err died stderr)};
    @$saw{qw(err died stderr)} = @texts;
    $saw->{warned} = $t->_warnings($saw->{warned});
    for my $key (qw(err died)) {
        delete $saw->{$key} if !defined $saw->{$key} or $saw->{$key} eq 'untouched';
    }
    delete $saw->{stderr} if $saw->{stderr} eq '';
    delete $saw->{warned} if !@{ $saw->{warned} };
    push @{ $t->{seen} }, [ $label, $saw ];
    return;
}

# What was said outside of any watched call.
sub _rest {
    my $t = shift;
    my $said = $t->{normalise}->($t->_new_stderr);
    my $warned = $t->_warnings(delete $t->{warned} || []);
    push @{ $t->{seen} }, [ 'said between', $said ] if length $said;
    push @{ $t->{seen} }, [ 'warned between', @$warned ] if @$warned;
    return;
}

# That an undefined value was used counts, not how often the module looked at it.
sub _warnings {
    my ($t, $warnings) = @_;
    my @texts = map { $t->{normalise}->($_) } @$warnings;
    my $undef = qr/^Use of uninitialized value /;
    @texts = grep { !/$undef/ } @texts if $t->{scenario}{undef_is_silent};
    my %told;
    return [ grep { !/$undef/ or !$told{at_all}++ } @texts ];
}

sub note {
    my ($t, $label, @values) = @_;
    $t->_rest;
    push @{ $t->{seen} }, [ $label, map { $t->describe($_) } @values ];
    return;
}

sub fact {
    my ($t, $name, $value) = @_;
    $t->{facts}{$name} = ref $value ? $value : defined $value ? $t->{normalise}->($value) : undef;
    return;
}

# The visible state: the glob's hash without what only the engine owns, nor the
# greeting of our servers, which stock takes for an extension.
sub state {
    my ($t, $obj) = @_;
    $t->_rest;
    if (!defined $obj) {
        push @{ $t->{seen} }, [ 'state', 'no object' ];
        return;
    }
    my $hash = *$obj{HASH} || {};
    my %seen = (
        open => defined fileno($obj) ? 1 : 0,
        ref  => $t->{normalise}->(ref $obj),
    );
    for my $key (grep { !/\A(?:net_cmd_(?:lines|partial)|io_socket_.*)\z/ } keys %$hash) {
        $seen{$key} = $t->plain($hash->{$key});
    }
    my $esmtp = $seen{net_smtp_esmtp};
    delete @$esmtp{ 'MX', 'ME', @{ $t->{scenario}{greetings} || [] } } if ref $esmtp;
    delete @seen{ @{ $t->{scenario}{except} || [] } };
    push @{ $t->{seen} }, [ 'state', \%seen ];
    return;
}

# ---- values as comparable text

# A value with its type: P string, I integer, N float, U with the UTF-8 flag, T tainted.
# A whole number is I however it is stored, and so is perl's own constant zero.
sub describe {
    my $t = $_[0];
    return 'undef' unless defined $_[1];
    return $t->plain($_[1]) if ref $_[1];
    return 'glob' if ref \$_[1] eq 'GLOB';
    my $bits = B::svref_2object(\$_[1])->FLAGS;
    my $kind = join '',
        $bits & B::SVf_POK() ? 'P' : '',
        $bits & B::SVf_IOK() ? 'I' : '',
        $bits & B::SVf_NOK() ? 'N' : '';
    $kind = 'I' if $kind eq 'IN' && $_[1] =~ /\A-?\d+\z/ or $kind eq 'PIN' && $_[1] eq '0';
    my $marks = (utf8::is_utf8($_[1]) ? 'U' : '')
        . (${^TAINT} && Scalar::Util::tainted($_[1]) ? 'T' : '');
    return $t->_quoted($_[1]) . " [$kind$marks]";
}

sub plain {
    my ($t, $value, $depth) = @_;
    $depth = ($depth || 0) + 1;
    return 'undef' unless defined $value;
    return $t->_quoted($value) unless ref $value;
    return '...' if $depth > 5;
    my $type = reftype $value;
    if (blessed $value) {
        my $open = $type eq 'GLOB' ? defined fileno($value) ? ', open' : ', closed' : '';
        return $t->{normalise}->("object of " . ref($value) . " ($type$open)");
    }
    return [ map { $t->plain($_, $depth) } @$value ] if $type eq 'ARRAY';
    return { map { $t->{normalise}->($_) => $t->plain($value->{$_}, $depth) } keys %$value }
        if $type eq 'HASH';
    if ($type eq 'GLOB') {
        my $tied = tied *$value;
        return $t->{normalise}->('glob' . ($tied ? ' tied to ' . ref $tied : ''));
    }
    return $type;
}

sub _quoted {
    my ($t, $text) = @_;
    local $Data::Dumper::Terse  = 1;
    local $Data::Dumper::Indent = 0;
    local $Data::Dumper::Useqq  = 1;
    return Data::Dumper::qquote($t->{normalise}->("$text"));
}

# Takes out what must differ from one class, run or perl to the next.
sub normaliser {
    my ($class, $run) = @_;
    my $side = $run->{side};
    my $port = $run->{server} ? $run->{server}->port : undef;
    return sub {
        my $text = shift;
        if ($side->{cmd} ne 'Net::Cmd') {
            $text =~ s/\b\Q$side->{cmd}\E\b/Net::Cmd/g;
            $text =~ s/\b\Q$side->{class}\E\b(?!::)/Net::SMTP/g;
            $text =~ s/\b\Q$side->{class}\E::(?=\w+\(\))/Net::SMTP::/g;
        }
        $text =~ s/\b$port\b/PORT/g if defined $port;
        $text =~ s/\b[A-Z]+\(0x[0-9a-f]+\)/ADDRESS/g;
        $text =~ s{\bat \S*\bNet/(?:SMTP|Cmd)(?:/XS\S*)?\.pm line \d+}{at MODULE line N}g;
        $text =~ s/\(eval \d+\)/(eval N)/g;
        $text =~ s/(Use of uninitialized value)\b.*? at (?=\S+ line )/$1 at /g;
        $text =~ s/(isn't numeric) in .*? at (?=\S+ line )/$1 at /g;
        $text =~ s/(unknown option\(s\) )(.*?)( - ignored)/$1 . join(' ', sort split ' ', $2) . $3/ge;
        $text =~ s/^([\w:]+)>>> ((?:out:)?)[\w:]+(?:\(\S+\))?\n(?:\1>>> \2 +[\w:]+(?:\(\S+\))?\n)*/$1 ISA TREE\n/mg;
        return $text;
    };
}

# ---- STDERR, as the process's descriptor 2

sub _capture_stderr {
    my $t = shift;
    open my $file, '+>', undef or die "temporary file: $!";
    open STDERR, '>>&', $file or die "dup: $!";
    STDERR->autoflush(1);
    $t->{stderr}      = $file;
    $t->{stderr_read} = 0;
    return;
}

sub _new_stderr {
    my $t = shift;
    my $size = -s $t->{stderr};
    my $text = '';
    return $text if $size <= $t->{stderr_read};
    sysseek $t->{stderr}, $t->{stderr_read}, 0;
    sysread $t->{stderr}, $text, $size - $t->{stderr_read};
    $t->{stderr_read} = $size;
    sysseek $t->{stderr}, 0, 2;
    return $text;
}

# ---- classes

sub subclass {
    my ($t, $name, $body, $parent) = @_;
    $parent ||= $t->class;
    $body = '' unless defined $body;
    my $ok = eval "package $name; use strict; use warnings; our \@ISA = ('$parent'); $body; 1";
    die $@ unless $ok;
    return $name;
}

sub counting_subclass {
    my ($t, $name, @methods) = @_;
    my $body = join "\n", map {
        "sub $_ { my \$self = shift; \$NSX::Test::Oracle::Client::COUNT{$_}++; \$self->SUPER::$_(\@_) }"
    } @methods;
    return $t->subclass($name, $body);
}

sub counts {
    my ($t, $label) = @_;
    my %now = %COUNT;
    %COUNT = ();
    push @{ $t->{seen} }, [ $label || 'counts', \%now ];
    return;
}

sub owner {
    my ($t, $method) = @_;
    no strict 'refs';
    for my $class ($t->class, $t->cmd_class) {
        return $class if defined &{"${class}::$method"};
    }
    return $t->class;
}

# ---- time

sub within {
    my ($t, $secs, $code) = @_;
    my $done = 0;
    my $lived = eval {
        local $SIG{ALRM} = sub { die "too late\n" };
        Time::HiRes::alarm($secs);
        $code->();
        $done = 1;
        Time::HiRes::alarm(0);
        1;
    };
    my $err = $@;
    Time::HiRes::alarm(0);
    die $err if !$lived && $err ne "too late\n";
    return $done;
}

sub interrupted {
    my ($t, $code) = @_;
    local $SIG{ALRM} = sub { die "met\n" if $t->{server}->was_met };
    Time::HiRes::ualarm(INTERVAL, INTERVAL);
    my $done = eval { $code->(); 1 };
    my $err  = $@;
    Time::HiRes::ualarm(0);
    die $err if !$done && $err ne "met\n";
    return !$done;
}

sub timing {
    my ($t, $secs, $code) = @_;
    my $from = Time::HiRes::time();
    $code->();
    my $took = Time::HiRes::time() - $from;
    push @{ $t->{seen} }, [ 'time', $took < 0.7 * $secs ? 'at once' : $took > $secs + FAR ? 'far too long' : 'waited' ];
    return $took;
}

1;
