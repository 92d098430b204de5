# However and whenever replace mode is asked for, Net::SMTP is ours; unasked, nothing changes.
use strict;
use warnings;
use lib 't/lib';
use NSX::Test::Script;

# What a program asks of the class it has loaded, and a message.
my $inspect = <<'PERL';
my $s = Net::SMTP->new($host, Port => $port, Timeout => 60) or die "no object: $@";
out(ref $s, map { $s->isa($_) ? "is a $_" : "is no $_" } qw(Net::SMTP Net::Cmd IO::Socket IO::Socket::IP IO::Handle Exporter));
out(Net::SMTP->VERSION >= 3.08 ? 'VERSION' : 'old', exists $INC{'Net/SMTP.pm'} ? 'in %INC' : 'not in %INC',
    exists $INC{'Net/Cmd.pm'} ? 'in %INC' : 'not in %INC');
out($s->mail('a@test'), $s->to('b@test'), $s->data("Subject: x\n\n.dot\n"), $s->quit);
PERL

# That the methods are ours.
my $ours = <<'PERL';
my $own = 1;
for my $class (qw(Net::SMTP Net::Cmd)) {
    no strict 'refs';
    $own &&= \&{"${class}::$_"} == Net::SMTP::XS->can($_) for $class eq 'Net::Cmd' ? qw(command response getline datasend) : qw(hello mail to starttls auth);
}
out($own ? 'ours' : 'not ours', $s->isa('Net::SMTP::XS') ? 'is a Net::SMTP::XS' : '');
PERL

sub loaded {
    my ($name, $as, $load, @more) = @_;
    return { name => $name, as => $as, code => "$load\n$inspect", @more };
}

# Runs a script that is not to be renamed: as a program alone.
sub alone {
    my ($name, $code, $says, @more) = @_;
    return { name => $name, as => 'plain', stock => 0, tls => 1, code => $code, says => $says, @more };
}

