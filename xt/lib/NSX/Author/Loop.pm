package NSX::Author::Loop;

# perl -MNSX::Author::Loop=AnyEvent t/operation-tables.t: the operations of a test by
# an event loop. A model, AnyEvent's word for one, may follow: AnyEvent,Perl.

use strict;
use warnings;

use NSX::Test::Operation;

# Waits for a promise of the loop's, kept or broken.
my %await = (
    AnyEvent => sub { eval { $_[0]->recv } },
    IOAsync  => sub { $_[0]->await },
    Mojo     => sub { $_[0]->catch(sub { })->wait },
);

sub import {
    my (undef, $name, $model) = @_;
    $ENV{PERL_ANYEVENT_MODEL} = $model if defined $model;
    my $class = "Net::SMTP::XS::$name";
    eval "require $class" or die $@;
    my $await = $await{$name};
    $NSX::Test::Operation::driver = sub { $await->($class->new->run($_[0])) };
    return;
}

1;
