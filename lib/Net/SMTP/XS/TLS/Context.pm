package Net::SMTP::XS::TLS::Context;

# The SSL_* options of one or more connections, judged and made into a
# configuration of the C core.

use 5.014;
use strict;
use warnings;

use Carp                  ();
use Hash::Util::FieldHash ();
use Scalar::Util          ();
use Symbol                ();

our @CARP_NOT = qw(Net::SMTP::XS Net::SMTP::XS::TLS);

use constant MOST_BITS => 0xFFFF;    # of a mode that is a sum of bits

# Options that say whom a connection is with; the rest is of the context.
my %of_connection = map { $_ => 1 } qw(
    SSL_verifycn_name SSL_hostname SSL_session_key SSL_error_trap
);

# Options that go to the core as they are, and its name for them.
my %scalar = (
    SSL_crl_file     => 'crl_file',
    SSL_ocsp_mode    => 'ocsp_mode',
    SSL_version      => 'version',
    SSL_cipher_list  => 'cipher_list',
    SSL_ciphersuites => 'ciphersuites',
    SSL_ecdh_curve   => 'groups',
);

# Options that have work to do here.
my %known = map { $_ => 1 } keys %of_connection, keys %scalar, qw(
    SSL_verify_mode SSL_verify_callback SSL_verifycn_scheme SSL_verify_scheme
    SSL_ca SSL_ca_file SSL_ca_path SSL_check_crl SSL_fingerprint
    SSL_cert_file SSL_key_file SSL_use_cert SSL_passwd_cb
    SSL_alpn_protocols SSL_session_cache SSL_session_cache_size
    SSL_reuse_ctx SSL_keylog
);

# For servers, or about memory: nothing to do in a client.
my %idle = map { $_ => 1 } qw(
    SSL_honor_cipher_order SSL_dh SSL_dh_file SSL_client_ca SSL_client_ca_file
    SSL_session_id_context SSL_ticket_keycb SSL_mode_release_buffers
    SSL_ocsp_cache
);

# Known, but not with these values.
my %only = (
    SSL_server            => sub { !$_[0] },
    SSL_startHandshake    => sub { $_[0] },
    SSL_keepSocketOnError => sub { !$_[0] },
);

# Why some options of IO::Socket::SSL are not there.
my %because = (
    SSL_cert                  => 'it takes handles of Net::SSLeay: use SSL_cert_file',
    SSL_key                   => 'it takes handles of Net::SSLeay: use SSL_key_file',
    SSL_create_ctx_callback   => 'it is given a handle of Net::SSLeay',
    SSL_ocsp_staple_callback  => 'it is given a handle of Net::SSLeay',
    SSL_npn_protocols         => 'NPN is gone from TLS: use SSL_alpn_protocols',
    SSL_verifycn_publicsuffix => 'the public suffix rule is built in',
);

# --- IO::Socket::SSL's defaults --------------------------------------------

# That module adds its defaults to a caller's arguments, and has done with
# them when the context is there already.
{

    package Net::SMTP::XS::TLS::Context::Ready;
    sub isa { $_[1] eq 'IO::Socket::SSL::SSL_Context' || UNIVERSAL::isa(@_) }
}

sub _with_defaults {
    my %arg = @_;
    return %arg if !$INC{'IO/Socket/SSL.pm'};

    my $ready = bless { context => 1 }, 'Net::SMTP::XS::TLS::Context::Ready';
    my %all   = (%arg, SSL_reuse_ctx => $ready);
    local $IO::Socket::SSL::SSL_ERROR;
    IO::Socket::SSL::configure_SSL(Symbol::gensym(), \%all)
        or Carp::croak("cannot read IO::Socket::SSL's defaults");
    delete $all{SSL_reuse_ctx};
    $all{SSL_reuse_ctx} = $arg{SSL_reuse_ctx} if $arg{SSL_reuse_ctx};
    return %all;
}

sub _given {
    my %arg = @_;
    delete @arg{ grep { !/^SSL_/ || !defined $arg{$_} } keys %arg };
    return %arg;
}

