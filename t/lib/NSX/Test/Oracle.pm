package NSX::Test::Oracle;

# The same scenarios against the core Net::SMTP and against ours, compared.
#
#   use NSX::Test::Oracle;
#   oracle(
#       {   name => 'a refused recipient',
#           smtp => { on => { RCPT => '550 no' } },
#           code => sub {
#               my $t    = shift;
#               my $smtp = $t->connect(Debug => 1);
#               $t->scalar($smtp, recipient => 'a@test');
#           },
#       },
#   );
#
# A scenario:
#   name      unique in its file
#   smtp      a well-behaved server (see NSX::Test::Server), or
#   ehlo      the same, with just these extensions, or
#   replies   a server that answers EHLO (with the extensions in ehlo) and then says these, or
#   script    the steps of one connection, or
#   scripts   a list of scripts, one for each connection; or nothing: no server
#   server    further arguments of NSX::Test::Server->start
#   calls     what the client does with a connected object, sub ($t, $smtp), whose state
#             is compared at the end; new => \%args are further arguments of connect
#   code      instead of calls: everything the client does, sub ($t)
#   except    keys of the state that are not compared
#   greetings further words our server greets with, which stock takes for extensions
#   undef_is_silent 1: warnings about undefined values are not compared
#   exits     1: the process ends as a program does, all objects destroyed
#   wire      0: the octets on the wire are not compared
#   needs     the least version of the running perl's Net::SMTP, 3.05 unless given
#   needs_ipv6 1: skipped where there is no ::1
#   waits     1: it waits for seconds and does little else: such ones are all begun first
#   tls       1: Net::SMTP is loaded with IO::Socket::SSL, where it is installed: it takes
#             longer than all else, and without a TLS call nothing differs
#   after     sub ($log) that returns (name => value) facts out of the server's log
#   differs   a difference made on purpose: { stock => \%facts, ours => \%facts };
#             nothing but these facts is compared then
#
# $t (NSX::Test::Oracle::Client): class, cmd_class, host, port, connect, list, scalar, void,
# state, fact, subclass, counting_subclass, owner, within, timing, note.
#
# Each scenario runs in a fresh process forked from one that has loaded the class, so
# a crash or a hang is one failure, and nothing leaks from one scenario to the next.
#
# NSX_ORACLE_OURS  the class to judge, ':replace' for Net::SMTP::XS in the stock's place
# NSX_ORACLE_ONLY  a pattern: only these scenarios
# NSX_ORACLE_TIMES 1: tell what each took; NSX_ORACLE_VERBOSE 1: what each saw
# NSX_ORACLE_JOBS  how many run at a time for each class
# NSX_ORACLE_STOCK_LIB  where to find the stock modules, if not in the running perl

use strict;
use warnings;

use Data::Dumper ();
use File::Temp ();
use POSIX ();
use Storable ();
use Test::More;

use NSX::Test::Oracle::Client;
use NSX::Test::Runner;
use NSX::Test::Server;

our @EXPORT = qw(oracle talk);
*talk = \&NSX::Test::Server::talk;
use Exporter 'import';

use constant SCENARIO_LIMIT => 180;   # seconds, then the client is killed
use constant OLDEST_COMPARED => 3.05; # before it, replies and state were kept otherwise
use constant LONELY_RELEASE => 3.12;
use constant SHOWN          => 8;     # differences told for each scenario

sub oracle {
    my @scenarios = @_;
    if (defined(my $only = $ENV{NSX_ORACLE_ONLY})) {
        @scenarios = grep { $_->{name} =~ /$only/ } @scenarios;
    }
    my $dir   = File::Temp->newdir;
    my %sides = _sides();
    my @pids  = map { _fork_side($sides{$_}, "$dir", \@scenarios) } sort keys %sides;
    waitpid $_, 0 for @pids;

    my %loaded = map { $_ => _retrieve("$dir/$_.load") } keys %sides;
    if ($loaded{stock}{error}) {
        plan skip_all => "the core Net::SMTP can not be loaded: $loaded{stock}{error}";
    }
    plan tests => scalar @scenarios;
    diag "ours can not be loaded: $loaded{ours}{error}" if $loaded{ours}{error};
    for my $n (0 .. $#scenarios) {
        my $reason = _skip_reason($scenarios[$n], $loaded{stock});
    SKIP: {
            skip "$scenarios[$n]{name}: $reason", 1 if $reason;
            _judge($scenarios[$n], map { _retrieve("$dir/$_.$n") } qw(stock ours));
        }
    }
    return 1;
}

sub _sides {
    my ($ours) = ($ENV{NSX_ORACLE_OURS} || 'Net::SMTP::XS') =~ /\A(:?[\w:]+)\z/
        or die 'NSX_ORACLE_OURS is no class name';
    my $replace = $ours eq ':replace';
    my $native  = $replace || $ours eq 'Net::SMTP';
    return (
        stock => {
            side  => 'stock',
            load  => 'Net::SMTP',
            class => 'Net::SMTP',
            cmd   => 'Net::Cmd',
            lib   => $ENV{NSX_ORACLE_STOCK_LIB},
        },
        ours => {
            side   => 'ours',
            load   => $replace ? 'Net::SMTP::XS' : $ours,
            import => $replace ? [':replace'] : [],
            class  => $replace ? 'Net::SMTP' : $ours,
            cmd    => $native ? 'Net::Cmd' : "${ours}::Cmd",
        },
    );
}

