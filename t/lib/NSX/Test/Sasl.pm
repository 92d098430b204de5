package NSX::Test::Sasl;

# The server's side of AUTH, in core Perl, for NSX::Test::Server's smtp mode.
#
#   my $server = NSX::Test::Server->start(smtp => NSX::Test::Sasl->smtp(
#       mechanisms => ['SCRAM-SHA-256', 'PLAIN'],    # in EHLO's order
#   ));
#
# Further arguments of smtp:
#   user, password, token   what is right; the defaults are the subs below
#   replies  { MECHANISM => reply } given at once, before any exchange
#   faults   { MECHANISM => name of a misdeed }, see the mechanism's sub
#   binding  sub ($type) that returns channel binding data, for -PLUS
#   line     the EHLO line, when it is not "AUTH mechanisms"
#   on, extensions   as NSX::Test::Server has them
#
# $log->{sasl} of the finished server lists the attempts: { mechanism, initial
# (as sent, undef for none), said [what the client said, base64], outcome }.
#
# For another server, with a $conn that can send($octets) and line:
#
#   my $reply = NSX::Test::Sasl->answer(\%arguments, $line, $conn, \my @attempts);

use strict;
use warnings;

use Digest::MD5 qw(md5 md5_hex);
use Digest::SHA qw(hmac_sha1 hmac_sha256 sha1 sha256);
use MIME::Base64 qw(decode_base64 encode_base64);

use constant ITERATIONS => 4096;    # the least a client takes
use constant ENDLESS    => 64;    # challenges of a server that never ends

sub user     {'robin'}
sub password {'Sparrow=in,the hedge'}
sub token    {'ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg'}

my %mechanism = (
    'PLAIN'         => \&_plain,
    'LOGIN'         => \&_login,
    'CRAM-MD5'      => \&_cram,
    'DIGEST-MD5'    => \&_digest,
    (map { $_ => sub { _scram(@_, \&hmac_sha1,   \&sha1) } } qw(SCRAM-SHA-1 SCRAM-SHA-1-PLUS)),
    (map { $_ => sub { _scram(@_, \&hmac_sha256, \&sha256) } } qw(SCRAM-SHA-256 SCRAM-SHA-256-PLUS)),
    'XOAUTH2'       => \&_xoauth2,
    'OAUTHBEARER'   => \&_oauthbearer,
    'EXTERNAL'      => sub { _initial($_[0]); '235 so you say' },
    'ANONYMOUS'     => sub { _initial($_[0]); '235 whoever you are' },
);

sub smtp {
    my ($class, %arg) = @_;
    my $line = defined $arg{line} ? $arg{line} : "AUTH @{ $arg{mechanisms} }";
    return {
        extensions => [@{ $arg{extensions} || [] }, $line],
        on         => {
            %{ $arg{on} || {} },
            AUTH => sub {
                my ($said, $session) = @_;
                return $class->answer(\%arg, $said, $session->{conn}, $session->{log}{sasl} ||= []);
            },
        },
    };
}

sub answer {
    my ($class, $arg, $line, $conn, $attempts) = @_;
    my $how = {
        user     => user(),
        password => password(),
        token    => token(),
        replies  => {},
        faults   => {},
        %$arg
    };
    my (undef, $name, $initial) = split / /, $line, 3;
    my $talk = {
        how     => $how,
        conn    => $conn,
        name    => uc $name,
        initial => $initial,
        fault   => $how->{faults}{ uc $name } || '',
    };
    push @$attempts,
        my $attempt = { mechanism => $talk->{name}, initial => $initial, said => [] };
    $talk->{said} = $attempt->{said};
    my $outcome = $how->{replies}{ $talk->{name} };
    $outcome = _outcome($talk) if !defined $outcome;
    return $attempt->{outcome} = $outcome;
}

sub _outcome {
    my ($talk) = @_;
    my $serve = $mechanism{ $talk->{name} } or return '504 no such mechanism';
    my $outcome = eval { _misbehave($talk); $serve->($talk) };
    return $outcome if defined $outcome;
    die $@ if ref $@ ne 'NSX::Test::Sasl::Cancelled';
    my $odd = ${$@};
    return $odd || '501 cancelled';
}

