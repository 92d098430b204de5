# A class that copies the stash, with parents and a handle of its own.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

# A session whose effects show.
my $session = <<'PERL';
sub session {
    my $class = shift;
    my $s = $class->new($host, Port => $port, Timeout => 60, @_) or return out("no object: $@");
    out(ref $s, $s->banner, $s->domain, parts([ $s->supports('SIZE') ]));
    out($s->mail('a@test', Size => 5), parts([ $s->to('b@test', 'bad@test', { SkipBad => 1 }) ]), $s->code);
    out($s->data("Subject: x\n\n.dot\n"), $s->code, $s->message, parts($s->reset), parts($s->quit));
    return $s;
}
PERL

sub with_session {
    my ($name, $code, @more) = @_;
    return { name => $name, ehlo => [ 'SIZE 1000', 'DSN' ], code => "use Net::SMTP; $session\n$code", @more };
}

# Net::SMTP::SSL's way: the stash copied, its own parents, the handle tied.
my $copy = <<'PERL';
{
    package Tied::Stream;
    our %used;
    sub TIEHANDLE { my ($class, $inner) = @_; return bless { inner => $inner }, $class }
    sub FILENO  { return fileno $_[0]{inner} }
    sub WRITE   { my $self = shift; $used{WRITE}++; return syswrite $self->{inner}, $_[0], $_[1], $_[2] || 0 }
    sub READ    { my $self = shift; $used{READ}++; return sysread $self->{inner}, $_[0], $_[1], $_[2] || 0 }
    sub READLINE { my $self = shift; my ($line, $c) = (''); while (sysread $self->{inner}, $c, 1) { $used{READ}++; $line .= $c; return $line if $c eq "\n" } return length $line ? $line : undef }
    sub PRINT   { my $self = shift; $used{WRITE}++; return defined syswrite $self->{inner}, join '', @_ }
    sub CLOSE   { my $self = shift; $used{CLOSE}++; return CORE::close delete $self->{inner} }
    sub BINMODE { return 1 }
    sub UNTIE   { return }

    package My::Secure;    # as IO::Socket::SSL is used
    use IO::Socket::INET;
    our @ISA = ('IO::Socket::INET');
    our %configured;
    sub configure {
        my ($self, $arg) = @_;
        %configured = map { $_ => ref $arg->{$_} || $arg->{$_} } keys %$arg;
        delete $arg->{Family};
        my $ok = $self->SUPER::configure($arg) or return;
        open my $inner, '+<&', $self or die "dup: $!";
        tie *$self, 'Tied::Stream', $inner;
        return $ok;
    }

    package My::SMTP;
    require Net::SMTP;
    no strict 'refs';
    our @ISA = ('My::Secure', grep { $_ ne 'IO::Socket::INET' } @Net::SMTP::ISA);
    *{$_} = \&{"Net::SMTP::$_"} for grep { defined &{"Net::SMTP::$_"} } keys %Net::SMTP::;
}
PERL

scripts(
    { name => 'the stash copied, an edited @ISA, an own configure, a tied handle', as => [ 'replace', 'direct' ], ehlo => ['SIZE 1000'],
        code => "$copy $session my \$s = session('My::SMTP'); out(map { \"\$_: \$My::Secure::configured{\$_}\" } grep { \$_ ne 'PeerPort' } sort grep { defined \$My::Secure::configured{\$_} } keys %My::Secure::configured); out(map { \$Tied::Stream::used{\$_} ? \"\$_ used\" : () } qw(READ WRITE)); out(\$My::Secure::configured{PeerPort} == \$port);",
        says => [ qr/^My::SMTP /m, qr/^PeerAddr: 127.0.0.1 Proto: tcp$/m, qr/^READ used WRITE used$/m ] },
    { name => 'each copied method is the very sub', code => "$copy no strict 'refs'; out(scalar grep { \\&{\"Net::SMTP::\$_\"} != (My::SMTP->can(\$_) || 0) } qw(new hello mail to recipient data quit starttls auth _MAIL _EHLO supports datafh bdat)); out(My::SMTP->isa('Net::SMTP') ? 1 : 0, My::SMTP->isa('Net::Cmd') ? 1 : 0);", says => qr/^0\n\d 1$/m,
        differs => { stock => qr/^0\n0 1$/m, ours => qr/^0\n\d 1$/m } },
    { name => 'the copy, through all methods', as => [ 'replace', 'direct' ], ehlo => [ 'SIZE 1000', 'DSN', '8BITMIME', 'BINARYMIME', 'CHUNKING', 'ETRN' ],
        code => "$copy my \$s = My::SMTP->new(\$host, Port => \$port, Timeout => 60, Hello => 'copy.test', Debug => 0) or die \$@; out(\$_->[0], parts([ do { my \$m = shift \@{ my \$c = [\@\$_] }; \$m = \$_->[0]; \$s->\$m(\@{\$_}[1 .. \$#\$_]) } ]), \$s->code) for [mail => 'a\@test'], [to => 'b\@test', 'c\@test'], ['data'], [datasend => \"x\\n\", '.y'], ['dataend'], [help => 'x'], [expand => 'x'], [verify => 'x'], [etrn => 'x'], [hello => 'y.test'], [mail => 'a\@test', Bits => 'binary'], [to => 'b\@test'], [bdat => 'abc'], [bdatlast => 'def'], ['reset'], ['quit'];", },
    { name => 'the copy with Debug', ehlo => ['SIZE 1000'], code => "$copy my \$s = My::SMTP->new(\$host, Port => \$port, Timeout => 60, Debug => 1) or die \$@; \$s->mail('a\@test'); \$s->quit;", says => qr/^My::SMTP>>>   Net::Cmd\(VERSION\)$/m },
);