sub _is_self_check { return ($ENV{NSX_ORACLE_OURS} || '') eq 'Net::SMTP' }

# ---- the process of one class

sub _fork_side {
    my ($side, $dir, $scenarios) = @_;
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    return $pid if $pid;
    my $done = eval { _run_side($side, $dir, $scenarios); 1 };
    print STDERR "$side->{side}: $@" unless $done;
    POSIX::_exit(0);
}

sub _run_side {
    my ($side, $dir, $scenarios) = @_;
    my $loaded = _load($side, scalar grep { $_->{tls} } @$scenarios);
    Storable::nstore($loaded, "$dir/$side->{side}.load");
    return if $loaded->{error};

    my $jobs = $ENV{NSX_ORACLE_JOBS} || 3;
    my @waiting = grep { !_skip_reason($scenarios->[$_], { version => 1e9 }) } 0 .. $#$scenarios;
    my @long = grep { $scenarios->[$_]{waits} } @waiting;
    @waiting = (@long, grep { !$scenarios->[$_]{waits} } @waiting);
    my %running;
    while (1) {
        while (@waiting && (@long || keys %running < $jobs)) {
            my $n = shift @waiting;
            shift @long;
            my $run = _start($side, $dir, $n, $scenarios->[$n], [ values %running ]);
            $running{ $run->{process} } = $run if $run;
        }
        last if !%running;
        _finish(delete $running{$_}) for NSX::Test::Runner->over(map { $_->{process} } values %running);
    }
    return;
}

sub _load {
    my ($side, $tls) = @_;
    local @INC = ($side->{lib}, @INC) if defined $side->{lib};
    $INC{'IO/Socket/SSL.pm'} = undef if !$tls;
    (my $file = "$side->{load}.pm") =~ s{::}{/}g;
    my $ok = eval {
        require $file;
        $side->{load}->import(@{ $side->{import} }) if $side->{import} && @{ $side->{import} };
        require Net::Config;
        1;
    };
    return { error => $@ || 'no reason given' } if !$ok;
    return { version => $side->{class}->VERSION };
}

sub _start {
    my ($side, $dir, $n, $scenario, $others) = @_;
    my %run = (
        file     => "$dir/$side->{side}.$n",
        side     => $side,
        scenario => $scenario,
    );
    $run{server} = eval { _server($scenario) };
    if ($@) {
        _store($run{file}, { seen => [ [ 'no server', "$@" ] ], wire => [], facts => {} });
        return;
    }
    $run{process} = NSX::Test::Runner->start(
        sub { NSX::Test::Oracle::Client->run(\%run) },
        limit  => $scenario->{limit} || SCENARIO_LIMIT,
        forget => [ map { $_->{server} } \%run, @$others ]
    );
    return \%run;
}

sub _server {
    my $scenario = shift;
    return if !grep { $scenario->{$_} } qw(scripts script replies smtp ehlo calls);
    return NSX::Test::Server->start_for($scenario, SCENARIO_LIMIT + 5);
}

sub _finish {
    my $run = shift;
    my $result = _retrieve($run->{file});
    my $end = $run->{process}->end;
    if ($end =~ /killed/) {
        $result->{error} = $end if $result->{error};
        push @{ $result->{seen} }, [ 'end of process', $end ];
    }
    $result->{took} = sprintf '%.3f', $run->{process}->took;
    if ($run->{server}) {
        my $log = $run->{server}->finish;
        my $as = NSX::Test::Oracle::Client->normaliser($run);
        $result->{wire} = [ map { $as->($_->{in}) } @{ $log->{connections} } ];
        my $after = $run->{scenario}{after};
        my %more  = $after ? $after->($log) : ();
        $result->{facts}{$_} = $more{$_} for keys %more;
    }
    _store($run->{file}, $result);
    return;
}

sub _store {
    my ($file, $data) = @_;
    Storable::nstore($data, "$file.new");
    rename "$file.new", $file or die "rename: $!";
    return;
}

sub _retrieve {
    my $file = shift;
    return { error => 'no result file' } if !-s $file;
    return Storable::retrieve($file);
}

sub _skip_reason {
    my ($scenario, $stock) = @_;
    my $needs = $scenario->{needs} || OLDEST_COMPARED;
    return "Net::SMTP $stock->{version} here, $needs needed" if $stock->{version} < $needs;
    return "Net::SMTP $stock->{version} answers a closed connection as no other does"
        if $stock->{version} == LONELY_RELEASE;
    return 'no IPv6 loopback' if $scenario->{needs_ipv6} && !_has_ipv6();
    return $scenario->{skip} if $scenario->{skip};
    return;
}

