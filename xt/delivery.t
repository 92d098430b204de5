#!perl

# Every way to send a body, through real servers, octet for octet.
#
# Two servers judge: Postfix delivers each message to a file, and the sink
# writes down what came over the wire.  What must arrive follows from RFC 5321
# 2.3.8 and 4.5.2 alone: each LF or CR LF ends a line, a lone CR is data, a
# dot that begins a line is doubled, the end is CR LF "." CR LF.  Postfix
# refuses a line that ends in a bare LF on its port smtp, so that its delivery
# in LF form cannot hide one.
#
#   prove -b xt/delivery.t
#   NSX_CLASS=Net::SMTP prove xt/delivery.t      # the core module

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use Test::More;
use Time::HiRes qw(time);

use NSX::Author::Messages qw(read_messages difference);
use NSX::Author::Postfix;
use NSX::Author::Sink;

use constant TIMEOUT => 30;

my $class = $ENV{NSX_CLASS} || 'Net::SMTP::XS';
eval "require $class" or BAIL_OUT("$class does not load: $@");

my %message = (
    read_messages("$FindBin::Bin/samples"),
    read_messages("$FindBin::Bin/../../shared/corpus"),
);
my @name = sort keys %message;
note scalar(@name), " messages, class $class";

# Each takes a connection after RCPT and sends the octets.
my %way = (
    'data'       => sub { $_[0]->data($_[1]) },
    'data-lines' => sub { $_[0]->data([ lines($_[1]) ]) },
    'data-list'  => sub { $_[0]->data(chunks($_[1], 40)) },
    (map { my $size = $_; ("chunks-of-$size" => sub { datasend_all($_[0], chunks($_[1], $size)) }) }
        1, 2, 3, 7, 61, 4096, 65537),
    'line-by-line' => sub { datasend_all($_[0], lines($_[1])) },
    'datafh'       => \&through_handle,
    'datafh-odd'   => sub { through_handle(@_, 13) },
    'bdat'         => sub { chunking($_[0]); $_[0]->bdatlast($_[1]) },
    'bdat-chunks'  => \&bdat_chunks,
    $class->can('send_message') ? message_ways() : (),
);

# Whole messages: DATA or BDAT, however many flights.
sub message_ways {
    my %option = (
        'message'          => [],
        'message-lockstep' => [ Pipelining => 0 ],
        'message-flight'   => [ Pipelining => 'message', SkipBad => 1 ],
        'message-data'     => [ Chunking => 0 ],
        'message-one'      => [ Chunking => 0, SkipBad => 1 ],
    );
    my %data = (
        'octets' => sub { $_[0] },
        'list'   => sub { [ chunks($_[0], 61) ] },
        'code'   => sub { my @piece = chunks($_[0], 997); sub { shift @piece } },
        'handle' => sub { open my $fh, '<:raw', \$_[0] or die "in-memory file: $!"; $fh },
    );
    return map {
        my $how = $_;
        map { my $what = $_;
            ("$how-$what" => sub {
                my ($smtp, $octets, $from, $to) = @_;
                return $smtp->send_message(From => $from, To => $to, Data => $data{$what}->($octets), @{ $option{$how} });
            }) } sort keys %data;
    } sort keys %option;
}

judge('NSX::Author::Sink', \&wire_form);
judge('NSX::Author::Postfix', \&delivered_form);
done_testing;

sub judge {
    my ($server_class, $expect) = @_;
  SKIP: {
        my $missing = $server_class->missing;
        skip "$server_class: $missing", scalar keys %way if $missing;
        my $server = $server_class->start;
        for my $way (sort keys %way) {
            my $began = time;
            my @wrong = try_way($server, $way, $expect);
            my $sent  = @name - @wrong;
            ok !@wrong, sprintf '%s, %s: %d of %d messages as they should be (%.1f s)',
                $server_class, $way, $sent, scalar @name, time - $began;
            diag "  $_" for @wrong;
        }
    }
}

# Sends all messages over one connection; returns a line for each bad one.
sub try_way {
    my ($server, $way, $expect) = @_;
    my $raw  = $way =~ /^bdat/;
    my $smtp = $class->new($server->host, Timeout => TIMEOUT,
        Port => $server->port($raw ? 'lenient' : 'smtp'))
        or return "no connection: $@";
    my (%refused, @wrong);
    for my $index (0 .. $#name) {
        my $name = $name[$index];
        my @envelope = ('sender@sender.example', $server->address("$way-$index"));
        my $octets   = octets_for($server, $name);
        ($way =~ /^message/
            ? $way{$way}->($smtp, $octets, @envelope)
            : $smtp->mail($envelope[0]) && $smtp->to($envelope[1]) && $way{$way}->($smtp, $octets))
            or $refused{$name} = $smtp->code . ' ' . $smtp->message;
    }
    $smtp->quit or push @wrong, 'quit failed';
    for my $index (0 .. $#name) {
        my $name = $name[$index];
        push @wrong, "$name: not accepted: $refused{$name}" and next
            if exists $refused{$name};
        my $want = $expect->(octets_for($server, $name), $raw, $way);
        my ($mail, $more) = $server->delivered("$way-$index");
        my $why = !$mail ? 'not delivered'
            : $more ? 'delivered twice' : difference($mail->{octets}, $want);
        push @wrong, "$name: $why" if $why;
    }
    return @wrong;
}

# Postfix parses the header, and some messages of the corpus begin with none
# that it would let pass; behind a header of ours all of it is body.
sub octets_for {
    my ($server, $name) = @_;
    my $prefix = $server->isa('NSX::Author::Postfix') && $name !~ m{^samples/}
        ? "X-Name: $name\n\n" : '';
    return $prefix . $message{$name};
}

# The sink offers CHUNKING: a whole message whose size is known goes by BDAT.
sub wire_form {
    my ($octets, $raw, $way) = @_;
    return $octets if $raw;
    $octets =~ s/\r?\n/\r\n/g;
    $octets .= "\r\n" if $octets !~ /\n\z/;
    return $octets if $way =~ /\Amessage(?:-lockstep|-flight)?-(?:octets|list)\z/;
    $octets =~ s/^\./../mg;
    return "$octets.\r\n";
}

# Postfix keeps lines without their ends and takes CR CR LF for one.
sub delivered_form {
    my ($octets) = @_;
    $octets =~ s/\r*\n/\n/g;
    $octets .= "\n" if $octets !~ /\n\z/;
    return $octets;
}

sub lines  { $_[0] =~ /([^\n]*\n|[^\n]+\z)/g }
sub chunks { unpack "(a$_[1])*", $_[0] }

sub datasend_all {
    my ($smtp, @piece) = @_;
    $smtp->data or return;
    for my $piece (@piece) { $smtp->datasend($piece) or return }
    return $smtp->dataend;
}

sub through_handle {
    my ($smtp, $octets, $size) = @_;
    my $fh = $smtp->datafh or return;
    for my $piece ($size ? chunks($octets, $size) : $octets) {
        print {$fh} $piece or return;
    }
    return close $fh;
}

# A server may offer CHUNKING and not BINARYMIME, as Postfix does; mail() turns
# bdat on for both only, so it is turned on where mail() would keep it.
sub chunking { ${ *{ $_[0] } }{net_smtp_chunking} = 1 }

sub bdat_chunks {
    my ($smtp, $octets) = @_;
    chunking($smtp);
    my @piece = chunks($octets, 997);
    my $last  = pop @piece;
    for my $piece (@piece) { $smtp->bdat($piece) or return }
    return $smtp->bdatlast($last);
}
