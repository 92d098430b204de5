# The tables of send_message, run by start_message and a loop: the same result,
# exception and warnings, and octet for octet the same on the wire.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Message;
use Test::More;

@NSX::Test::Message::CLASSES = ('Net::SMTP::XS');
$NSX::Test::Message::other_sender = \&NSX::Test::Message::by_steps;

for my $table (qw(flights lmtp options result data)) {
    subtest $table => sub { defined do "./t/message-$table.t" or die $@ || $! };
}

done_testing;
