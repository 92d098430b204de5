# A class that inherits by C3, and arguments that code drops as a method begins.
use strict;
use warnings;
use Test::More;
use Net::SMTP::XS;
require Net::SMTP;

{
    package In::Order;
    use mro 'c3';
    our @ISA = ('Net::SMTP::XS');
    sub ok { my $self = shift; return 'ours: ' . $self->next::method(@_) }
}
open my $fh, '<', $0 or die "$0: $!";
my $ordered = bless $fh, 'In::Order';
$ordered->set_status(250, []);
is $ordered->ok, 'ours: 1', 'C3 and next::method with the stock class loaded';

{
    package Drops::Arguments;
    our @list;
    sub TIESCALAR { my ($class, $value) = @_; return bless \$value, $class }
    sub FETCH { my $self = shift; @list = (); my @fill = map { "filler $_" } 1 .. 50; return $$self }
}
open my $other, '<', $0 or die "$0: $!";
tie my $tied, 'Drops::Arguments', bless $other, 'Net::SMTP::XS';
my $code = \&Net::SMTP::XS::supports;
my @told;
{
    no warnings 'redefine', 'once';
    local *Net::SMTP::XS::Cmd::set_status = sub { push @told, @_[ 1 .. $#_ ] };
    @Drops::Arguments::list = ('NONE' . $$, '5' . '55', "text $$");
    &$code($tied, @Drops::Arguments::list);
}
is "@told", "555 text $$", 'arguments stay while a tied invocant is fetched';

done_testing;
