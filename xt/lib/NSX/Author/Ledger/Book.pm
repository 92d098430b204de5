package NSX::Author::Ledger::Book;

# What a NSX::Author::Ledger wrote, and what it shows.
#
#   $book->entries                 [ time, connection, what, about... ] each
#   $book->taken                   { Message-ID => how often }
#   $book->most_at_once            connections
#   $book->most_sending            connections between MAIL and what ended it
#   $book->most_per_connection     messages taken
#   $book->most_in(seconds)        MAIL commands in the fullest window

use strict;
use warnings;

use List::Util qw(max);

sub read {
    my ($class, $file) = @_;
    open my $fh, '<', $file or die "$file: $!";
    my @entries = map { chomp; [ split / / ] } <$fh>;
    return bless { entries => \@entries }, $class;
}

sub entries { @{ $_[0]{entries} } }

sub _of { my ($self, $what) = @_; return grep { $_->[2] eq $what } $self->entries }

sub count { my ($self, $what) = @_; return scalar $self->_of($what) }

sub taken {
    my ($self) = @_;
    my %taken;
    $taken{ $_->[3] }++ for $self->_of('taken');
    return \%taken;
}

sub most_at_once {
    my ($self) = @_;
    my ($now, $most) = (0, 0);
    for my $entry ($self->entries) {
        $now++ if $entry->[2] eq 'open';
        $now-- if $entry->[2] eq 'closed';
        $most = max($most, $now);
    }
    return $most;
}

sub most_sending {
    my ($self) = @_;
    my (%sending, $most);
    $most = 0;
    for my $entry ($self->entries) {
        my (undef, $connection, $what) = @$entry;
        if   ($what eq 'mail') { $sending{$connection} = 1 }
        else                   { delete $sending{$connection} }
        $most = max($most, scalar keys %sending);
    }
    return $most;
}

sub most_per_connection {
    my ($self) = @_;
    my %count;
    $count{ $_->[1] }++ for $self->_of('taken');
    return max(0, values %count);
}

sub most_in {
    my ($self, $seconds) = @_;
    my @at   = map { $_->[0] } $self->_of('mail');
    my $most = 0;
    my $end  = 0;
    for my $begin (0 .. $#at) {
        $end++ while $end < @at && $at[$end] < $at[$begin] + $seconds;
        $most = max($most, $end - $begin);
    }
    return $most;
}

1;
