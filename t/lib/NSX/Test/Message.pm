package NSX::Test::Message;

# Tables of messages for send_message: each row is tried with the class itself
# and with one that overrides `command`, whose messages go by the methods.
#
#   rows(
#       { name => WHAT, server => { the smtp table of NSX::Test::Server },
#         new => [ options ],          of the object
#         send => [ options ],         besides From, To and Data; or CODE to do more
#         outcome => ..., to => [ 'bob@test accepted 250 end', ... ],
#         wire => [ commands after EHLO ],
#         ... },
#   );
#
# `to` tells for each recipient address, outcome, code, enhanced and stage, '-'
# for what is undefined. What a row does not name is not looked at, save that the
# client must not break a rule (breaches) and that an object that is_reusable goes
# on. Further keys: bool, retry, octets, transactions, reusable, text (the result
# as a string), only (a class), message, data (what was delivered), delivered (how many, to whom),
# warned and died (patterns).

use strict;
use warnings;

use Exporter 'import';
use Net::SMTP::XS;
use NSX::Test::Operation;
use NSX::Test::Server;
use Test::More;

our @EXPORT  = qw(rows message_of);
our @CLASSES = ('Net::SMTP::XS', 'NSX::Test::Message::Overriding');

# What sends a row's message, and another way that must come to the same.
our $sender = sub { my $smtp = shift; return $smtp->send_message(@_) };
our $other_sender;
sub by_steps { my $smtp = shift; return run_to_end($smtp->start_message(@_)) }

{
    package NSX::Test::Message::Overriding;
    our @ISA = ('Net::SMTP::XS');
    our $commands = 0;
    sub command { $commands++; my $self = shift; return $self->SUPER::command(@_) }
}

sub message_of {
    my (@options) = @_;
    return (From => 'alice@test', To => ['bob@test'], Data => "Subject: x\n\nhello\n", @options);
}

sub connect_to {
    my ($class, $server, @options) = @_;
    return $class->new($server->host, Port => $server->port, Timeout => 60, @options)
        || die "no connection: $@";
}

sub rows {
    my @rows = @_;
    for my $class (@CLASSES) {
        my @mine = grep { !$_->{only} || $_->{only} eq $class } @rows;
        @mine = grep { ref $_->{send} ne 'CODE' } @mine if $other_sender;
        next if !@mine;
        subtest $class => sub { ($other_sender ? run_both($class, $_) : run_row($class, $_)) for @mine };
    }
    return;
}

sub run_both {
    my ($class, $row) = @_;
    my $one = run_row($class, $row);
    local $sender = $other_sender;
    my $other = run_row($class, $row);
    for my $got ($one, $other) {
        s/ at \S+ line \d+\.//g for @$got{qw(warned died)};
    }
    is_deeply $other, $one, "$row->{name}: the same either way";
    return;
}

sub run_row {
    my ($class, $row) = @_;
    my $server = NSX::Test::Server->start(smtp => $row->{server} || {});
    my $smtp = connect_to($class, $server, @{ $row->{new} || [] });
    my (@warnings, @results);
    my $died = '';
    {
        local $SIG{__WARN__} = sub { push @warnings, @_ };
        my $send = $row->{send} || [];
        eval {
            @results = ref $send eq 'CODE' ? $send->($smtp) : $sender->($smtp, message_of(@$send));
            1;
        } or $died = $@;
    }
    $row->{after}->($smtp, @results) if $row->{after};
    my $goes_on = !@results || !$results[-1]->is_reusable || $smtp->reset && $smtp->quit;
    undef $smtp;
    my $log = $server->finish;
    s/\bstart_message\b/send_message/g for $died, @warnings;
    my %got = (
        (@results ? seen($results[-1]) : ()),
        wire => wire($log, $goes_on && @results && $results[-1]->is_reusable),
        data => @{ $log->{messages} } ? $log->{messages}[0]{data} : undef,
        delivered => join(' ', map {"@{ $_->{to} }"} @{ $log->{messages} }),
        warned => join('', @warnings),
        died   => $died,
        breaches => join('; ', map { @{ $_->{breaches} || [] } } @{ $log->{connections} }),
        goes_on  => $goes_on ? 1 : 0,
    );
    subtest $row->{name} => sub { compare(\%got, $row) };
    return \%got;
}

sub seen {
    my ($result) = @_;
    return (
        outcome => $result->outcome,
        bool => $result ? 1 : 0,
        text => "$result",
        to   => [ map { record($_) } $result->recipients ],
        retry => join(' ', $result->retry),
        octets => $result->octets,
        transactions => $result->transactions,
        round_trips => $result->round_trips,
        reusable => $result->is_reusable ? 1 : 0,
        message => $result->message,
        stage => $result->stage,
        code => $result->code,
        enhanced => $result->enhanced,
    );
}

sub record {
    my ($r) = @_;
    return join ' ', map { defined $_ ? $_ : '-' } $r->address, $r->outcome, $r->code, $r->enhanced, $r->stage;
}

# What was sent after the greeting, and before the RSET and QUIT that show that
# the object goes on.
sub wire {
    my ($log, $went_on) = @_;
    my @lines = map { map { $_->{line} } @{ $_->{commands} || [] } } @{ $log->{connections} };
    shift @lines;
    splice @lines, -2 if $went_on;
    return \@lines;
}

my @looked_at = qw(outcome bool text to retry octets transactions round_trips reusable message
    stage code enhanced wire data delivered warned died);

sub compare {
    my ($got, $row) = @_;
    my %want = (%$row, warned => $row->{warned} || '', died => $row->{died} || '');
    for my $key (grep { exists $want{$_} } @looked_at) {
        if    (ref $want{$key} eq 'Regexp') { like $got->{$key}, $want{$key}, $key }
        elsif (ref $want{$key} eq 'CODE')   { ok $want{$key}->($got->{$key}), $key }
        else                                { is_deeply $got->{$key}, $want{$key}, $key or diag explain $got->{$key} if length($got->{$key} || "") < 1000 }
    }
    is $got->{breaches}, $row->{breaches} || '', 'the client keeps to the rules';
    is $got->{goes_on}, 1, 'the object goes on' if exists $got->{outcome};
    return;
}

1;
