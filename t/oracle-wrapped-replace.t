# Every method behind wrappers, once more with ours in the stock module's own name.
use strict;
use warnings;
use lib 't/lib';

$ENV{NSX_ORACLE_OURS} = ':replace' unless defined $ENV{NSX_ORACLE_OURS};
require './t/oracle-wrapped.t';