# Misdeeds that need no mechanism.
sub _misbehave {
    my ($talk) = @_;
    my $fault = $talk->{fault};
    _ask_raw($talk, '!not base64!')                 if $fault eq 'not base64';
    _ask_raw($talk, 'QQ=')                          if $fault eq 'bad padding';
    _ask($talk, 'x' x 40_000)                       if $fault eq 'long challenge';
    do { _ask($talk, 'again') for 1 .. ENDLESS }    if $fault eq 'endless';
    $talk->{to_cancel} = '235 very well'            if $fault eq 'success for a cancel';
    _ask_raw($talk, '!')                            if $fault eq 'success for a cancel';
    $talk->{conn}->close                            if $fault eq 'hang up';
}

# ---- talking

sub _ask_raw {
    my ($talk, $text) = @_;
    $talk->{conn}->send("334 $text\r\n");
    my $line = $talk->{conn}->line;
    $line = '*' if !defined $line;
    $line =~ s/\r?\n\z//;
    push @{ $talk->{said} }, $line;
    die bless \(my $odd = $talk->{to_cancel}), 'NSX::Test::Sasl::Cancelled' if $line eq '*';
    return $line;
}

sub _ask {
    my ($talk, $challenge) = @_;
    return decode_base64(_ask_raw($talk, encode_base64($challenge, '')));
}

sub _initial {
    my ($talk) = @_;
    my $initial = $talk->{initial};
    return _ask($talk, '') if !defined $initial;
    return $initial eq '=' ? '' : decode_base64($initial);
}

sub _verdict { $_[0] ? '235 2.7.0 welcome' : '535 5.7.8 no' }

# ---- the mechanisms; each returns the final reply

sub _plain {
    my ($talk) = @_;
    my $how = $talk->{how};
    my ($authzid, $user, $password) = split /\0/, _initial($talk), -1;
    return _verdict($user eq $how->{user} && $password eq $how->{password});
}

sub _login {
    my ($talk) = @_;
    my $how  = $talk->{how};
    my $user = _ask($talk, 'User Name');
    my $password = _ask($talk, 'Password');
    _ask($talk, 'And your mother\'s name?') if $talk->{fault} eq 'one question more';
    return _verdict($user eq $how->{user} && $password eq $how->{password});
}

sub _hmac_md5 {
    my ($key, $text) = @_;
    $key = md5($key) if length $key > 64;
    $key .= "\0" x (64 - length $key);
    return md5(($key ^ "\x5c" x 64) . md5(($key ^ "\x36" x 64) . $text));
}

sub _cram {
    my ($talk) = @_;
    my $how       = $talk->{how};
    my $challenge = '<1896.697170952@mx.test>';
    $challenge = '' if $talk->{fault} eq 'empty challenge';
    my $right = "$how->{user} " . unpack 'H*', _hmac_md5($how->{password}, $challenge);
    return _verdict(_ask($talk, $challenge) eq $right);
}

# RFC 2831 2.1.2.1: ISO 8859-1 where that is enough.
sub _latin1 {
    my ($octets) = @_;
    my $text = $octets;
    return utf8::decode($text) && utf8::downgrade($text, 1) ? $text : $octets;
}

sub _digest {
    my ($talk) = @_;
    my $how    = $talk->{how};
    my $answer = _ask($talk, 'realm="mx.test",nonce="OA6MG9tEQGm2hh",qop="auth",'
            . 'charset=utf-8,algorithm=md5-sess');
    my %said;
    $said{$1} = defined $2 ? $2 : $3
        while $answer =~ /\G,?([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^,]*))/g;
    my $a1 = join ':', md5(join ':', _latin1($how->{user}), $said{realm}, _latin1($how->{password})),
        $said{nonce}, $said{cnonce}, defined $said{authzid} ? $said{authzid} : ();
    my $response = sub {
        md5_hex(join ':', md5_hex($a1), @said{qw(nonce nc cnonce qop)},
            md5_hex("$_[0]:$said{'digest-uri'}"));
    };
    return _verdict(0) if $said{response} ne $response->('AUTHENTICATE');
    return _verdict(1) if $talk->{fault} eq 'no proof';
    my $proof = $talk->{fault} eq 'wrong proof' ? '0' x 32 : $response->('');
    _ask($talk, "rspauth=$proof");
    return _verdict(1);
}

sub _salted {
    my ($hmac, $password, $salt, $count) = @_;
    my $u = my $result = $hmac->($salt . pack('N', 1), $password);
    $result ^= $u = $hmac->($u, $password) for 2 .. $count;
    return $result;
}

