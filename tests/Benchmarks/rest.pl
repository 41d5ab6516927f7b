#!/usr/bin/perl
# rest.pl SECONDS UNIT… : in the host. For each unit's main process, after it has had time to come to rest: memory, and how
# often all its threads woke of themselves in that time (voluntary context switches).
use strict; use warnings;
my ($seconds, @units) = @ARGV;
sub slurp { my ($f) = @_; open my $h, '<', $f or return ''; local $/; return scalar <$h> }
my %pid = map { my $p = `systemctl show -p MainPID --value $_`; chomp $p; ($_ => $p) } @units;
sub switches { my ($pid) = @_; my $n = 0; for my $f (glob "/proc/$pid/task/*/status") { $n += $1 if slurp($f) =~ /^voluntary_ctxt_switches:\s+(\d+)/m } return $n }
my %before = map { $_ => switches($pid{$_}) } @units;
sleep $seconds;
for my $unit (@units) {
    my $woke = switches($pid{$unit}) - $before{$unit};
    my $rollup = slurp("/proc/$pid{$unit}/smaps_rollup");
    my ($pss) = $rollup =~ /^Pss:\s+(\d+)/m;
    my ($anon) = $rollup =~ /^Anonymous:\s+(\d+)/m;
    my $threads = () = glob "/proc/$pid{$unit}/task/*";
    printf "%s pss_kib=%d anon_kib=%d wakeups_per_min=%.1f threads=%d\n", $unit, $pss, $anon, $woke * 60 / $seconds, $threads;
}
