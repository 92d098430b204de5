# Plain messages go a way of their own, in C: the same calls made both ways, and
# everything compared that a server or a caller can see.
use strict;
use warnings;
use lib 't/lib';

use NSX::Test::Message;
use NSX::Test::Server;
use File::Spec ();
use Test::More;
use Time::HiRes ();

# A wrapper that counts the calls of the general way.
my $general = 0;
{
    no warnings 'redefine';
    my $own = \&Net::SMTP::XS::_send_message;
    *Net::SMTP::XS::_send_message = sub { $general++; goto &$own };
}

my @held;
my @all   = ('PIPELINING', 'CHUNKING', '8BITMIME', 'SIZE 10000', 'DSN', 'ENHANCEDSTATUSCODES');
my $large = "x" x 70 . "\n";

# way: which one the first spelling must go.
my @cases = (
    { name => 'as it mostly is', way => 'plain' },
    { name => 'several recipients', send => [ To => [ 'bob@test', 'carol@test', 'dave@test' ] ], way => 'plain' },
    { name => 'one that is no array', send => [ To => 'bob@test' ], way => 'plain' },
    { name => 'the same one twice', send => [ To => [ 'bob@test', 'bob@test' ] ], way => 'plain' },
    { name => 'the null sender', send => [ From => '' ], way => 'plain' },
    { name => 'the null sender in brackets', send => [ From => '<>' ], way => 'general' },
    { name => 'every character of atoms', send => [ To => q{a.b!#$%&'*+-/=?^_`{|}~9@test} ], way => 'plain' },
    { name => 'a name and an address', send => [ To => 'Bob <bob@test>' ], way => 'general' },
    { name => 'white space around', send => [ To => ' bob@test ' ], way => 'general' },
    { name => 'a quoted string', send => [ To => '"b b"@test' ], way => 'general' },
    { name => 'a comment', send => [ To => 'bob@test (Bob)' ], way => 'general' },
    { name => 'no domain', send => [ To => 'bob' ], way => 'plain' },
    { name => 'a long address', send => [ To => 'b' x 250 . '@test' ], way => 'general' },
    { name => 'UTF-8', send => [ To => "j\xc3\xb6rg\@test" ], way => 'general' },
    { name => 'a recipient with options', send => [ To => [ [ 'bob@test', Notify => 'NEVER' ] ] ], way => 'general' },
    { name => 'an object', send => [ To => [ NSX::Words->new('bob@test') ] ], way => 'general' },

    { name => 'a reference to octets', send => [ Data => \"a\n.b\n..\n" ], way => 'plain' },
    { name => 'octets above 127', send => [ Data => "caf\xe9\n" ], way => 'plain' },
    { name => 'the same as characters', send => sub { my $data = "caf\xe9\n"; utf8::upgrade($data); [ Data => $data ] }, way => 'general' },
    { name => 'NUL and bare CR', send => [ Data => "a\0b\rc\r\nd" ], way => 'plain' },
    { name => 'nothing', send => [ Data => '' ], way => 'plain' },
    { name => 'a line without its end', send => [ Data => 'hello' ], way => 'plain' },
    { name => 'a body of some blocks', send => [ Data => $large x 100 ], way => 'plain' },
    { name => 'an array', send => [ Data => [ "a\n", "b\n" ] ], way => 'general' },
    { name => 'code', send => sub { my @p = ("a\n", "b\n"); [ Data => sub { shift @p } ] }, way => 'general' },
    { name => 'a number', send => [ Data => 42 ], way => 'general' },
    { name => 'a part of a string', send => sub { my $s = "abc\n"; [ Data => \substr($s, 1) ] }, way => 'general' },

    { name => 'SkipBad', send => [ To => [ 'bob@test', 'bad@test' ], SkipBad => 1 ], way => 'plain' },
    { name => 'without', send => [ To => [ 'bob@test', 'bad@test' ], SkipBad => 0 ], way => 'plain' },
    { name => 'nobody', send => [ To => 'bad@test' ], way => 'plain' },
    { name => 'in one flight', send => [ SkipBad => 1, Pipelining => 'message' ], way => 'plain' },
    { name => 'in lockstep', send => [ Pipelining => '0' ], way => 'plain' },
    { name => 'in lockstep by a number', send => [ Pipelining => 0 ], way => 'plain' },
    { name => 'in lockstep by nothing', send => [ Pipelining => '' ], way => 'plain' },
    { name => 'an envelope at a time', send => [ Pipelining => 'envelope' ], way => 'plain' },
    { name => 'by DATA', send => [ Chunking => 0 ], way => 'plain' },
    { name => 'a size', send => [ Size => '500' ], way => 'plain' },
    { name => 'a size that is a number', send => [ Size => 500 ], way => 'plain' },
    { name => 'a size that is too large', send => [ Size => 20000 ], way => 'plain' },
    { name => 'a body that is too large', send => [ Data => $large x 200 ], way => 'plain' },
    { name => 'a size, not offered', send => [ Size => 500 ], server => { extensions => [] }, way => 'general' },
    { name => 'undef', send => [ SkipBad => undef, Chunking => undef, Pipelining => undef, Size => undef ], way => 'general' },
    { name => 'an option twice', send => [ From => 'eve@test', SkipBad => 0, SkipBad => 1, From => 'dan@test' ], way => 'plain' },
    { name => 'BareCR', send => [ BareCR => 'convert', Data => "a\rb\n" ], way => 'general' },
    { name => 'BareCR of the object', new => [ BareCR => 'convert' ], send => [ Data => "a\rb\n" ], way => 'plain' },
    { name => 'BareCR of the object, refused', new => [ BareCR => 'refuse' ], send => [ Data => "a\rb\n" ], way => 'plain' },
    { name => 'ExactAddresses', new => [ ExactAddresses => 1 ], way => 'plain' },
    { name => 'no extensions', server => { extensions => [] }, way => 'plain' },
    { name => 'LMTP', new => [ Protocol => 'lmtp' ], server => { extensions => \@all, lmtp => 1 }, way => 'general' },
    { name => 'Debug', after_new => sub { $_[0]->debug(1) }, way => 'general' },

    { name => 'replies of many lines', server => { extensions => \@all, replies => { BDAT => "250-2.6.0 one\r\n250-2.6.0 two\r\n250 2.6.0 three" } }, way => 'plain' },
    { name => 'MAIL refused', server => { extensions => \@all, replies => { MAIL => '550 5.7.1 no' } }, way => 'plain' },
    { name => 'the end refused', server => { extensions => \@all, replies => { BDAT => '554 5.6.0 no' } }, way => 'plain' },
    { name => 'closing', server => { extensions => \@all, replies => { RCPT => '421 4.3.2 closing' } }, way => 'plain' },
    { name => 'gone', server => { extensions => \@all, replies => { BDAT => \'close' } }, way => 'plain' },
    { name => 'nonsense', server => { extensions => \@all, replies => { RCPT => 'what?' } }, way => 'plain' },

    { name => 'a capability that the script took away', way => 'plain', after_new => sub { delete ${ *{ $_[0] } }{net_smtp_esmtp}{CHUNKING} } },
    { name => 'one that it added', way => 'plain', server => { extensions => [] }, after_new => sub { ${ *{ $_[0] } }{net_smtp_esmtp}{PIPELINING} = '' } },
    { name => 'other parameters', way => 'plain', between => sub { ${ *{ $_[0] } }{net_smtp_esmtp}{SIZE} = '10' } },
    { name => 'the same number of letters', way => 'plain', between => sub { substr ${ *{ $_[0] } }{net_smtp_esmtp}{SIZE}, 0, 5, '00010' } },
    { name => 'parameters that are a number', way => 'plain', between => sub { ${ *{ $_[0] } }{net_smtp_esmtp}{SIZE} = 10 } },
    { name => 'another hash', way => 'plain', between => sub { ${ *{ $_[0] } }{net_smtp_esmtp} = { SIZE => 10 } } },
    { name => 'an empty hash', way => 'plain', between => sub { ${ *{ $_[0] } }{net_smtp_esmtp} = {} } },
    { name => 'no hash', way => 'plain', between => sub { delete ${ *{ $_[0] } }{net_smtp_esmtp} } },
    { name => 'a tied hash', way => 'general', after_new => sub { tie %{ ${ *{ $_[0] } }{net_smtp_esmtp} }, 'NSX::Tied' },
        between => sub { ${ *{ $_[0] } }{net_smtp_esmtp} = {} } },
    { name => 'a capability that is looked up by code', way => 'general', after_new => sub { tie ${ *{ $_[0] } }{net_smtp_esmtp}{SIZE}, 'NSX::Code' } },
    { name => 'the status is held by others', way => 'general', after_new => sub { push @held, \${ *{ $_[0] } }{net_cmd_code}, ${ *{ $_[0] } }{net_cmd_resp} } },
    { name => 'a Timeout', way => 'plain', after_new => sub { $_[0]->timeout(7) } },
);

{
    package NSX::Words;
    use overload '""' => sub { ${ $_[0] } }, fallback => 1;
    sub new { my ($class, $text) = @_; return bless \$text, $class }
}
{
    package NSX::Tied;
    require Tie::Hash;
    our @ISA = ('Tie::StdHash');
    sub TIEHASH { return bless { PIPELINING => '', SIZE => '20' }, $_[0] }
}
{
    package NSX::Code;
    sub TIESCALAR { return bless {}, $_[0] }
    sub FETCH { return '10000' }
}

# All that can be seen of two messages sent one after the other.
sub seen_of {
    my ($case, @more) = @_;
    my $server = NSX::Test::Server->start(smtp => $case->{server} || { extensions => \@all });
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server, @{ $case->{new} || [] });
    my (@seen, @warnings, $way);
    $general = 0;
    open my $stderr, '>&', \*STDERR or die "dup: $!";
    open STDERR, '>', File::Spec->devnull or die "devnull: $!" if $case->{name} eq 'Debug';
    local $SIG{__WARN__} = sub { push @warnings, $_[0] =~ s/ at .*//sr };
    $case->{after_new}->($smtp) if $case->{after_new};
    for my $turn (1, 2) {
        my $send   = ref $case->{send} eq 'CODE' ? $case->{send}->() : $case->{send} || [];
        my $result = eval { $smtp->send_message(message_of(@$send), @more) };
        push @seen, $result ? { NSX::Test::Message::seen($result), to => [ map { facts_of($_) } $result->recipients ] } : $@,
            [ $smtp->code, $smtp->message ], scalar fileno $smtp;
        $way ||= $general ? 'general' : 'plain';
        $case->{between}->($smtp) if $turn == 1 && $case->{between};
    }
    $smtp->quit;
    open STDERR, '>&', $stderr or die "dup: $!";
    undef $smtp;
    my $log = $server->finish;
    push @seen, [ map { [ map { $_->{line} } @{ $_->{commands} } ], $_->{breaches} } @{ $log->{connections} } ],
        [ map { [ @$_{qw(from to data)} ] } @{ $log->{messages} } ], \@warnings;
    return ($way, \@seen);
}

sub facts_of {
    my ($recipient) = @_;
    return [ map { my $value = $recipient->$_; defined $value ? "$value" : undef }
            qw(address outcome code enhanced message stage is_temporary is_permanent), 'as_string' ];
}

for my $case (@cases) {
    subtest $case->{name} => sub {
        my ($way, $seen) = seen_of($case);
        is $way, $case->{way}, 'the way it goes';
        my ($other_way, $other) = seen_of($case, Deadline => 3600);
        is $other_way, 'general', 'and with an option more';
        is_deeply $seen, $other, 'both come to the same' or diag explain [ $seen, $other ];
    };
}

subtest 'messages in messages' => sub {

    my @smtp = map {
        my $server = NSX::Test::Server->start(smtp => { extensions => \@all, delay => { BDAT => 0.5 } });
        [ NSX::Test::Message::connect_to('Net::SMTP::XS', $server), $server ];
    } 1, 2;
    my $inner;
    $general = 0;
    local $SIG{ALRM} = sub { $inner = $smtp[1][0]->send_message(message_of(To => 'carol@test')) };
    Time::HiRes::ualarm(100_000);
    my $outer = $smtp[0][0]->send_message(message_of());
    is join(' ', map { $_->outcome, $_->accepted } $outer, $inner), 'accepted bob@test accepted carol@test', 'both';
    is $general, 0, 'both plain';

    local $SIG{ALRM} = sub { die "enough\n" };
    Time::HiRes::ualarm(100_000);
    ok !eval { $smtp[0][0]->send_message(message_of()); 1 }, 'a die in a signal handler';
    is $@, "enough\n", 'goes on to the caller';
    $outer = $smtp[1][0]->send_message(message_of(To => 'dave@test'));
    is join(' ', $outer->accepted), 'dave@test', 'the next message is like any other';
    $outer = $smtp[0][0]->send_message(message_of());
    is $outer->outcome, 'deferred', 'but for that session, which has ended';
    is join(' ', map { map { @{ $_->{to} } } @{ $_->[1]->finish->{messages} } } @smtp), 'bob@test bob@test carol@test dave@test',
        'delivered, that one too: it was with the server already';
};

subtest 'a body that changes while it is sent' => sub {
    my $server = NSX::Test::Server->start(smtp => { extensions => \@all, delay => { RCPT => 0.5 } });
    my $smtp = NSX::Test::Message::connect_to('Net::SMTP::XS', $server);
    my $data = "hello\n" x 10;
    local $SIG{ALRM} = sub { $data = 'short' };
    Time::HiRes::ualarm(100_000);
    ok !eval { $smtp->send_message(message_of(Data => \$data)); 1 }, 'is an exception';
    like $@, qr/Data: it changed while it was sent/, 'that says so';
    is_deeply $server->finish->{messages}, [], 'nothing was delivered';
};

subtest 'nothing of Message.pm is loaded for it' => sub {
    my $server = NSX::Test::Server->start(smtp => { extensions => \@all });
    my $script = '$SIG{__DIE__} = sub { print "died: @_" };'
        . ' $s = Net::SMTP::XS->new(shift, Port => shift); $@ = "kept";'
        . ' $r = $s->send_message(From => "a@test", To => "b@test", Data => "x\n");'
        . ' print "$r|$@|", exists $INC{"Net/SMTP/XS/Message.pm"} ? 1 : 0';
    open my $out, '-|', $^X, '-Mblib', '-MNet::SMTP::XS', '-e', $script, $server->host, $server->port or die "perl: $!";
    like join('', <$out>), qr/\Aaccepted[^|]*\|kept\|0\z/, 'and $@ stays';
    close $out;
    $server->finish;
};

done_testing;
