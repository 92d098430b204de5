package Bench::Report;

# Writes what bench/run measured into a directory: results.csv (a figure a
# line), results.md (tables), cpu.svg and session.svg (charts, by gnuplot).
#
#   Bench::Report::write($directory, \%run, \@results)
#
# %run: command, date, machine, load, versions ([name, text] each), clients
# (names in order).  A result: { bench, title, rtt (ms, or undef), measure,
# label, unit, format, value => { client => number } }, the number in the unit.

use strict;
use warnings;

sub write {
    my ($dir, $run, $results) = @_;
    mkdir $dir;
    csv("$dir/results.csv", $results);
    markdown("$dir/results.md", $run, $results);
    charts($dir, $run, $results);
}

sub put {
    my ($file, @text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} @text;
    close $out or die "$file: $!\n";
}

sub csv {
    my ($file, $results) = @_;
    my @lines = "benchmark,round_trip_ms,measure,unit,client,value\n";
    for my $r (@$results) {
        for my $client (sort keys %{ $r->{value} }) {
            push @lines, join(',', $r->{bench}, $r->{rtt} // '', $r->{measure},
                $r->{unit}, $client, sprintf '%.6g', $r->{value}{$client}) . "\n";
        }
    }
    put($file, @lines);
}

sub markdown {
    my ($file, $run, $results) = @_;
    my @clients = @{ $run->{clients} };
    my @lines   = ("# One run of the benchmarks\n\n", conditions($run), "\n");
    my $title   = '';
    for my $r (@$results) {
        if ($r->{title} ne $title) {
            $title = $r->{title};
            push @lines, "\n## $title (`$r->{bench}`)\n\n", row('round trip', '', @clients),
                row(('---') x (2 + @clients));
        }
        push @lines, row(defined $r->{rtt} ? "$r->{rtt} ms" : '', $r->{label},
            map { shown($r, $_) } @clients);
    }
    put($file, @lines);
}

sub row { return '| ' . join(' | ', @_) . " |\n" }

sub shown {
    my ($r, $client) = @_;
    my $value = $r->{value}{$client};
    return defined $value ? sprintf $r->{format}, $value : '';
}

sub conditions {
    my $run = shift;
    return "`$run->{command}`, $run->{date}; $run->{machine}; load $run->{load}.\n\n",
        map { "* $_->[0]: $_->[1]\n" } @{ $run->{versions} };
}

# --- charts

# The value of a benchmark's measure for a client, or undef.
sub value {
    my ($results, $bench, $rtt, $measure, $client) = @_;
    for my $r (@$results) {
        next if $r->{bench} ne $bench || $r->{measure} ne $measure;
        return $r->{value}{$client} if ($r->{rtt} // 0) == $rtt;
    }
    return;
}

# [label, benchmark, client] of each bar: classic methods of the Perl clients
# are in one benchmark, whole messages in another.
sub bars {
    my ($run, $steps, $whole) = @_;
    my @bars;
    for my $client (@{ $run->{clients} }) {
        if ($client eq 'Net::SMTP') {
            push @bars, ['Net::SMTP', $steps, $client];
        }
        elsif ($client eq 'Net::SMTP::XS') {
            push @bars, ['XS, methods', $steps, $client],
                ['XS, send\\\\_message', $whole, $client];
        }
        else {
            push @bars, [$client, $whole, $client];
        }
    }
    return @bars;
}

sub charts {
    my ($dir, $run, $results) = @_;
    my @cpu = map {
        my $v = value($results, $_->[1], 0, 'cpu', $_->[2]);
        defined $v ? [$_->[0], 1000 * $v] : ()
    } bars($run, qw(small whole));
    chart("$dir/cpu.svg", $run, 'CPU time per 1 KB message over a kept connection',
        'microseconds, logarithmic', [''], \@cpu)
        if @cpu;

    my @rtt = sort { $a <=> $b } keys %{ { map { $_->{rtt} => 1 }
        grep { $_->{bench} eq 'session20' } @$results } };
    my @session = grep { defined $_->[-1] } map {
        my $bar = $_;
        [$bar->[0], map { value($results, $bar->[1], $_, 'wall', $bar->[2]) } @rtt];
    } bars($run, qw(session20 session20w));
    chart("$dir/session.svg", $run,
        'Wall time from connect to quit, 1 KB to 20 recipients',
        'milliseconds, logarithmic', [map {"$_ ms round trip"} @rtt], \@session)
        if @rtt && @session;
}

# A histogram: a group of bars for each [label, value...].
sub chart {
    my ($file, $run, $title, $axis, $keys, $groups) = @_;
    my $data = join '', map { join(' ', map { defined $_ ? /[^\d.]/ ? qq("$_") : $_ : '?' } @$_) . "\n" } @$groups;
    my $plot = join ', ', map {
        my $key = $keys->[$_] eq '' ? 'notitle' : "title '$keys->[$_]'";
        sprintf q{$data using %d:xtic(1) %s lc rgb '%s'}, $_ + 2, $key,
            ('#355e8d', '#7fa7cf', '#d08c4a')[$_ % 3];
    } 0 .. $#$keys;
    (my $machine = $run->{machine}) =~ s/_/\\\\_/g;    # no subscript
    my $script = <<"END";
set terminal svg size 860,380 font 'sans-serif,12' background 'white'
set output '$file'
set title "$title\\n{/*0.8 $run->{date}; $machine}"
set ylabel '$axis'
set logscale y
set style data histograms
set style histogram clustered gap 1
set style fill solid
set boxwidth 0.9
set grid ytics lc rgb '#cccccc'
set border 3
set tics nomirror out
set xtics rotate by -25
set key top right outside horizontal
set datafile missing '?'
\$data << E
$data
E
plot $plot
END
    open my $gnuplot, '|-', 'gnuplot' or return warn "no gnuplot: no $file\n";
    print {$gnuplot} $script;
    close $gnuplot or die "gnuplot failed for $file\n";
}

1;