# What the client must bind, or a refusal.
sub _bound {
    my ($talk, $gs2) = @_;
    my $plus = $talk->{name} =~ /-PLUS\z/;
    my $type = $gs2 =~ /\Ap=([^,]+),/ ? $1 : undef;
    return '535 what is to be bound?' if $plus xor defined $type;
    return '535 but we do bind channels'
        if $gs2 =~ /\Ay/ && grep {/-PLUS\z/} @{ $talk->{how}{mechanisms} };
    return $gs2 if !$plus;
    my $data = $talk->{how}{binding}->($type);
    return $gs2 . $data if defined $data;
    _ask($talk, 'e=unsupported-channel-binding-type') if $talk->{fault} ne 'says no more than 535';
    return _verdict(0);
}

# Faults: own nonce, no nonce, extension, iterations, malformed, wrong proof,
# no proof, refuses in exchange, early success, asks after the end, says no more
# than 535 (to a binding it does not know)
sub _scram {
    my ($talk, $hmac, $hash) = @_;
    my $how   = $talk->{how};
    my $fault = $talk->{fault};
    my $first = _initial($talk);
    my ($gs2, $bare, $nonce) = $first =~ /\A(\w(?:=[^,]*)?,[^,]*,)((?:.*,)?r=([^,]+))\z/
        or return '501 malformed';
    return '235 no need to prove anything' if $fault eq 'early success';
    my $bound = _bound($talk, $gs2);
    return $bound if $bound =~ /\A535/;

    my $both = $fault eq 'own nonce' ? 'mine' : $fault eq 'no nonce' ? $nonce : "${nonce}server";
    my $count = $fault eq 'iterations' ? 4_000_000_000 : $how->{iterations} || ITERATIONS;
    my $salt  = 'salt of the earth';
    my $challenge = "r=$both,s=" . encode_base64($salt, '') . ",i=$count";
    $challenge = "m=me,$challenge"      if $fault eq 'extension';
    $challenge = 'r=' . $both           if $fault eq 'malformed';
    my $final = _ask($talk, $challenge);
    my ($unproved, $proof) = $final =~ /\A(.*),p=([^,]+)\z/ or return '501 malformed';

    my $salted = _salted($hmac, $how->{password}, $salt, $count);
    my $client = $hmac->('Client Key', $salted);
    my $auth   = "$bare,$challenge,$unproved";
    my $user   = $bare =~ /\An=([^,]*)/ ? $1 : '';
    $user =~ s/=2C/,/g;
    $user =~ s/=3D/=/g;
    my $right = $client ^ $hmac->($auth, $hash->($client));
    my $good  = $user eq $how->{user} && decode_base64($proof) eq $right
        && $unproved eq 'c=' . encode_base64($bound, '') . ",r=$both";
    if (!$good) {
        my $reason = $unproved eq 'c=' . encode_base64($bound, '') . ",r=$both"
            ? 'invalid-proof' : 'channel-bindings-dont-match';
        return _verdict(0) if $fault ne 'refuses in exchange';
        _ask($talk, "e=$reason");
        return _verdict(0);
    }
    return _verdict(1) if $fault eq 'no proof';
    my $signature = $hmac->($auth, $hmac->('Server Key', $salted));
    $signature ^= "\1" if $fault eq 'wrong proof';
    _ask($talk, 'v=' . encode_base64($signature, ''));
    _ask($talk, 'v=') if $fault eq 'asks after the end';
    return _verdict(1);
}

sub _refuse_token {
    my ($talk) = @_;
    _ask($talk, '{"status":"invalid_token"}');
    return _verdict(0);
}

sub _xoauth2 {
    my ($talk) = @_;
    my $how = $talk->{how};
    return _initial($talk) eq "user=$how->{user}\1auth=Bearer $how->{token}\1\1"
        ? _verdict(1)
        : _refuse_token($talk);
}

sub _oauthbearer {
    my ($talk) = @_;
    my $how = $talk->{how};
    return _initial($talk) =~
        /\An,a=\Q$how->{user}\E,\x01host=127\.0\.0\.1\x01port=\d+\x01auth=Bearer (.*)\x01\x01\z/s
        && $1 eq $how->{token}
        ? _verdict(1)
        : _refuse_token($talk);
}

1;
