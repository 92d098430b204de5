package Net::SMTP::XS::OpenSSL;

use 5.014;
use strict;
use warnings;

use Net::SMTP::XS::Cmd;
use XSLoader ();

XSLoader::load('Net::SMTP::XS::OpenSSL', $Net::SMTP::XS::Cmd::VERSION);

1;
