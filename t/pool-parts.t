# What a pool decides by: its limit of messages in time, and how many connections
# a server gets.
use strict;
use warnings;

use Net::SMTP::XS::Pool;
use Net::SMTP::XS::Pool::Rate;
use Net::SMTP::XS::Pool::Window;
use Test::More;

# Messages go as soon as they may; how many there are in the fullest window.
sub fullest {
    my ($text, $messages, $seconds) = @_;
    my $rate = Net::SMTP::XS::Pool::Rate->new($text);
    my ($now, @at) = (1000);
    for (1 .. $messages) {
        $now += $rate->wait($now) + ($_ % 7 ? 0 : 0.0301);    # now and then later than it might
        $rate->take($now);
        push @at, $now;
    }
    my $most = 0;
    for my $i (0 .. $#at) {
        my $n = grep { $_ >= $at[$i] && $_ < $at[$i] + $seconds } @at;
        $most = $n if $n > $most;
    }
    return $most;
}

for ([ '100/s', 1000, 1, 100 ], [ '20', 200, 1, 20 ], [ '600/m', 900, 60, 600 ], [ '3600/h', 50, 10, 10 ]) {
    my ($text, $messages, $seconds, $most) = @$_;
    my $got = fullest($text, $messages, $seconds);
    cmp_ok($got, '<=', $most + 1e-9, "$text: never more than $most in $seconds s");
    cmp_ok($got, '>=', $most * 0.7, '... and not much less');
}

for my $wrong ('', 'fast', '0/s', '-1/s', '10/y', '10 /s') {
    ok(!eval { Net::SMTP::XS::Pool::Rate->new($wrong) }, qq{"$wrong" is no rate});
}

my $window = Net::SMTP::XS::Pool::Window->new(8);
is($window->size, 8, 'a window begins with all');
$window->failed(100, 99);
is($window->size, 4, 'a refusal halves it');
$window->failed(100, 99) for 1 .. 5;
is($window->size, 4, '... once for all that began before the fall');
cmp_ok($window->pause(100), '>', 0, 'and nothing is begun for a while');
is($window->pause(1000), 0, '... which ends');
my $pause = $window->pause(100);
$window->failed(101, 100.5);
is($window->size, 2, 'a later one halves it again');
cmp_ok($window->pause(101), '>', $pause, '... with a longer pause');
$window->failed(101 + $_, 101 + $_) for 1 .. 20;
is($window->size, 1, 'one connection is left');
cmp_ok($window->pause(121), '<=', 30, 'no pause is longer than half a minute');
$window->succeeded;
is($window->pause(121), 0, 'a success ends the pause');
my $successes = 1;
$window->succeeded, $successes++ while $window->size < 8;
cmp_ok($successes, '>=', 15, 'it rises slowly');
cmp_ok($successes, '<=', 400, '... but it rises');
$window->succeeded for 1 .. 100;
is($window->size, 8, 'and not beyond what it may have');

for ([ [] => qr/Host, Path/ ], [ [ Host => 'x', Path => '/y' ] => qr/Host, Path/ ],
    [ [ Host => 'x', Connections => 0 ] => qr/Connections: it takes a number/ ],
    [ [ Host => 'x', IdleTimeout => 'long' ] => qr/IdleTimeout: it takes seconds/ ],
    [ [ Host => 'x', Rate => 'fast' ] => qr/Rate: "fast": it takes a number of messages/ ])
{
    my ($arg, $pattern) = @$_;
    ok(!eval { Net::SMTP::XS::Pool->new(@$arg) }, "new(@$arg)");
    like($@, $pattern, '... says why not');
}

my $pool = Net::SMTP::XS::Pool->new(Host => 'localhost', QueueSize => 2);
my %message = (From => 'a@test', To => 'b@test', Data => "x\n");
ok($pool->add(%message), 'there is room for more');
ok(!$pool->add(%message), 'and then enough');
is($pool->waiting, 2, 'both are kept');
for my $name (qw(From To Data)) {
    my %wrong = %message;
    delete $wrong{$name};
    ok(!eval { $pool->add(%wrong) }, "no $name");
    like($@, qr/add: $name: it is required/, '... is named');
}

done_testing;
