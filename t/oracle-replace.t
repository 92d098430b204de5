# What overrides change, once more with ours in the stock module's own name.
use strict;
use warnings;
use lib 't/lib';

$ENV{NSX_ORACLE_OURS} = ':replace' unless defined $ENV{NSX_ORACLE_OURS};
$ENV{NSX_ORACLE_ONLY} = '^(?!calls counted)' unless defined $ENV{NSX_ORACLE_ONLY};
require './t/oracle-override.t';
