package Net::SMTP::XS::Result;

# What became of a message: one record a recipient, and what follows from
# them.  Built from plain data, whoever sent the message:
#
#   Net::SMTP::XS::Result->new(
#       recipients => [ { address, outcome, code, enhanced, message, stage }, ... ],
#       skip_bad, octets, transactions, round_trips, elapsed, is_reusable)
#
# Where no reply decided there is no code, and the enhanced code tells whether to
# try again may help.

use 5.014;
use strict;
use warnings;

our $VERSION = '0.01';

use overload
    bool     => \&is_success,
    '""'     => \&as_string,
    fallback => 1;

sub new {
    my ($class, %fact) = @_;
    my @recipients
        = map { bless $_, 'Net::SMTP::XS::Result::Recipient' } @{ $fact{recipients} };
    return bless { %fact, recipients => \@recipients }, $class;
}

# --- recipients ----------------------------------------------------------------

sub recipients { @{ $_[0]{recipients} } }

sub recipient {
    my ($self, $address) = @_;
    my ($found) = grep { $_->address eq $address } @{ $self->{recipients} };
    return $found;
}

sub _with {
    my ($self, @outcomes) = @_;
    my %wanted = map { $_ => 1 } @outcomes;
    return grep { $wanted{ $_->outcome } } @{ $self->{recipients} };
}

sub _addresses {
    map { $_->address } @_;
}

sub accepted { _addresses(_with($_[0], 'accepted')) }
sub refused  { _addresses(_with($_[0], 'refused')) }
sub deferred { _addresses(_with($_[0], 'deferred')) }
sub unknown  { _addresses(_with($_[0], 'unknown')) }
sub unsent   { _addresses(_with($_[0], 'unsent')) }

# Never one that may have the message already.
sub retry {
    my ($self) = @_;
    return _addresses(grep { $_->outcome eq 'deferred' || $_->is_temporary }
            _with($self, 'deferred', 'unsent'));
}

# --- the message -----------------------------------------------------------------

# Outcomes in the order in which they decide where nobody was accepted.  Not
# skipping, a lasting refusal settles it: as it is the message can never go.
my @deciding          = qw(unknown refused deferred unsent);
my @deciding_skipping = qw(unknown deferred refused unsent);

# The outcome, and the record whose reply decided it.
sub _decision {
    my ($self) = @_;
    return @{ $self->{decision} } if $self->{decision};
    my %first;
    for my $recipient (reverse @{ $self->{recipients} }) {
        $first{ $recipient->outcome } = $recipient;
    }
    my @order = $self->{skip_bad} ? @deciding_skipping : @deciding;
    my ($worst) = grep { exists $first{$_} } @order;
    $self->{decision}
        = !exists $first{accepted} ? [$worst, $first{$worst}]
        : $worst                   ? [partial => $first{$worst}]
        :                            [accepted => $first{accepted}];
    return @{ $self->{decision} };
}

sub outcome { (_decision($_[0]))[0] }

for my $name (qw(code enhanced message stage is_temporary is_permanent)) {
    no strict 'refs';
    *$name = sub { (_decision($_[0]))[1]->$name };
}

for my $name (qw(octets transactions round_trips elapsed)) {
    no strict 'refs';
    *$name = sub { $_[0]{$name} };
}

sub is_reusable { !!$_[0]{is_reusable} }

sub is_success {
    my ($self) = @_;
    my $outcome = $self->outcome;
    return $outcome eq 'accepted' || $outcome eq 'partial' && !!$self->{skip_bad};
}

sub as_string {
    my ($self) = @_;
    my ($outcome, $recipient) = _decision($self);
    my @count  = map { [$_, scalar _with($self, $_)] } qw(accepted refused deferred unknown unsent);
    my $counts = join ', ', map { "$_->[1] $_->[0]" } grep { $_->[1] } @count;
    my $text   = $outcome;
    $text .= " ($counts)" if @{ $self->{recipients} } > 1;
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

for my $name (qw(address outcome code enhanced message stage)) {
    no strict 'refs';
    *$name = sub { $_[0]{$name} };
}

# The first digit of the code that decided: the reply's, or our own.
sub _class {
    my ($self) = @_;
    return '' if $self->{outcome} =~ /\A(?:accepted|unknown)\z/;
    my ($code) = grep { defined } @$self{qw(code enhanced)};
    return defined $code ? substr $code, 0, 1 : '';
}

sub is_temporary { _class($_[0]) eq '4' }
sub is_permanent { _class($_[0]) eq '5' }

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
