# send_message's options: what each puts on the wire, what becomes of it where
# the server does not offer its extension, and what is refused as an argument.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Message;
use NSX::Test::Server;
use Test::More;

my @all = ('PIPELINING', 'SIZE 1000', '8BITMIME', 'SMTPUTF8', 'DSN', 'DELIVERBY 60', 'REQUIRETLS',
    'FUTURERELEASE 86400 2030-01-01T00:00:00Z', 'MT-PRIORITY MIXER', 'XVERP', 'AUTH PLAIN');
my $mail = 'MAIL FROM:<alice@test>';
my $rcpt = 'RCPT TO:<bob@test>';

# What MAIL and RCPT have with an option, and what becomes of it without its
# extension: a warning's words, or the enhanced code of the refusal.
my @options = (
    [ [ Size => 500 ], 'SIZE=500', '', qr/SIZE option not supported/ ],
    [ [ Return => 'full' ], 'SIZE=21 RET=FULL', '', qr/DSN option not supported/ ],
    [ [ Return => 'HDRS' ], 'SIZE=21 RET=HDRS', '', qr/DSN option not supported/ ],
    [ [ Bits => 8 ], 'SIZE=21 BODY=8BITMIME', '', qr/8BITMIME option not supported/ ],
    [ [ Bits => 7 ], 'SIZE=21 BODY=7BIT', '', qr/8BITMIME option not supported/ ],
    [ [ Envelope => 'a=b' ], 'SIZE=21 ENVID=a+3Db', '', qr/DSN option not supported/ ],
    [ [ ENVID => 'a+3Db' ], 'SIZE=21 ENVID=a+3Db', '', qr/DSN option not supported/ ],
    [ [ AUTH => '' ], 'SIZE=21 AUTH=<>', '', qr/AUTH option not supported/ ],
    [ [ AUTH => 'eve@test' ], 'SIZE=21 AUTH=eve@test', '', qr/AUTH option not supported/ ],
    [ [ XVERP => 1 ], 'SIZE=21 XVERP', '', qr/XVERP option not supported/ ],
    [ [ SMTPUTF8 => 1 ], 'SIZE=21 SMTPUTF8', '', qr/SMTPUTF8 option not supported/ ],
    [ [ Priority => -3 ], 'SIZE=21 MT-PRIORITY=-3', '', qr/MT-PRIORITY option not supported/ ],
    [ [ Notify => [ 'success', 'FAILURE' ] ], 'SIZE=21', 'NOTIFY=SUCCESS,FAILURE', qr/\A[^\n]*DSN option not supported[^\n]*\n\z/ ],
    [ [ Notify => 'NEVER' ], 'SIZE=21', 'NOTIFY=NEVER', qr/DSN option not supported/ ],
    [ [ To => [ [ 'bob@test', Notify => ['DELAY'], ORcpt => 'rfc822;b+2Bb@test' ] ], Notify => 'NEVER' ],
        'SIZE=21', 'NOTIFY=DELAY ORCPT=rfc822;b+2Bb@test', qr/\A[^\n]*DSN option not supported[^\n]*\n\z/ ],
    [ [ DeliverBy => '120;NT' ], 'SIZE=21 BY=120;NT', '', '5.3.3' ],
    [ [ HoldFor => 60 ], 'SIZE=21 HOLDFOR=60', '', '5.3.3' ],
    [ [ HoldUntil => '2029-01-01T00:00:00Z' ], 'SIZE=21 HOLDUNTIL=2029-01-01T00:00:00Z', '', '5.3.3' ],
    [ [ RequireTLS => 1 ], 'SIZE=21 REQUIRETLS', '', '5.7.30' ],
    [ [ RequireTLS => 0, XVERP => 0, SMTPUTF8 => 0 ], 'SIZE=21', '', undef ],
);

my $utf8   = "j\xc3\xb6rg\@test";
my $domain = "joe\@b\xc3\xbccher.test";

