# What arrives is what was given: random bodies, cut at random, sent by every
# method in any mixture, against a plain reference of the rules.
use strict;
use warnings;
use lib 't/lib';

use Net::SMTP::XS;
use Socket;
use Test::More;
use Time::HiRes ();
use NSX::Test::Attack;

use constant BUDGET => 0.6;    # seconds for each seed

# A generator of our own: the same numbers on every perl.
my $state;
sub seed   { $state = shift; return }
sub random { my $n = shift; $state = ($state * 1_103_515_245 + 12_345) % 2**31; return int($state / 65_536) % $n }
sub pick   { return $_[ random(scalar @_) ] }

# Text with more than its share of what the rules are about.
my @parts = ("\n", "\r\n", "\r", '.', '..', ".\n", ".\r\n", "\r\n.\r\n", "\n.\n", "\0", "\xff", "\xe9",
    'text', 'From ', ' ', "\r\r\n", "\n\r", '', "\x80\xc3\xa9");

sub text {
    my $kind = random(12);
    return join '', map { pick(@parts) } 0 .. random(40) if $kind < 8;
    return join '', map { chr random(256) } 0 .. random(300) if $kind < 10;
    return pick("x\n", ".\n", "\r\n", 'y') x random(70_000) if $kind < 11;
    return 'z' x (65_530 + random(12)) . pick(@parts) . pick(@parts);
}

# The rules, one octet at a time (RFC 5321 4.5.2); $last is the octet before.
sub encoded {
    my ($last, $octets, $convert) = @_;
    my $out = '';
    for my $octet (split //, $octets) {
        $out .= "\n", $last = "\n" if $convert && $last eq "\r" && $octet ne "\n";
        $out .= "\r" if $octet eq "\n" && $last ne "\r";
        $out .= '.'  if $octet eq '.'  && $last eq "\n";
        $out .= $octet;
        $last = $octet;
    }
    return $out;
}

sub ending {
    my ($last, $convert) = @_;
    return $last eq "\n" ? ".\r\n" : $convert && $last eq "\r" ? "\n.\r\n" : "\r\n.\r\n";
}

# The same octets in forms that Perl keeps differently.
sub disguised {
    my $text = shift;
    my $how  = random(7);
    return $text if $how < 2;
    if ($how == 2) { utf8::upgrade($text); return $text }
    if ($how == 3) { my $copy = $text; return substr($copy, 0) }
    if ($how == 4) { return bless [$text], 'Text' }
    if ($how == 5) { tie my $tied, 'Tied', $text; return \$tied, 'alias' }
    return $text . '';
}

{
    package Text;
    use overload '""' => sub { $_[0][0] }, fallback => 1;
    package Tied;
    sub TIESCALAR { bless [ $_[1] ], $_[0] }
    sub FETCH     { $_[0][0] }
}

# Cuts a text in up to eight.
sub pieces {
    my $text = shift;
    my @cuts = sort { $a <=> $b } map { random(1 + length $text) } 1 .. random(8);
    my ($from, @pieces) = (0);
    for my $cut (@cuts, length $text) { push @pieces, substr $text, $from, $cut - $from; $from = $cut }
    return @pieces;
}

# Sends it by datasend, in one of the ways that takes; as data and bdat take it.
sub argument {
    my $text = shift;
    my $way  = random(5);
    if ($way == 0) { return $text }
    if ($way == 1) { return pieces($text) }
    if ($way == 2) { return [ pieces($text) ] }
    if ($way == 3) { my ($x) = disguised($text); return ref $x eq 'SCALAR' ? $$x : ('', $x) }
    return [ map { my ($x) = disguised($_); ref $x eq 'SCALAR' ? $$x : $x } pieces($text) ];
}

sub handle_sends {
    my ($fh, $text) = @_;
    for my $piece (grep {length} pieces($text)) {
        my $how = random(5);
        if    ($how == 0) { print $fh $piece or return }
        elsif ($how == 1) { print {$fh} pieces($piece) or return }
        elsif ($how == 2) { printf {$fh} '%s', $piece or return }
        elsif ($how == 3) { local $, = ''; local $\ = $piece; print {$fh} '' or return }
        else              { syswrite $fh, "ab$piece" . 'cd', length $piece, 2 or return }
    }
    return 1;
}