# Some programs say '' for "not given".
my @empty_is_none = qw(
    SSL_ca SSL_ca_file SSL_ca_path SSL_fingerprint SSL_cert SSL_cert_file
    SSL_key SSL_key_file SSL_verifycn_scheme SSL_verify_scheme
);

sub options {
    my %arg = _given(_with_defaults(_given(@_)));
    delete $arg{$_} for grep { defined $arg{$_} && $arg{$_} eq '' } @empty_is_none;
    return %arg;
}

# --- judging -----------------------------------------------------------------

sub _refuse_unknown {
    my ($arg) = @_;
    for my $name (sort keys %$arg) {
        next if $known{$name} || $idle{$name};
        next if $only{$name} && $only{$name}->($arg->{$name});
        my $value = $only{$name}    ? " => $arg->{$name}" : '';
        my $why   = $because{$name} ? ": $because{$name}" : '';
        Carp::croak("$name$value is not supported by Net::SMTP::XS$why");
    }
}

sub _refuse_kind {
    my ($name, $what) = @_;
    Carp::croak("$name must be $what");
}

my @strings = qw(
    SSL_crl_file SSL_cert_file SSL_key_file SSL_version SSL_cipher_list
    SSL_ciphersuites SSL_ecdh_curve SSL_verifycn_name SSL_hostname
    SSL_session_key
);
my @code = qw(SSL_verify_callback SSL_passwd_cb SSL_error_trap);