my $has_ipv6;

sub _has_ipv6 {
    if (!defined $has_ipv6) {
        $has_ipv6 = eval {
            require IO::Socket::IP;
            NSX::Test::Server->start(family => 6, connections => [])->finish;
            1;
        } ? 1 : 0;
    }
    return $has_ipv6;
}

# ---- the verdict

sub _judge {
    my ($scenario, $stock, $ours) = @_;
    my $name = $scenario->{name};
    my @wrong;
    if (my $differs = $scenario->{differs}) {
        $name = "differs: $name";
        @wrong = (
            _compare_facts('stock', $differs->{stock}, $stock),
            _compare_facts('ours', $differs->{ _is_self_check() ? 'stock' : 'ours' }, $ours),
        );
    }
    else {
        my @parts = qw(seen facts);
        push @parts, 'wire' unless defined $scenario->{wire} && !$scenario->{wire};
        for my $result ([ stock => $stock ], [ ours => $ours ]) {
            push @wrong, "$result->[0]: $result->[1]{error}" if $result->[1]{error};
        }
        push @wrong, "the scenario died: $_->[1]"
            for grep { $_->[0] eq 'scenario died' } @{ $stock->{seen} || [] };
        @wrong = map { _differences($_, $stock->{$_}, $ours->{$_}) } @parts unless @wrong;
    }
    my $ok = ok !@wrong, $name;
    if (!$ok) {
        my $rest = @wrong - SHOWN;
        @wrong = (@wrong[ 0 .. SHOWN - 1 ], "and $rest more") if $rest > 0;
        diag "  $_" for @wrong;
    }
    note "took $stock->{took} and $ours->{took} s" if $ENV{NSX_ORACLE_TIMES};
    note explain { stock => $stock, ours => $ours } if $ENV{NSX_ORACLE_VERBOSE};
    return;
}

sub _compare_facts {
    my ($side, $want, $result) = @_;
    my @abnormal = grep { $_->[0] eq 'end of process' } @{ $result->{seen} || [] };
    my %want = %$want;
    my $expected_end = delete $want{'end of process'};
    my @wrong = $result->{error} ? "$side: $result->{error}" : ();
    push @wrong, "$side: $_->[1]" for grep { $_->[1] ne ($expected_end || '') } @abnormal;
    for my $fact (sort keys %want) {
        my $got = $result->{facts}{$fact};
        push @wrong, map {"$side: $_"} _mismatch($fact, $want{$fact}, $got);
    }
    return @wrong;
}

sub _mismatch {
    my ($fact, $want, $got) = @_;
    if (ref $want eq 'Regexp') {
        return if defined $got && $got =~ $want;
        return "$fact: " . _show($got) . " does not match $want";
    }
    return map { s/stock:/wanted:/; s/ours:/got:/; $_ } _differences($fact, $want, $got);
}

sub _differences {
    my ($path, $stock, $ours) = @_;
    if (ref $stock eq 'ARRAY' && ref $ours eq 'ARRAY') {
        my $label = @$stock && !ref $stock->[0] && $path =~ /\Aseen\[\d+\]\z/ ? "($stock->[0])" : '';
        my $most = @$stock > @$ours ? @$stock : @$ours;
        return map {
                  $_ > $#$stock ? "$path$label\[$_]: only ours: " . _show($ours->[$_])
                : $_ > $#$ours  ? "$path$label\[$_]: only stock: " . _show($stock->[$_])
                : _differences("$path$label\[$_]", $stock->[$_], $ours->[$_])
        } 0 .. $most - 1;
    }
    if (ref $stock eq 'HASH' && ref $ours eq 'HASH') {
        my %keys = (%$stock, %$ours);
        return map {
                  !exists $stock->{$_} ? "$path\{$_}: only ours: " . _show($ours->{$_})
                : !exists $ours->{$_}  ? "$path\{$_}: only stock: " . _show($stock->{$_})
                : _differences("$path\{$_}", $stock->{$_}, $ours->{$_})
        } sort keys %keys;
    }
    return if _same($stock, $ours);
    return "$path: stock: " . _show($stock) . "\n    ours: " . _show($ours);
}

# What stock says from inside its own files, ours says from the caller's line.
sub _same {
    my ($stock, $ours) = @_;
    return !defined $stock && !defined $ours if !defined $stock || !defined $ours;
    return 1 if $stock eq $ours;
    my ($a, $b) = ($stock, $ours);
    return 0 if $a !~ /at MODULE line N/;
    s/at (?:MODULE|\S+) line (?:N|\d+)/at SOMEWHERE/g for $a, $b;
    return $a eq $b;
}

sub _show {
    my $data = shift;
    local $Data::Dumper::Terse    = 1;
    local $Data::Dumper::Indent   = 0;
    local $Data::Dumper::Useqq    = 1;
    local $Data::Dumper::Sortkeys = 1;
    my $text = Data::Dumper::Dumper($data);
    return length $text > 400 ? substr($text, 0, 400) . '...' : $text;
}

1;
