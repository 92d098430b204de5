# The manual pages: well-formed, complete, and about methods that exist.
use strict;
use warnings;

use File::Find ();
use Net::SMTP::XS;
use Pod::Checker ();
use Test::More;

my @pages;
File::Find::find(
    { no_chdir => 1, wanted => sub { push @pages, $_ if /\.pod\z/ } }, 'lib');
@pages = sort @pages;

sub text_of {
    my $file = shift;
    open my $fh, '<', $file or die "$file: $!";
    local $/;
    return scalar <$fh>;
}

sub page_file { (my $file = "lib/$_[0].pod") =~ s{::}{/}g; return $file }

sub headings {
    my $file = shift;
    return text_of($file) =~ /^=(?:head\d|item)[ ]+(.+?)\s*$/mg;
}

# Headings that name methods, one or several: "to, cc, bcc".
sub methods_in {
    my $file = shift;
    my @heads = text_of($file) =~ /^=head[23][ ]+(.+?)\s*$/mg;
    return map { split /,\s*/ } grep {/\A[a-z_][\w, ]*\z/ && !/\w \w/} @heads;
}

sub subs_of {
    my $package = shift;
    no strict 'refs';
    return grep { defined &{"${package}::$_"} } keys %{"${package}::"};
}

ok @pages, 'there are pages';
for my $file (@pages) {
    my $complaints = '';
    open my $to, '>', \$complaints or die "in-memory file: $!";
    my $checker = Pod::Checker->new(-warnings => 1);
    $checker->parse_from_file($file, $to);
    close $to;
    is $checker->num_errors, 0, "$file: no error" or diag $complaints;
    is $checker->num_warnings, 0, "$file: no warning" or diag $complaints;
}

for my $file (@pages) {
    my $text = text_of($file);
    my @broken;
    while ($text =~ m{L<(?:[^<>|]*\|)?(Net::SMTP::XS(?:::\w+)*)?(?:/"?([^<>"]+?)"?)?>}g) {
        my $target = defined $1 ? page_file($1) : $file;
        my $section = $2;
        push @broken, "$target" and next if !-e $target;
        push @broken, "$target/$section"
            if defined $section && !grep { $_ eq $section } headings($target);
    }
    is "@broken", '', "$file: links lead somewhere";
}

my %internal = map { $_ => 1 } qw(bootstrap import isa);
my %pages = (
    'Net::SMTP::XS'      => ['lib/Net/SMTP/XS.pod'],
    'Net::SMTP::XS::Cmd' => ['lib/Net/SMTP/XS/Cmd.pod'],
);
# What an object with TLS can do besides is on a page of its own, methods of
# one kind together.
my $tls_page = text_of(page_file('Net::SMTP::XS::TLS'));
my %on_tls_page = map { $_ => 1 } map {/\b([a-z]\w+)/g}
    $tls_page =~ /^=(?:head\d|item)\s+(.+)/mg, $tls_page =~ /C<<?\s*(.+?)\s*>/g;

for my $class (sort keys %pages) {
    my @names   = map { methods_in($_) } @{ $pages{$class} };
    my %has     = map { $_ => 1 } @names;
    my @missing = grep { /\A[a-z]/ && !$internal{$_} && !$has{$_} } subs_of($class);
    @missing = grep { !$on_tls_page{$_} } @missing if $class eq 'Net::SMTP::XS';
    is "@{[ sort @missing ]}", '', "$class: every method is documented";
    my @invented = grep { !$class->can($_) } @names;
    is "@invented", '', "$class: every documented method exists";
    my %seen;
    is "@{[ grep { $seen{$_}++ } @names ]}", '', "$class: none has two descriptions";
}

my $text     = text_of('lib/Net/SMTP/XS.pod');
my @unspoken = grep { /\A_[A-Z]+\z/ && $text !~ /C<\Q$_\E>/ } subs_of('Net::SMTP::XS');
is "@unspoken", '', 'every command with an underscore is named';

done_testing;