sub _refuse_kinds {
    my ($arg) = @_;
    for my $name (grep { defined $arg->{$_} } @strings) {
        _refuse_kind($name, 'a string')
            if ref $arg->{$name} && !Scalar::Util::blessed($arg->{$name});
        Carp::croak("$name holds a NUL") if "$arg->{$name}" =~ /\0/;
    }
    for my $name (grep { defined $arg->{$_} } @code) {
        _refuse_kind($name, 'a code reference')
            if (Scalar::Util::reftype($arg->{$name}) // '') ne 'CODE';
    }
    for my $name (qw(SSL_verify_mode SSL_ocsp_mode)) {
        my $value = $arg->{$name};
        next if !defined $value;
        Carp::croak("$name must be a number and not a string")
            if !Scalar::Util::looks_like_number($value);
        # What is no number, or only part of a bit, would turn checks off.
        Carp::croak("$name must be a whole number and not $value")
            if $value != $value || $value < 0 || $value > MOST_BITS || $value != int $value;
    }
}

sub _refuse_unreadable {
    my ($name, $file) = @_;
    open my $in, '<', $file
        or Carp::croak("$name $file can't be used: $!");
    close $in;
}

# --- the core's fields ---------------------------------------------------------

sub _rules {
    my ($arg) = @_;
    my $scheme = $arg->{SSL_verifycn_scheme} // $arg->{SSL_verify_scheme} // 'smtp';
    return rules($scheme);
}

# A scheme by name or as a hash: the core's fields, and the callback.
sub rules {
    my ($scheme) = @_;
    my %field;

    if (ref $scheme eq 'HASH') {
        return ({ scheme => 'none' }, $scheme->{callback})
            if !%$scheme || $scheme->{callback};
        %field = map { $_ => $scheme->{$_} }
            grep { defined $scheme->{$_} } qw(wildcards_in_cn wildcards_in_alt check_cn ip_in_cn);
    }
    else {
        %field = (scheme => "$scheme");
    }
    Net::SMTP::XS::TLS::_known_rules(\%field)
        or Carp::croak('SSL_verifycn_scheme '
            . (ref $scheme ? 'has a word that is not known' : "$scheme is not known"));
    return (\%field, undef);
}

# A trust anchor: PEM text, a file, or a directory.
sub _anchor {
    my ($field, $anchor) = @_;

    if (Scalar::Util::blessed($anchor) && $anchor->can('pem')) {
        push @{ $field->{pem} }, $anchor->pem;
    }
    elsif ($anchor =~ /-----BEGIN /) {
        push @{ $field->{pem} }, $anchor;
    }
    elsif (-d $anchor) {
        push @{ $field->{ca_paths} }, $anchor;
    }
    elsif ($anchor =~ /\A[0-9]+\z/ && !-e $anchor) {
        Carp::croak(
            'SSL_ca takes PEM text, files and directories, ' . 'not handles of Net::SSLeay');
    }
    else {
        _refuse_unreadable(SSL_ca => $anchor);
        push @{ $field->{ca_files} }, $anchor;
    }
}

# A reference to nothing stands for no trust anchor of that kind.
sub _paths {
    my ($path) = @_;
    return ref $path eq 'ARRAY' ? @$path : ref $path eq 'SCALAR' && !$$path ? () : $path;
}

sub _anchors {
    my ($arg, $verify) = @_;
    my %field;
    my $ca = $arg->{SSL_ca};

    _anchor(\%field, $_) for ref $ca eq 'ARRAY' ? @$ca : defined $ca ? $ca : ();
    for my $file (_paths($arg->{SSL_ca_file} // \'')) {
        _refuse_unreadable(SSL_ca_file => $file) if $verify;
        push @{ $field{ca_files} }, $file;
    }
    push @{ $field{ca_paths} }, _paths($arg->{SSL_ca_path} // \'');
    delete $field{ca_paths} if !@{ $field{ca_paths} };
    _refuse_missing($field{ca_paths}) if $verify && $field{ca_paths};
    $field{ca_pem}  = join "\n", @{ delete $field{pem} } if $field{pem};
    $field{ca_none} = 1
        if !%field && grep { defined $arg->{$_} } qw(SSL_ca SSL_ca_file SSL_ca_path);
    return %field;
}

sub _refuse_missing {
    my ($paths) = @_;
    return if grep { -d } map { split /:/ } @$paths;
    Carp::croak("SSL_ca_path @$paths does not exist");
}

sub _certificate {
    my ($arg) = @_;
    my $cert = $arg->{SSL_cert_file};

    return if defined $arg->{SSL_use_cert} && !$arg->{SSL_use_cert};
    if (!defined $cert) {
        Carp::croak('SSL_use_cert needs SSL_cert_file') if $arg->{SSL_use_cert};
        return;
    }
    _refuse_unreadable(SSL_cert_file => $cert);
    _refuse_unreadable(SSL_key_file  => $arg->{SSL_key_file})
        if defined $arg->{SSL_key_file};
    return (cert_file => "$cert", key_file => $arg->{SSL_key_file});
}

sub _keylog {
    my ($to) = @_;
    return if !defined $to;
    return (keylog_file => $to) if !ref $to && ref \$to ne 'GLOB';
    my $fd = eval { fileno $to };
    Carp::croak('SSL_keylog must be a file name or a handle')
        if !defined $fd || $fd < 0;
    return (keylog_fd => $fd);
}

# Callbacks are told apart by a number: an address may come again.
Hash::Util::FieldHash::fieldhash my %number_of;
my $numbers = 0;

sub _identity {
    return join ' ', map { $_ ? $number_of{$_} //= ++$numbers : 0 } @_;
}

# --- sessions ----------------------------------------------------------------

my %cache_of_size;
Hash::Util::FieldHash::fieldhash my %cache_behind;

sub _cache_of_size {
    my ($size) = @_;
    my $cache = $cache_of_size{$size};
    return $cache if $cache && defined $cache->count;
    return $cache_of_size{$size} = Net::SMTP::XS::TLS::SessionCache->new($size);
}

# The sessions of an IO::Socket::SSL cache are of no use here: one of ours
# stands behind it, as long as it lives.
sub _cache {
    my ($arg) = @_;
    my $cache = $arg->{SSL_session_cache};

    if (!defined $cache) {
        my $size = $arg->{SSL_session_cache_size} or return;
        return _cache_of_size($size);
    }
    if (Scalar::Util::blessed($cache)) {
        return $cache if $cache->isa('Net::SMTP::XS::TLS::SessionCache');
        return $cache_behind{$cache} //= Net::SMTP::XS::TLS::SessionCache->new($cache->{room} || 1)
            if $cache->isa('IO::Socket::SSL::Session_Cache');
    }
    Carp::croak('SSL_session_cache must be a Net::SMTP::XS::TLS::SessionCache');
}

# --- the context ---------------------------------------------------------------

sub _fields {
    my ($self, $arg) = @_;
    my $verify = ($arg->{SSL_verify_mode} // 1) & 1;
    my ($rules, $name_callback) = _rules($arg);
    my $pins = $arg->{SSL_fingerprint};
    my $alpn = $arg->{SSL_alpn_protocols};

    _refuse_kind(SSL_alpn_protocols => 'an array reference')
        if defined $alpn && ref $alpn ne 'ARRAY';
    @{$self}{qw(callback name_callback)}
        = ($arg->{SSL_verify_callback}, $name_callback);
    return {
        %$rules,
        _anchors($arg, $verify),
        _certificate($arg),
        _keylog($arg->{SSL_keylog}),
        verify_mode     => $verify,
        verify_callback => $self->{callback} || $name_callback ? 1 : 0,
        check_crl       => $arg->{SSL_check_crl}               ? 1 : 0,
        pins            => [map { "$_" } ref $pins ? @$pins : $pins // ()],
        alpn            => [map { "$_" } @{ $alpn || [] }],
        identity        => _identity($self->{callback}, $name_callback),
        sessions        => scalar _cache($arg),
        map      { $scalar{$_} => "$arg->{$_}" }
            grep { defined $arg->{$_} } keys %scalar,
    };
}

# Errors of the script's: it is told where it made them.
my $script_error = qr/\A(?:invalid SSL_version|cannot set multiple SSL protocols)/;

sub _configure {
    my ($fields, $arg) = @_;
    my ($config, $why, $encrypted) = Net::SMTP::XS::TLS::_configure($fields);
    return $config if $config;

    if ($encrypted && $arg->{SSL_passwd_cb}) {
        my $passphrase = $arg->{SSL_passwd_cb}->(0);
        if (defined $passphrase) {
            local $fields->{passphrase} = $passphrase;
            ($config, $why) = Net::SMTP::XS::TLS::_configure($fields);
            return $config if $config;
        }
        else {
            $why = 'SSL_passwd_cb gave no passphrase for '
                . ($fields->{key_file} // $fields->{cert_file});
        }
    }
    Carp::croak($why) if $why =~ $script_error;
    $@ = $why;
    return;
}

# The context of another object or one that was made before.
sub _reused {
    my ($ctx) = @_;
    my $context = Scalar::Util::blessed($ctx)
        && ($ctx->isa(__PACKAGE__) ? $ctx : eval { ${*$ctx}{net_smtp_tls_context} });
    Carp::croak('SSL_reuse_ctx must be a Net::SMTP::XS object with TLS or a '
            . 'Net::SMTP::XS::TLS::Context')
        if !$context;
    return $context;
}

# Dies for options that can never work, returns false with the reason in $@
# for those that do not work here.
sub new {
    my ($class, @args) = @_;
    return $class->from_options({ options(@args) });
}

sub from_options {
    my ($class, $arg) = @_;

    _refuse_unknown($arg);
    _refuse_kinds($arg);
    return _reused($arg->{SSL_reuse_ctx}) if $arg->{SSL_reuse_ctx};
    my $self   = bless {}, $class;
    my $fields = $self->_fields($arg);
    $self->{names_nobody} = !$fields->{verify_mode} || ($fields->{scheme} // '') eq 'none';
    $self->{config}       = _configure($fields, $arg) or return;
    return $self;
}

sub config { $_[0]{config} }

# 1 when no name is checked.
sub names_nobody { $_[0]{names_nobody} }

# What judges the certificates of a connection with a host, or undef.
sub judge {
    my ($self,     $name)          = @_;
    my ($callback, $name_callback) = @{$self}{qw(callback name_callback)};
    return if !$callback && !$name_callback;

    return sub {
        my ($ok, $error, $text, $depth, $cert) = @_;
        if ($callback) {
            my $subject = $cert ? $cert->issuer . $cert->subject : '';
            $ok = $callback->(
                $ok, undef, $subject,
                $error ? Scalar::Util::dualvar($error, $text) : 0,
                $cert, $depth
            );
        }
        return $ok if !$ok || !$name_callback || $depth > 0;
        return $name_callback->(
            $name // 'unknown',
            $cert->common_name, $cert->alt_names
        );
    };
}

1;