rows(
    (map {
        my ($send, $on_mail, $on_rcpt, $without) = @$_;
        my @words = ($send->[0], ref $send->[1] ? 'list' : $send->[1]);
        my $refused = defined $without && !ref $without;
        ({ name => "@words, offered", server => { extensions => \@all },
            send => [ Chunking => 0, @$send ], outcome => 'accepted',
            wire => [ "$mail $on_mail", "$rcpt $on_rcpt" =~ s/ \z//r, 'DATA', '.' ] },
         { name => "@words, not offered", server => {}, send => $send,
            $refused
                ? (outcome => 'unsent', wire => [], retry => '', transactions => 0, to => ["bob\@test unsent - $without local"])
                : (outcome => 'accepted', wire => [ $mail, $rcpt, 'DATA', '.' ], defined $without ? (warned => $without) : ()) });
    } grep { $_->[0][0] ne 'To' } @options),

    { name => 'a recipient with options of its own', server => { extensions => \@all },
        send => $options[-6][0], outcome => 'accepted',
        wire => [ "$mail SIZE=21", "$rcpt NOTIFY=DELAY ORCPT=rfc822;b+2Bb\@test", 'DATA', '.' ] },
    { name => 'and one warning where they are not offered', send => $options[-6][0],
        wire => [ $mail, $rcpt, 'DATA', '.' ], warned => qr/\A[^\n]*DSN option not supported[^\n]*\n\z/ },

    { name => 'HELO only', server => { helo_only => 1 }, send => [ RequireTLS => 1 ], outcome => 'unsent' },
    { name => 'the null sender', send => [ From => '' ], wire => [ 'MAIL FROM:<>', $rcpt, 'DATA', '.' ] },
    { name => 'the null sender in brackets', send => [ From => '<>' ], wire => [ 'MAIL FROM:<>', $rcpt, 'DATA', '.' ] },
    { name => 'addresses out of header fields', send => [ From => 'Alice <alice@test>', To => '"Bob" <bob@test>' ],
        wire => [ $mail, $rcpt, 'DATA', '.' ], to => ['"Bob" <bob@test> accepted 250 - end'] },
    { name => 'ExactAddresses', new => [ ExactAddresses => 1 ], send => [ From => 'alice@test', To => 'bob@test' ],
        wire => [ $mail, $rcpt, 'DATA', '.' ] },

    { name => 'SIZE too small', server => { extensions => ['SIZE 20'] }, send => [],
        outcome => 'unsent', wire => [], to => ['bob@test unsent - 5.3.4 local'], retry => '' },
    { name => 'SIZE without a limit', server => { extensions => ['SIZE 0'] }, send => [], outcome => 'accepted' },
    { name => 'SIZE enough', server => { extensions => ['SIZE 21'] }, send => [], outcome => 'accepted' },

    { name => '8-bit data', server => { extensions => ['8BITMIME'] }, send => [ Data => "\n\xe4\n" ],
        wire => [ "$mail BODY=8BITMIME", $rcpt, 'DATA', '.' ] },
    { name => '8-bit data, not offered', send => [ Data => "\n\xe4\n" ], wire => [ $mail, $rcpt, 'DATA', '.' ] },
    { name => 'data of which nobody knows', server => { extensions => ['8BITMIME'] },
        send => sub { my @p = ("x\n"); $_[0]->send_message(message_of(Data => sub { shift @p })) },
        wire => [ "$mail BODY=8BITMIME", $rcpt, 'DATA', '.' ] },
    { name => 'binary', server => { extensions => [ 'BINARYMIME', 'CHUNKING' ] }, send => [ Bits => 'binary', Data => "a\nb\r\0.\n" ],
        wire => [ "$mail BODY=BINARYMIME", $rcpt, 'BDAT 7 LAST' ], data => "a\nb\r\0.\n", octets => 7 },
    { name => 'binary, not offered', server => { extensions => ['CHUNKING'] }, send => [ Bits => 'binary' ],
        outcome => 'unsent', wire => [], to => ['bob@test unsent - 5.6.3 local'] },

    { name => 'UTF-8 in a local part', server => { extensions => ['SMTPUTF8'] }, send => [ To => $utf8 ],
        wire => [ "$mail SMTPUTF8", "RCPT TO:<$utf8>", 'DATA', '.' ] },
    { name => 'the same as characters', server => { extensions => ['SMTPUTF8'] }, send => [ To => "j\x{f6}rg\@test" ],
        wire => [ "$mail SMTPUTF8", "RCPT TO:<$utf8>", 'DATA', '.' ] },
    { name => 'UTF-8 in a local part, not offered', send => [ To => $utf8 ],
        outcome => 'unsent', wire => [], to => ["$utf8 unsent - 5.6.7 local"], retry => '' },
    { name => 'a domain in UTF-8, not offered, no module for it', send => sub {
            local @INC = (sub { die "no $_[1]\n" if $_[1] =~ /IDN/; return }, @INC); $_[0]->send_message(message_of(To => $domain)) },
        outcome => 'unsent', wire => [], message => qr/Net::LibIDN2 or Net::IDN::Encode/ },
    { name => 'a domain in UTF-8, not offered, by Net::IDN::Encode', send => sub {
            local $INC{'Net/IDN/Encode.pm'} = 1;
            local @INC = (sub { die "no $_[1]\n" if $_[1] =~ /IDN/; return }, @INC);
            no warnings 'once';
            local *Net::IDN::Encode::domain_to_ascii = sub { $_[0] eq "b\x{fc}cher.test" ? 'xn--bcher-kva.test' : 'wrong' };
            $_[0]->send_message(message_of(To => $domain)) },
        outcome => 'accepted', wire => [ $mail, 'RCPT TO:<joe@xn--bcher-kva.test>', 'DATA', '.' ], to => ["$domain accepted 250 - end"] },

    { name => 'Pipelining 0', server => { extensions => ['PIPELINING'] }, send => [ Pipelining => 0 ], outcome => 'accepted' },
    { name => 'Pipelining message', server => { extensions => [ 'PIPELINING', 'CHUNKING' ] },
        send => [ Pipelining => 'message', SkipBad => 1 ], outcome => 'accepted' },
    { name => 'Chunking 0', server => { extensions => ['CHUNKING'] }, send => [ Chunking => 0 ],
        wire => [ $mail, $rcpt, 'DATA', '.' ] },
    { name => 'Chunking by default', server => { extensions => ['CHUNKING'] }, send => [],
        wire => [ $mail, $rcpt, 'BDAT 21 LAST' ], data => "Subject: x\r\n\r\nhello\r\n", octets => 21 },

    { name => 'RCPTMAX with SkipBad: transactions', server => { extensions => ['LIMITS RCPTMAX=2'] },
        send => [ To => [ 'a@test', 'b@test', 'c@test' ], SkipBad => 1 ], outcome => 'accepted', transactions => 2,
        delivered => 'a@test b@test c@test' },
    { name => 'RCPTMAX without SkipBad', server => { extensions => ['LIMITS RCPTMAX=2'] },
        send => [ To => [ 'a@test', 'b@test', 'c@test' ] ], outcome => 'unsent', wire => [], transactions => 0,
        to => [ map {"$_\@test unsent - 5.5.3 local"} qw(a b c) ] },
    { name => 'RCPTDOMAINMAX', server => { extensions => ['LIMITS RCPTDOMAINMAX=1'] },
        send => [ To => [ 'a@one', 'b@ONE', 'c@two' ], SkipBad => 1 ], outcome => 'accepted', transactions => 2 },
    { name => 'MAILMAX', server => { extensions => ['LIMITS MAILMAX=1'] },
        send => [], outcome => 'accepted', reusable => 0 },
    { name => 'MAILMAX is reached', server => { extensions => ['LIMITS MAILMAX=1'] },
        send => sub { $_[0]->send_message(message_of()); $_[0]->send_message(message_of()) },
        outcome => 'deferred', reusable => 0, retry => 'bob@test', transactions => 0 },
    { name => 'MAILMAX counts what mail sent', server => { extensions => ['LIMITS MAILMAX=2'] },
        send => sub { for (1 .. 2) { $_[0]->mail('eve@test'); $_[0]->reset } $_[0]->send_message(message_of()) },
        outcome => 'deferred', reusable => 0, transactions => 0, wire => [ ('MAIL FROM:<eve@test>', 'RSET') x 2 ] },
    { name => 'MAILMAX counts what command sent', server => { extensions => ['LIMITS MAILMAX=1'] },
        send => sub { $_[0]->command(mail => 'FROM:<eve@test>')->response; $_[0]->reset; $_[0]->send_message(message_of()) },
        outcome => 'deferred', reusable => 0, transactions => 0, wire => [ 'mail FROM:<eve@test>', 'RSET' ] },
);

my @wrong = (
    [ 'an unknown option', [ Form => 1 ], qr/unknown option "Form"/ ],
    [ 'no sender', [ From => undef ], qr/From: it takes an address/ ],
    [ 'no recipient', [ To => [] ], qr/To: it takes at least one recipient/ ],
    [ 'undef for recipients', [ To => undef ], qr/To: it takes/ ],
    [ 'an empty recipient', [ To => [''] ], qr/To: it takes addresses that are not empty/ ],
    [ 'a recipient that is a hash', [ To => [ {} ] ], qr/To: it takes addresses/ ],
    [ 'a line end in an address', [ To => "bob\@test\nDATA" ], qr/To: it takes addresses without control/ ],
    [ 'an address that would add parameters', [ To => 'bob@test> SIZE=1' ], qr/send_message: To: address/ ],
    [ "a recipient's unknown option", [ To => [ [ 'bob@test', SkipBad => 1 ] ] ], qr/To: unknown option "SkipBad"/ ],
    [ 'a wrong ORcpt', [ To => [ [ 'bob@test', ORcpt => 'bob@test' ] ] ], qr/To: ORcpt: it takes/ ],
    [ 'no data', [ Data => undef ], qr/Data: it takes octets/ ],
    [ 'wide characters', [ Data => "\x{263a}" ], qr/Data: it takes octets.*above 255/ ],
    [ 'wide characters in a list', [ Data => [ "a", "\x{263a}" ] ], qr/Data: it takes octets.*above 255/ ],
    [ 'data that is a hash', [ Data => {} ], qr/Data: it takes octets/ ],
    [ 'a list with undef', [ Data => [undef] ], qr/Data: it takes octets/ ],
    [ 'NEVER and more', [ Notify => [ 'NEVER', 'DELAY' ] ], qr/Notify: it takes/ ],
    [ 'both holds', [ HoldFor => 1, HoldUntil => '2029-01-01T00:00:00Z' ], qr/HoldFor and HoldUntil/ ],
    (map { [ "$_->[0] => $_->[1]", $_, qr/send_message: $_->[0]: it takes/ ] }
        [ Size => '1k' ], [ Return => 'ALL' ], [ Bits => 9 ], [ Envelope => 'x' x 101 ], [ ENVID => 'a b' ],
        [ AUTH => 'a b' ], [ Notify => 'WHEN' ], [ Pipelining => 'all' ], [ DeliverBy => '120' ], [ DeliverBy => '-1;R' ],
        [ HoldFor => 0 ], [ HoldUntil => 'tomorrow' ], [ Priority => 10 ], [ Deadline => 0 ], [ Progress => 1 ],
        [ BareCR => 'drop' ]),
);
rows(map +{ name => $_->[0], send => $_->[1], wire => [], died => qr/$_->[2].* at \S*t\/lib\/NSX\/Test\/Message\.pm line/ }, @wrong);

subtest 'the classic mail knows the same names' => sub {
    my %params = (
        Priority => [ 3, 'MT-PRIORITY=3' ], DeliverBy => [ '60;R', 'BY=60;R' ], HoldFor => [ 60, 'HOLDFOR=60' ],
        HoldUntil => [ '2029-01-01T00:00:00Z', 'HOLDUNTIL=2029-01-01T00:00:00Z' ], RequireTLS => [ 1, 'REQUIRETLS' ],
    );
    for my $name (sort keys %params) {
        for my $offered (1, 0) {
            my $server = NSX::Test::Server->start(smtp => { extensions => $offered ? \@all : ['DSN'] });
            my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
            my $warned = '';
            local $SIG{__WARN__} = sub { $warned .= $_[0] };
            my $ok = $smtp->mail('alice@test', $name => $params{$name}[0]);
            my $code = $smtp->code;
            $smtp->quit;
            my @sent = grep {/^MAIL/} map { $_->{line} } @{ $server->finish->{connections}[0]{commands} };
            if ($offered) { is "@sent", "$mail $params{$name}[1]", "$name, offered" }
            elsif ($name eq 'Priority') { is "@sent", $mail, "$name, not offered"; like $warned, qr/MT-PRIORITY option not supported/, 'warned' }
            else { is "$code @sent", '550 ', "$name, not offered: nothing is sent"; ok !$ok, 'false'; is $warned, '', 'no warning' }
        }
    }
};

done_testing;
