package NSX::Author::Witness;

# Loaded through PERL5OPT into a program under test: at its end one line in
# the file that NSX_WITNESS names says whose Net::SMTP and Net::Cmd it had.

use strict;
use warnings;

sub provenance {
    my ($method) = @_;
    no strict 'refs';
    return 'absent' if !defined &$method;
    require B;
    return B::svref_2object(\&$method)->XSUB ? 'ours' : 'stock';
}

END {
    local $?;
    if (my $file = $ENV{NSX_WITNESS}) {
        my @found = map { provenance($_) } qw(Net::SMTP::mail Net::Cmd::response);
        if (open my $fh, '>>', $file) {
            print $fh "@found\n";
            close $fh;
        }
    }
}

1;
