package Net::SMTP::XS::Cmd;

use 5.014;
use strict;
use warnings;

use Carp       ();
use Errno      ();
use Exporter   ();
use IO::Socket ();
use Symbol     ();
use XSLoader   ();

our $VERSION = '0.01';
our @ISA     = ('Exporter');
our @EXPORT  = qw(CMD_INFO CMD_OK CMD_MORE CMD_REJECT CMD_ERROR CMD_PENDING);

use constant {
    CMD_PENDING => 0,
    CMD_INFO    => 1,
    CMD_OK      => 2,
    CMD_MORE    => 3,
    CMD_REJECT  => 4,
    CMD_ERROR   => 5,
};

# Debug levels of classes.
my %class_debug;

# --- debugging -----------------------------------------------------------

sub debug_text { $_[2] }

# A server's text, without what a terminal would obey.
sub _visible {
    my ($text) = @_;
    $text =~ s/([\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n))/sprintf '\x%02x', ord $1/ge;
    return $text;
}

sub debug_print {
    my ($cmd, $out, $text) = @_;

    my @text = $cmd->debug_text($out, $text);
    @text = map { defined $_ ? _visible($_) : $_ } @text if !$out;
    print STDERR $cmd, ($out ? '>>> ' : '<<< '), @text;
}

# The classes of a debugged object, each indented under the class it serves.
# In replace mode the tree is stock's: our own names are left out.
sub _print_isa {
    my ($class) = @_;
    my %indent = ($class => '');
    my %shown;
    my @todo = ($class);

    $class_debug{$class} ||= 0;
    while (defined(my $pkg = shift @todo)) {
        next if $shown{$pkg}++;
        no strict 'refs';
        my $version = ${"${pkg}::VERSION"};
        my @parents = @{"${pkg}::ISA"};
        @parents = grep { $_ ne 'Net::SMTP::XS::InPlace' } @parents
            if grep { $_ eq 'Net::Cmd' } @parents;
        $class->debug_print(
            1,
            $indent{$pkg} . $pkg . (defined $version ? "($version)" : '') . "\n"
        );
        $indent{$_} = "  $indent{$pkg}" for @parents;
        unshift @todo, @parents;
    }
}

# debug with a level to set, or on a class.
sub _set_debug {
    my ($cmd, $level) = @_;
    my $class = ref $cmd || $cmd;
    my $old   = (ref $cmd ? ${*$cmd}{net_cmd_debug} : $class_debug{$class}) || 0;

    return $old if @_ < 2;
    $level = $class_debug{$class} || 0 if !defined $level;
    _print_isa($class) if $level && !exists $class_debug{$class};
    if   (ref $cmd) { ${*$cmd}{net_cmd_debug} = $level }
    else            { $class_debug{$class}    = $level }
    return $old;
}

sub _debug_body {
    my ($cmd, $text) = @_;
    $cmd->debug_print(1, "$_\n") for split /\n/, $text;
}

sub _debug_raw {
    my ($cmd, $text) = @_;
    print STDERR "$cmd>>> ", join("\n$cmd>>> ", split /\n/, $text), "\n";
}

# --- what XSUBs have Perl do ----------------------------------------------

# From here, so that Carp finds a Perl frame and names the script's line.
sub _carp  { Carp::carp($_[0]) }
sub _croak { Carp::croak($_[0]) }