# One message; what the server must have been sent is added to $_[1].
sub one_message {
    my ($s, undef, $convert) = @_;
    my $by = pick(qw(datasend datasend datasend data datafh mixed chunks));
    if ($by eq 'chunks') {
        ${*$s}{net_smtp_chunking} = 1;
        my $n = random(4);
        for (0 .. $n) {
            my $text = text();
            $_[1] .= 'BDAT ' . length($text) . ($_ == $n ? ' LAST' : '') . "\r\n$text";
            my $method = $_ == $n ? 'bdatlast' : 'bdat';
            $s->$method(argument($text)) or return;
        }
        delete ${*$s}{net_smtp_chunking};
        return 1;
    }
    my $last = "\n";
    $_[1] .= "DATA\r\n";
    if ($by eq 'data') {
        my $text = text() . 'x';
        $_[1] .= encoded($last, $text, $convert) . ending('x');
        return $s->data(argument($text));
    }
    my $fh;
    if ($by eq 'datafh') { $fh = $s->datafh or return }
    else                 { $s->data or return }
    my $sent = 0;
    for (0 .. random(6)) {
        my $text = text();
        if ($fh || $by eq 'mixed' && random(3) == 0) {
            handle_sends($fh || ($s->tied_fh || return), $text) or return;
        }
        elsif ($by eq 'mixed' && random(4) == 0) {
            $text =~ s/\r?\n/\r\n/g;
            $_[1] .= $text;
            $s->rawdatasend(argument($text)) or return;
            next;
        }
        else { $s->datasend(argument($text)) or return }
        $_[1] .= encoded($last, $text, $convert);
        $last = substr $text, -1 if length $text;
        $sent = 1;
    }
    if ($fh) { close $fh or return }
    else     { ${*$s}{net_cmd_last_ch} = "\n" if !$sent; $s->dataend or return }
    $_[1] .= ending($last, $convert);
    return 1;
}

for my $seed (1 .. 10) {
    my $convert = $seed % 3 == 0;
    attack "seed $seed" . ($convert && ', BareCR => convert'), sub {
        my $t = shift;
        seed($seed);
        local $SIG{__WARN__} = sub { };
        socketpair my $s, my $peer, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
        pipe my $result, my $told or die;
        my $pid = fork;
        if (!$pid) {    # keeps what it is sent; answers at the end of each unit
            close $s;
            close $result;
            my $all = '';
            1 while sysread $peer, $all, 65536, length $all;
            print {$told} $all;
            close $told;
            POSIX::_exit(0);
        }
        close $peer;
        close $told;
        # Replies come from here: nobody waits for anybody.
        bless $s, 'Answered';
        ${*$s}{io_socket_timeout} = 5;
        ${*$s}{net_smtp_bare_cr} = 'convert' if $convert;
        my $wanted = '';
        my $until  = Time::HiRes::time() + BUDGET;
        my $count  = 0;
        while (Time::HiRes::time() < $until && $count < 200) {
            $count++;
            one_message($s, $wanted, $convert) or $t->ok(0, "message $count: " . $s->message), last;
        }
        close $s;
        my $got = do { local $/; <$result> };
        waitpid $pid, 0;
        return if $got eq $wanted;
        my $at = 0;
        $at++ while $at < length $got && substr($got, $at, 1) eq substr $wanted, $at, 1;
        $t->is(substr($got, $at > 20 ? $at - 20 : 0, 60), substr($wanted, $at > 20 ? $at - 20 : 0, 60),
            "octet $at of message $count or before");
    };
}

{
    package Answered;
    BEGIN { our @ISA = ('Net::SMTP::XS') }
    sub getline { ${ *{ $_[0] } }{data} ? "354 go\n" : "250 ok\n" }
    sub _DATA { local ${ *{ $_[0] } }{data} = 1; $_[0]->SUPER::_DATA }
}

# The same by real replies, with no method overridden, over TCP.
for my $seed (21 .. 23) {
    attack "whole messages, seed $seed", sub {
        my $t = shift;
        seed($seed);
        my $s = $t->connect;
        my $until = Time::HiRes::time() + BUDGET / 2;
        for my $n (1 .. 40) {
            my $text = text() . text();
            my $wire = encoded("\n", $text);
            $wire .= "\r\n" if length $text && $wire !~ /\r?\n\z/;
            $s->mail("n$n") && $s->to('b') or last;
            if (random(2)) { $s->data(argument(length $text ? $text : ($text = 'x'))) or $t->ok(0, 'data') }
            else {
                $s->data && (map { $s->datasend(argument($_)) } pieces($text)) && $s->dataend
                    or $t->ok(0, 'datasend');
            }
            last if Time::HiRes::time() > $until;
        }
        $s->quit;
    }, smtp => {}, after => sub {
        my ($t, $log) = @_;
        seed($seed);
        for my $message (@{ $log->{messages} }) {
            my $text = text() . text();
            if (random(2)) { argument(length $text ? $text : ($text = 'x')) }
            else           { argument($_) for pieces($text) }
            my $wanted = encoded("\n", $text);
            $wanted =~ s/^\.//mg;
            $wanted .= "\r\n" if length $text && $wanted !~ /\n\z/;
            $t->is($message->{data}, $wanted, $message->{from}) or last;
        }
    };
}

finished();
