package NSX::Author::Messages;

# The messages that the author tests send, and how two of them differ.
#
#   my %octets = read_messages($directory);      # 'directory/name' => octets
#   my $why    = difference($got, $want);        # nothing where they are equal

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(read_messages difference);

sub difference {
    my ($got, $want) = @_;
    return if $got eq $want;
    my $at = 0;
    $at++ while substr($got, $at, 1) eq substr($want, $at, 1);
    return sprintf '%d octets for %d, differ at %d: got %s, want %s',
        length $got, length $want, $at,
        map { show(substr $_, $at > 10 ? $at - 10 : 0, 40) } $got, $want;
}

sub show {
    my ($text) = @_;
    $text =~ s/([^\x21-\x7e ])/sprintf '\\x%02x', ord $1/ge;
    return qq("$text");
}

sub read_messages {
    my ($dir) = @_;
    my ($folder) = $dir =~ m{([^/]+)\z};
    my %found;
    for my $file (glob "$dir/*.eml") {
        my ($name) = $file =~ m{([^/]+)\.eml\z};
        open my $fh, '<:raw', $file or die "$file: $!";
        local $/;
        $found{"$folder/$name"} = <$fh>;
    }
    return %found;
}

1;
