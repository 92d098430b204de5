package Net::SMTP::XS::OpenSSL;

use 5.014;
use strict;
use warnings;

use Net::SMTP::XS::Cmd;
use XSLoader ();

our $VERSION = '0.01';

XSLoader::load('Net::SMTP::XS::OpenSSL', $VERSION);

1;
