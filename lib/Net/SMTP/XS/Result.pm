package Net::SMTP::XS::Result;

# What became of a message: one record a recipient, and what follows from
# them.  A result is a scalar that only our C code can read; outcome, code,
# enhanced, message, stage, is_temporary, is_permanent, octets, transactions,
# round_trips, elapsed, is_reusable, is_success, recipients, recipient,
# accepted, refused, deferred, unknown, unsent and retry are written in C.
# Here is how it is told.

use 5.014;
use strict;
use warnings;

use Net::SMTP::XS;

use overload
    bool     => \&is_success,
    '""'     => \&as_string,
    fallback => 1;

# From plain data, whoever sent the message:
#
#   Net::SMTP::XS::Result->new(
#       recipients => [ { address, outcome, code, enhanced, message, stage }, ... ],
#       skip_bad, octets, transactions, round_trips, elapsed, is_reusable)
#
# Where no reply decided there is no code, and the enhanced code tells whether
# to try again may help.
sub new {
    my ($class, %fact) = @_;
    return bless _from_facts(\%fact), $class;
}

sub as_string {
    my ($self)    = @_;
    my $outcome   = $self->outcome;
    my $recipient = _decider($self);
    my @count     = map { [$_, scalar $self->$_] } qw(accepted refused deferred unknown unsent);
    my $counts    = join ', ', map { "$_->[1] $_->[0]" } grep { $_->[1] } @count;
    my $text      = $outcome;
    $text .= " ($counts)" if $self->recipients > 1;
    my $why = $recipient->_words;
    $text .= ": $why" if length $why;
    $text .= ' (' . $recipient->address . ')'
        if $recipient->stage =~ /\A(?:rcpt|local)\z/ || $outcome eq 'partial';
    $text =~ s/[\x00-\x1f\x7f]+/ /g;
    return $text;
}

package Net::SMTP::XS::Result::Recipient;

use overload
    bool     => sub { $_[0]->outcome eq 'accepted' },
    '""'     => \&as_string,
    fallback => 1;

for my $name (qw(address outcome code enhanced message stage is_temporary is_permanent)) {
    no strict 'refs';
    *$name = sub { $_[0]{$name} };
}

sub _words {
    my ($self) = @_;
    return join ' ', grep { defined && length } @$self{qw(code enhanced message)};
}

sub as_string {
    my ($self) = @_;
    my $text   = join ': ', grep { length } @$self{qw(address outcome)}, $self->_words;
    $text =~ s/[\x00-\x1f\x7f]+/ /g;
    return $text;
}

1;
