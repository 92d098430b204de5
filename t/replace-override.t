# Methods overridden in a subclass, and in a subclass of that, seen by all that is built on them.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

# Everything once.
my $session = <<'PERL';
sub session {
    my ($class, %arg) = @_;
    my $s = $class->new($host, Port => $port, Timeout => 60, %arg) or return out('no object:', $@);
    for my $call ([mail => 'a@test', Size => 5], [recipient => 'b@test', 'bad@test', { SkipBad => 1 }], [to => 'c@test'],
        [data => "text\n.x\n"], ['reset'], [help => 'x'], [verify => 'x'], [expand => 'x'], [etrn => 'x'], [supports => 'NONE', 555, 'no'], ['code'],
        [mail => 'a@test'], [to => 'b@test'], ['data'], [datasend => "y\n"], ['dataend'], [hello => 'again.test'], ['message'], ['status'], ['quit']) {
        my ($method, @args) = @$call;
        out($method, parts([ $s->$method(@args) ]));
    }
}
PERL

# One override: in a class, and once more in a class below, each saying its name.
sub overridden {
    my ($method, $body, @more) = @_;
    my $code = "use Net::SMTP; $session
        { package Level::One; our \@ISA = 'Net::SMTP'; our \@said; sub $method { my \$self = shift; push \@said, 'one'; $body } }
        { package Level::Two; our \@ISA = 'Level::One'; sub $method { my \$self = shift; push \@Level::One::said, 'two'; \$self->SUPER::$method(\@_) } }
        for my \$class (qw(Level::One Level::Two)) { \@Level::One::said = (); \$class->can('debug')->(\$class, 0); session(\$class, ARGS); COUNT }";
    my %more = @more;
    my $args = delete $more{new} || '';
    my $count = delete $more{often} ? 'out(@Level::One::said ? "seen" : "unseen")' : 'out("seen", scalar @Level::One::said, @Level::One::said > 30 ? "" : @Level::One::said)';
    $code =~ s/ARGS/$args/;
    $code =~ s/COUNT/$count/;
    return { name => $method, ehlo => [ 'SIZE 1000', 'ETRN' ], server => { concurrent => 1 }, says => qr/^seen/m, code => $code, %more };
}

my $self = '$self->SUPER::';

scripts(
    overridden(hello   => "${self}hello('mine.test')"),
    overridden(_EHLO   => '$self->command("LHLO", @_)->response == 2', smtp => { on => { LHLO => "250-mx.test\r\n250-ETRN\r\n250 SIZE 77" } }),
    overridden(_RCPT   => "${self}_RCPT(map { s/test/other.test/; \$_ } my \@copy = \@_)"),
    overridden(_MAIL   => "${self}_MAIL(\@_, 'X=1')"),
    overridden(command => "my \$verb = shift; ${self}command(lc \$verb, \@_)"),
    overridden(response => "my \$r = ${self}response(\@_); \$main::r{\$r}++; \$r"),
    overridden(parse_response => '$_[0] =~ s/^(\d\d\d)([ -]?)// or return; ($1, $2 eq "-")'),
    overridden(getline => "my \$l = ${self}getline(\@_); \$l =~ s/ok/fine/ if defined \$l; \$l"),
    overridden(DEF_REPLY_CODE => '"599"', often => 1, script => [ '220 mx.test ready', '<', "250 mx.test", '<', ['close'] ], smtp => undef,
        code => "use Net::SMTP; { package Level::One; our \@ISA = 'Net::SMTP'; sub DEF_REPLY_CODE { '599' } } { package Level::Two; our \@ISA = 'Level::One'; } my \$s = Level::Two->new(\$host, Port => \$port, Timeout => 60); out('seen', \$s->mail('a\@test') ? 1 : 0, \$s->code, \$s->status); delete \${*\$s}{net_cmd_code}; out(\$s->code);"),
    overridden(debug_print => 'push @main::printed, $_[0] ? "out $_[1]" : "in $_[1]"; 1', new => 'Debug => 1'),
    overridden(debug_text => 'my ($out, $text) = @_; $text =~ s/test/****/g; "[$text"', new => 'Debug => 1', says => qr/>>> \[MAIL FROM:<a\@\*\*\*\*>/),
    overridden(datasend => "${self}datasend(map { ref \$_ ? [map { uc } \@\$_] : uc } \@_)"),
    overridden(dataend => "\$main::ended++; ${self}dataend(\@_)"),
    overridden(close => "main::out('closing', defined fileno \$self ? 'open' : 'closed'); ${self}close(\@_)"),
    overridden(timeout => "${self}timeout(\@_)", often => 1),
    overridden(set_status => "my (\$c, \$r) = \@_; ${self}set_status(\$c, ref \$r ? \$r : ['set: ' . (defined \$r ? \$r : '-')])"),
    overridden(unsupported => "${self}unsupported(\@_); 'sorry'", often => 0,
        code => "use Net::SMTP; { package Level::One; our \@ISA = 'Net::SMTP'; sub unsupported { my \$s = shift; main::out('seen'); \$s->SUPER::unsupported(\@_); 'sorry' } sub supports { return } } { package Level::Two; our \@ISA = 'Level::One'; } my \$s = Level::Two->new(\$host, Port => \$port, Timeout => 60); out(\$s->_TURN, \$s->code, \$s->message); \$s->quit;"),
    overridden(supports => "my (\$what) = \@_; return 'always' if \$what eq 'SIZE'; ${self}supports(\@_)"),
    overridden(message => "my \@m = ${self}message(\@_); wantarray ? \@m : 'joined ' . join '', \@m"),
    overridden(quit => "main::out('leaving'); ${self}quit(\@_)"),
    overridden(rawdatasend => "${self}rawdatasend(\@_)", often => 0, says => undef),
    overridden(new => 'my $type = ref $self || $self; my ($h, %a) = @_; my $o = $type->SUPER::new($h, %a, Hello => "new.test") or return; ${*$o}{mine} = 1; $o'),
    overridden(configure => 'my ($a) = @_; main::out("PeerPort", $a->{PeerPort} == $main::port ? 1 : 0, $a->{Proto}, $a->{Timeout}); $self->SUPER::configure($a)'),
    overridden(mail => "my \$from = shift; ${self}mail(\"\$from.invalid\", \@_)"),
    overridden(recipient => "${self}recipient(grep { ref or \$_ ne 'c\@test' } \@_)"),
    overridden(data => "${self}data(map { ref \$_ ? \$_ : \"X-Added: 1\\n\$_\" } \@_)"),
);
