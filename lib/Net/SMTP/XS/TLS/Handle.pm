package Net::SMTP::XS::TLS::Handle;

# Perl's own input and output on a handle with TLS: print, <>, sysread and
# their kin see plain text.  The octets are those of the object's channel.

use 5.014;
use strict;
use warnings;

use Carp  ();
use Errno ();
use Net::SMTP::XS::OpenSSL;
use Scalar::Util ();

# What the XSUBs answer is enum nsx_stream (OK, ENDED, FAILED, WANT_READ, WANT_WRITE),
# whose constants the shared object makes.

# IO::Socket::SSL's SSL_WANT_READ and SSL_WANT_WRITE.
my %want = (
    WANT_READ()  => Scalar::Util::dualvar(2, 'SSL wants a read first'),
    WANT_WRITE() => Scalar::Util::dualvar(3, 'SSL wants a write first'),
);

sub TIEHANDLE {
    my ($class, $smtp) = @_;
    Scalar::Util::weaken($smtp);
    return bless \$smtp, $class;
}

# IO::Handle's, because a class may have its own idea of blocking.
sub _blocks {
    my ($smtp) = @_;
    return IO::Handle::blocking($smtp) ? 1 : 0;
}

# Notes why nothing moved.
sub _explain {
    my ($smtp, $result) = @_;
    no warnings 'once';
    my $errno = $!;
    $IO::Socket::SSL::SSL_ERROR = $want{$result}
        || Scalar::Util::dualvar(-1, Net::SMTP::XS::TLS::_error($smtp) // "$errno");
    $! = $errno;
}

# More input: OK, ENDED, or another answer with $! set.
sub _more {
    my ($smtp) = @_;
    my $result = _fill($smtp, _blocks($smtp));
    _explain($smtp, $result) if $result > ENDED;
    return $result;
}

# --- reading -------------------------------------------------------------------

sub READ {
    my ($self, undef, $len, $offset) = @_;
    my $smtp = $$self;

    if ($len && !_buffered($smtp)) {
        my $result = _more($smtp);
        return if $result > ENDED;
    }
    my $octets = _take($smtp, $len);
    $_[1] = '' if !defined $_[1];
    $offset ||= 0;
    $offset += length $_[1] if $offset < 0;
    $_[1] .= "\0" x ($offset - length $_[1]) if $offset > length $_[1];
    substr($_[1], $offset) = $octets;
    return length $octets;
}

sub GETC {
    my ($self) = @_;
    return if !_buffered($$self) && _more($$self) != OK;
    return _take($$self, 1);
}

sub EOF {
    my ($self) = @_;
    return !_buffered($$self) && _more($$self) != OK;
}

# What is there up to the end of the stream; at most so many octets.
sub _record {
    my ($smtp, $size) = @_;
    my $record = '';

    while (!defined $size || length $record < $size) {
        my $some = _take($smtp, defined $size ? $size - length $record : ~0);
        $record .= $some;
        last if !length $some && _more($smtp) != OK;
    }
    return length $record ? $record : undef;
}

sub _skip_newlines {
    my ($smtp) = @_;
    while (_buffered($smtp) || _more($smtp) == OK) {
        return if _take($smtp, 1, 0) ne "\n";
        _take($smtp, 1);
    }
}

sub _line {
    my ($smtp, $mark) = @_;
    my $from = 0;

    while (1) {
        my $end = _find($smtp, $mark, $from);
        return _take($smtp, $end) if $end;
        my $have = _buffered($smtp);
        $from = $have < length $mark ? 0 : $have - length($mark) + 1;
        next if _more($smtp) == OK;
        return $have ? _take($smtp, $have) : undef;
    }
}

sub _next_line {
    my ($smtp) = @_;
    return _record($smtp) if !defined $/;
    return _record($smtp, ${$/} + 0) if ref $/;
    return _line($smtp, $/) if length $/;
    _skip_newlines($smtp);
    return _line($smtp, "\n\n");
}

sub READLINE {
    my ($self) = @_;
    return _next_line($$self) if !wantarray;
    my @lines;
    while (defined(my $line = _next_line($$self))) { push @lines, $line }
    return @lines;
}

# --- writing -------------------------------------------------------------------

sub _put {
    my ($smtp, $text) = @_;
    utf8::downgrade($text, 1) or Carp::croak('Wide character in syswrite');
    my ($result, $done) = _write($smtp, $text, _blocks($smtp));
    _explain($smtp, $result) if $result > ENDED;
    return $result == OK || $done ? $done : undef;
}

sub PRINT {
    my $self = shift;
    my $text = join defined $, ? $, : '', @_;
    $text .= $\ if defined $\;
    return 1 if !length $text;
    my $done = _put($$self, $text);
    return defined $done && $done == length $text;
}

sub PRINTF {
    my $self   = shift;
    my $format = shift;
    local ($,, $\);
    return $self->PRINT(sprintf $format, @_);
}

sub WRITE {
    my ($self, $text, $len, $offset) = @_;
    $offset ||= 0;
    return _put(
        $$self,
        defined $len ? substr $text, $offset, $len : substr $text, $offset
    );
}

# --- the handle ------------------------------------------------------------------

sub FILENO {
    my ($self) = @_;
    my $fd = _fileno($$self);
    return $fd < 0 ? undef : $fd;
}

sub CLOSE {
    my ($self) = @_;
    my $smtp = $$self;
    Net::SMTP::XS::TLS::_closing($smtp);
    return close $smtp;
}

sub BINMODE { 1 }
sub TELL    { $! = Errno::ESPIPE(); return -1 }
sub SEEK    { $! = Errno::ESPIPE(); return 0 }
sub UNTIE   { }
sub DESTROY { }

1;