sub _parse_error {
    my ($cmd, $line) = @_;
    Carp::carp("$cmd: response(): parse error in '" . _visible($line) . q{'});
}

# Perl's own warnings, at the script's line.
sub _undefined_text {
    Carp::carp('Use of uninitialized value in join or string');
}

sub _undefined_word {
    Carp::carp('Use of uninitialized value in pattern match (m//)');
    Carp::carp('Use of uninitialized value in join or string');
}

sub _tied_fileno { fileno $_[0] }

# Octets a tied handle has read ahead, where its class or the object's tells;
# our own method of that name knows native TLS only.
sub _tied_pending {
    my ($cmd) = @_;
    my $own = Net::SMTP::XS->can('pending') || 0;

    for my $handle ($cmd, tied *$cmd) {
        my $pending = ref $handle && $handle->can('pending') or next;
        return $handle->$pending if $pending != $own;
    }
    return 0;
}

sub _tied_read {
    my ($cmd) = @_;
    my $n     = sysread $cmd, my $octets, TIED_READ_SIZE();
    return defined $n ? $octets : undef;
}

# Waits as long as nothing moves for at most the Timeout.
sub _tied_write {
    my ($cmd, $octets) = @_;
    my $timeout = $cmd->timeout || undef;
    my $sent    = 0;

    local $SIG{PIPE} = 'IGNORE';
    while ($sent < length $octets) {
        my $n = syswrite $cmd, $octets, length($octets) - $sent, $sent;
        if (defined $n) { $sent += $n; next }
        next if $!{EINTR};
        return 0 if !$!{EAGAIN} && !$!{EWOULDBLOCK};
        vec(my $writable = '', fileno $cmd, 1) = 1;
        select undef, $writable, undef, $timeout
            or $! = Errno::ETIMEDOUT(), return 0;
    }
    return 1;
}

# --- Net::Cmd's remaining methods -------------------------------------------

sub ok {
    @_ == 1 or Carp::croak('usage: $obj->ok()');
    my $code = $_[0]->code;
    return 0 < $code && $code < 400;
}

# There is no EBCDIC translator on an ASCII machine, as in Net::Cmd.
my $translator;

sub toebcdic {
    my ($cmd, $text) = @_;
    if (!exists ${*$cmd}{net_cmd_asciipeer}) {
        my $ebcdic = $translator->toebcdic($text);
        ${*$cmd}{net_cmd_asciipeer} = $text !~ /^\d+/ && $ebcdic =~ /^\d+/;
    }
    return ${*$cmd}{net_cmd_asciipeer} ? $translator->toebcdic($text) : $text;
}

sub toascii {
    my ($cmd, $text) = @_;
    return ${*$cmd}{net_cmd_asciipeer} ? $translator->toascii($text) : $text;
}

sub read_until_dot {
    my ($cmd, $fh) = @_;
    my @lines;

    while (1) {
        my $line = $cmd->getline or return;
        $cmd->debug_print(0, $line) if $cmd->debug & 4;
        last if $line =~ /^\.\r?\n/;
        $line =~ s/^\.\././;
        if   (defined $fh) { print $fh $line }
        else               { push @lines, $line }
    }
    return \@lines;
}

# --- the handle that writes and reads a body --------------------------------

sub tied_fh {
    my ($cmd) = @_;
    my $fh = Symbol::gensym();

    ${*$cmd}{net_cmd_readbuf} = '';
    tie *$fh, ref $cmd, $cmd;
    return $fh;
}

sub TIEHANDLE { $_[1] }

# As perlfunc's read: LENGTH octets at OFFSET of the buffer; the end of file
# is the line with the dot alone.
sub READ {
    my ($cmd, undef, $len, $offset) = @_;
    return if !exists ${*$cmd}{net_cmd_readbuf};
    my $done = 0;

    while (!$done && length ${*$cmd}{net_cmd_readbuf} < $len) {
        my $line = $cmd->getline or return;
        if ($line =~ /^\.\r?\n\z/) { $done = 1 }
        else                       { ${*$cmd}{net_cmd_readbuf} .= $line }
    }
    my $octets = substr ${*$cmd}{net_cmd_readbuf}, 0, $len, '';
    $_[1] = '' if !defined $_[1];
    $offset ||= 0;
    $offset += length $_[1] if $offset < 0;
    $_[1] .= "\0" x ($offset - length $_[1]) if $offset > length $_[1];
    substr($_[1], $offset) = $octets;
    delete ${*$cmd}{net_cmd_readbuf}
        if $done && !length ${*$cmd}{net_cmd_readbuf};
    return length $octets;
}

sub READLINE {
    my ($cmd) = @_;
    return if !exists ${*$cmd}{net_cmd_readbuf};
    my $line = $cmd->getline;
    return if !defined $line || $line =~ /^\.\r?\n/;
    return $line;
}

sub _send_text {
    my ($cmd, $text) = @_;
    $cmd->datasend($text) or return;
    ${*$cmd}{net_cmd_sending}++;
    return length $text;
}

sub PRINT {
    my $cmd  = shift;
    my $text = join defined $, ? $, : '', @_;
    $text .= $\ if defined $\;
    return _send_text($cmd, $text);
}

sub PRINTF {
    my $cmd    = shift;
    my $format = shift;
    return _send_text($cmd, sprintf $format, @_);
}

sub WRITE {
    my ($cmd, $text, $len, $offset) = @_;
    return _send_text(
        $cmd,
        substr $text, $offset || 0, defined $len ? $len : length $text
    );
}

sub CLOSE {
    my ($cmd) = @_;
    my $ok = 1;

    if (exists ${*$cmd}{net_cmd_sending}) {
        ${*$cmd}{net_cmd_last_ch} = "\012"
            if !exists ${*$cmd}{net_cmd_last_ch}
            && !${*$cmd}{net_cmd_sending};
        $ok = $cmd->dataend;
    }
    delete @{*$cmd}{qw(net_cmd_readbuf net_cmd_sending)};
    return $ok;
}

XSLoader::load('Net::SMTP::XS', $VERSION);

1;