my $stock_state = <<'PERL';
sub state_of {
    my %state;
    for my $class (qw(Net::SMTP Net::Cmd Net::SMTP::_SSL IO::Socket::IP IO::Socket IO::Handle Exporter)) {
        no strict 'refs';
        $state{"$class $_"} = \&{"${class}::$_"} + 0 for grep { !/::/ && defined &{"${class}::$_"} } sort keys %{"${class}::"};
        $state{"$class ISA"} = "@{\"${class}::ISA\"}";
        $state{"$class VERSION"} = ${"${class}::VERSION"};
        $state{"$class EXPORT"} = "@{\"${class}::EXPORT\"}";
    }
    $state{"INC $_"} = $INC{$_} for grep { m{Net/(?:SMTP|Cmd|Config)\.pm} } keys %INC;
    return \%state;
}
sub compare {
    my ($was, $is) = @_;
    my %keys = (%$was, %$is);
    my @changed = grep { !exists $was->{$_} || !exists $is->{$_} || ($was->{$_} // '') ne ($is->{$_} // '') } sort keys %keys;
    out(@changed ? "changed: @changed" : 'unchanged', scalar keys %$was);
}
PERL

scripts(
    loaded('on the command line, used after',        'replace', 'use Net::SMTP;'),
    loaded('on the command line, required after',    'replace', 'require Net::SMTP;'),
    loaded('on the command line, wanted in a version', 'replace', 'use Net::SMTP 3.07; Net::SMTP->VERSION(3.08);'),
    loaded('on the command line, with imports',      'replace', 'use Net::SMTP (); use Net::Cmd; out(CMD_OK, CMD_PENDING, main->can("CMD_MORE") ? "imported" : "not");'),
    loaded('in PERL5OPT',                            'env',     'use Net::SMTP;'),
    loaded('in the script, before',                  'use',     'use Net::SMTP;'),
    loaded('after the core module, by the command line', 'after', 'use Net::SMTP;'),
    {   name => 'in PERL5OPT, for programs that a program starts', as => 'env',
        code => 'system $^X, (map { ref() ? () : "-I$_" } @INC), "-e", q{use Net::SMTP; my $s = Net::SMTP->new($ARGV[0], Port => $ARGV[1], Timeout => 60) or die; print ref $s, " ", $s->isa("Net::Cmd"), "\n"; $s->quit}, $host, $port;',
        says => qr/^Net::SMTP 1$/m },
    {   name => 'a version it has not is refused', code => 'use Net::SMTP; out(eval { Net::SMTP->VERSION(99); 1 } ? "yes" : $@ =~ /^(Net::SMTP version 99 required)/);', says => qr/version 99 required/ },

    alone('used before, replaced in the script', "use Net::SMTP; use Net::SMTP::XS ':replace';\n$inspect$ours", qr/^ours is a Net::SMTP::XS$/m),
    alone('replaced in the script, used after', "use Net::SMTP::XS ':replace'; use Net::SMTP;\n$inspect$ours", qr/^ours is a Net::SMTP::XS$/m),
    alone('replaced and never used', "use Net::SMTP::XS ':replace';\n$inspect$ours", qr/^ours is a Net::SMTP::XS$/m),
    alone('replaced at run time', "use Net::SMTP; use Net::POP3; require Net::SMTP::XS; Net::SMTP::XS->import(':replace');\n$inspect$ours", qr/^ours is a Net::SMTP::XS$/m),
    alone('replaced twice', "use Net::SMTP::XS; use Net::SMTP; use Net::SMTP::XS ':replace'; use Net::SMTP::XS ':replace'; Net::SMTP::XS->import(':replace');\n$inspect$ours", qr/^ours is a Net::SMTP::XS$/m),
    alone('version 3.15 passes', "use Net::SMTP::XS ':replace'; use Net::SMTP 3.15; out(Net::SMTP->VERSION(3.15), \$Net::SMTP::VERSION, Net::Cmd->VERSION(3.15));", qr/^3\.15 3\.15 3\.15$/m),
    alone('nothing is said about it', "use warnings FATAL => 'all'; BEGIN { \$^W = 1 } use Net::SMTP; use Net::Cmd; use Net::SMTP::XS ':replace'; require Net::FTP; require Net::NNTP; require Net::POP3; out('done');", qr/\Adone\n==/),
    alone('the core files are not read', "use Net::SMTP::XS ':replace'; use Net::SMTP; use Net::Cmd; out(join '|', map { my \$f = \$INC{\$_}; \$f =~ m{Net/SMTP/XS} ? 'ours' : \$f } 'Net/SMTP.pm', 'Net/Cmd.pm');", qr/^ours\|ours$/m),
    alone('what the XS class is, is the same class', "use Net::SMTP::XS ':replace'; my \$s = Net::SMTP::XS->new(\$host, Port => \$port, Timeout => 60); out(ref \$s, map { \$s->isa(\$_) ? 1 : 0 } qw(Net::SMTP Net::Cmd Net::SMTP::XS IO::Socket)); \$s->quit;", qr/^Net::SMTP::XS 1 1 1 1$/m),

    alone('without the tag, after the core module', "use Net::SMTP;\n$stock_state my \$was = state_of(); require Net::SMTP::XS; Net::SMTP::XS->import; compare(\$was, state_of()); $inspect", qr/^unchanged \d\d\d/m),
    alone('without the tag, nor after a session of ours',
        "use Net::SMTP;\n$stock_state my \$was = state_of(); require Net::SMTP::XS; { my \$x = Net::SMTP::XS->new(\$host, Port => \$port, Timeout => 60); \$x->mail('a\@test'); \$x->to('b\@test'); \$x->data('x'); \$x->quit } compare(\$was, state_of()); $inspect", qr/^unchanged \d\d\d/m),
    alone('without the tag, before the core module: as if it were not there',
        "BEGIN { require Net::SMTP::XS; print exists \$INC{'Net/SMTP.pm'} || exists \$INC{'Net/Cmd.pm'} ? 'loaded' : 'not loaded', qq{\\n} }
         require Net::SMTP; no warnings 'once';
         out(join(' ', \@Net::SMTP::ISA), \$INC{'Net/SMTP.pm'} =~ /XS/ ? 'ours' : 'core', \\&Net::SMTP::mail == \\&Net::SMTP::XS::mail ? 'ours' : 'core', Net::Cmd->can('command') == Net::SMTP::XS->can('command') ? 'ours' : 'core', Net::SMTP->isa('Net::SMTP::XS') ? 'child' : 'no child');
         $inspect", qr/^not loaded\nNet::Cmd IO::Socket::\w+ core core core no child$/m),
    alone('an unknown tag is refused', "require Net::SMTP::XS; out(eval { Net::SMTP::XS->import(':no'); 1 } ? 'taken' : \$\@);", qr/only tag is :replace at script line 1/),
);
