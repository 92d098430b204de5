package Net::SMTP::XS::Message::Body;

# What Data gives: pieces of octets, whatever it was.
#
#   my $body = Net::SMTP::XS::Message::Body->new($data);   # dies with the rule
#   while (my $piece = $body->next) { ... $$piece ... }
#   if ($body->can_rewind) { my $size = $body->measure($bare_cr)->{size}; }
#
# Pieces are references, to the caller's own scalars where they can be.  What
# can be read twice can be measured before it is sent.

use 5.014;
use strict;
use warnings;

use overload     ();
use Fcntl        ();
use Scalar::Util ();

use constant {
    BLOCK => 65_536,    # octets read from a handle at a time
    RULE  => 'octets, a reference to them or to an array of them, a handle or code',
    WIDE  => 'octets: it has characters above 255, encode it first',
    LATER => bless(\(my $later = 'later'), 'Net::SMTP::XS::Later'),
};

# Takes the place of what a die says about a wrong Data: just the rule.
sub _wrong { die { rule => $_[0] } }

sub new {
    my ($class, undef) = @_;
    return bless { at => 0, items => [\$_[1]] }, $class    # as it mostly is
        if defined $_[1] && !ref $_[1] && ref \$_[1] eq 'SCALAR' && !utf8::is_utf8($_[1]);
    my $type = Scalar::Util::reftype($_[1]) || '';
    my $self = bless { at => 0 }, $class;

    _wrong(RULE) if !defined $_[1];
    if (ref \$_[1] eq 'GLOB' || $type eq 'GLOB' || $type eq 'IO') {
        $self->_take_handle($_[1]);
    }
    elsif ($type eq 'CODE') { $self->{code} = $_[1] }
    elsif (Scalar::Util::blessed($_[1]) && overload::Method($_[1], '""')) {
        $self->_take_strings(\"$_[1]");
    }
    elsif ($type eq 'ARRAY') {
        $self->_take_strings(map { \$_ } @{ $_[1] });
    }
    elsif (!ref $_[1])                       { $self->_take_strings(\$_[1]) }
    elsif ($type =~ /\A(?:SCALAR|LVALUE)\z/) { $self->_take_strings($_[1]) }
    else                                     { _wrong(RULE) }
    return $self;
}

sub _take_strings {
    my ($self, @items) = @_;
    $self->{items} = \@items;
    for my $item (@items) {
        _wrong(RULE) if !defined $$item || ref $$item && !overload::Method($$item, '""');
        next if !ref $$item && !utf8::is_utf8($$item);
        my $octets = "$$item";
        utf8::downgrade($octets, 1) or _wrong(WIDE);
        $item = \$octets;
    }
    return;
}

# A file can be read again from where it stands now.
sub _take_handle {
    my ($self, $handle) = @_;
    my $fh = ref $handle ? $handle : \$_[1];
    _wrong('an open handle') if !defined fileno $fh && !tied *$fh;
    $self->{handle} = $fh;
    my $start = !tied *$fh && -f $fh ? tell $fh : -1;
    $self->{start} = $start if $start >= 0;
    return;
}

sub can_rewind { $_[0]{items} || defined $_[0]{start} }

# A body that never waits: strings, a file, code that may have nothing yet, and
# what is not the system's.  From now on code may say so.
sub may_wait {
    my ($self) = @_;
    my $fh = $self->{handle};
    return 0 if $fh && !tied *$fh && fileno $fh >= 0 && !-f $fh;
    return $self->{may_wait} = 1;
}

sub is_later { ref $_[1] && ref $_[1] eq ref LATER }

sub rewind {
    my ($self) = @_;
    $self->{at} = 0;
    return 1 if $self->{items};
    return seek($self->{handle}, $self->{start}, Fcntl::SEEK_SET())
        || die "Data: seek: $!\n";
}

# The next piece, or nothing at the end.  What fails dies.
sub next {
    my ($self) = @_;
    if ($self->{items}) {
        while (my $item = $self->{items}[$self->{at}++]) {
            return $item if length $$item;
        }
        return;
    }
    my $octets = $self->{handle} ? $self->_read : $self->{code}->();
    if ($self->is_later($octets)) {
        return $octets if $self->{may_wait};
        die "Data: LATER is for start_message\n";
    }
    return if !defined $octets || !length $octets;
    $octets = "$octets";
    utf8::downgrade($octets, 1) or die 'Data: it takes ' . WIDE . "\n";
    return \$octets;
}

sub _read {
    my ($self) = @_;
    my $n      = read $self->{handle}, my $octets, BLOCK;
    die "Data: read: $!\n" if !defined $n;
    return $octets;
}

# One pass over a body that can be read twice: its size with line ends as they
# are sent (raw: and as it is), whether it has octets above 127, and a CR that
# no LF follows.
sub measure {
    my ($self, $convert) = @_;
    my ($raw, $lf, $cr, $pairs, $eight_bit, $last) = (0, 0, 0, 0, 0, '');

    while (my $piece = $self->next) {
        $raw += length $$piece;
        $lf += ($$piece =~ tr/\n//);
        my $here = ($$piece =~ tr/\r//);
        $cr    += $here;
        $pairs += _count_pairs($piece) if $here;
        $pairs++ if $last eq "\r" && substr($$piece, 0, 1) eq "\n";
        $eight_bit ||= $$piece =~ /[\x80-\xff]/;
        $last = substr $$piece, -1;
    }
    $self->rewind;
    my $bare = $cr - $pairs;
    my $size = $raw + $lf - $pairs;
    $size += $bare if $convert;
    $size += 2 if $raw && $last ne "\n" && !($convert && $last eq "\r");
    return { raw => $raw, size => $size, eight_bit => $eight_bit, bare_cr => $bare > 0 };
}

sub _count_pairs {
    my ($piece) = @_;
    my ($count, $at) = (0, 0);
    while (($at = index $$piece, "\r\n", $at) >= 0) {
        $count++;
        $at += 2;
    }
    return $count;
}

1;
