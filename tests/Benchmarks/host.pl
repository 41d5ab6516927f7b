#!/usr/bin/perl
# host.pl cli|check|insmod … : the parts of the benchmark that run in the host. Prints one figure a line: NAME MILLISECONDS…
use strict; use warnings;
use Time::HiRes qw(time sleep);
$| = 1;

sub timed { my (@command) = @_; my $start = time; my $pid = fork; if (!$pid) { open STDOUT, '>', '/dev/null'; open STDERR, '>&', \*STDOUT; exec @command; exit 127 } waitpid $pid, 0; return (time - $start) * 1000 }
sub slurp { my ($f) = @_; open my $h, '<', $f or return undef; my $l = <$h>; close $h; return $l }
sub until_true { my ($seconds, $test) = @_; my $end = time + $seconds; while (time < $end) { return 1 if $test->(); sleep 0.002 } die "waited $seconds s in vain\n" }

my ($what, @args) = @ARGV;
if ($what eq 'cli') {
    # Alternating, so that whatever else the machine does falls on all alike.
    my %commands = (
        'status' => ['livepatch-agent', 'status'],
        'systemctl-version' => ['systemctl', '--version'],
        'systemctl-status' => ['systemctl', 'status', '--no-pager', 'livepatch-agentd'],
    );
    my %times;
    for my $round (1 .. $args[0] + 2) {
        for my $name (sort keys %commands) { my $ms = timed(@{$commands{$name}}); push @{$times{$name}}, $ms if $round > 2 }
    }
    print join(' ', $_, map { sprintf '%.1f', $_ } @{$times{$_}}), "\n" for sort keys %times;
}
elsif ($what eq 'check') {
    # Processor time: the daemon's, by its control group, of a preflight; beside it what the kernel's two long lists take to be read, whoever reads them.
    my ($file, $rounds) = @args;
    my $usage = sub { (slurp('/sys/fs/cgroup/system.slice/livepatch-agentd.service/cpu.stat') // '') =~ /^usage_usec (\d+)/ or die "no cpu.stat\n"; $1 / 1000 };
    my (@checks, @lists);
    for my $round (1 .. $rounds) {
        my $before = $usage->(); timed('livepatch-agent', 'check', $file); sleep 0.5; push @checks, $usage->() - $before;
        my @start = times; timed('cat', '/proc/kallsyms', '/sys/kernel/tracing/available_filter_functions'); my @end = times;
        push @lists, ($end[2] + $end[3] - $start[2] - $start[3]) * 1000;
    }
    printf "check-first %.1f\n", shift @checks;
    print join(' ', 'check', map { sprintf '%.1f', $_ } @checks), "\n", join(' ', 'lists', map { sprintf '%.1f', $_ } @lists), "\n";
}
elsif ($what eq 'insmod') {
    # The plain way: insmod, and wait until the kernel has switched over; then back.
    my ($file, $name) = @args;
    my $start = time;
    system('insmod', $file) == 0 or die "insmod failed\n";
    my $inserted = time;
    until_true(30, sub { (slurp("/sys/kernel/livepatch/$name/transition") // '') =~ /^0/ });
    printf "insmod %.1f\ninsmod-transition %.1f\n", ($inserted - $start) * 1000, (time - $start) * 1000;
}
elsif ($what eq 'off') {
    # Away with the patch, whoever loaded it.
    my ($name) = @args;
    open my $h, '>', "/sys/kernel/livepatch/$name/enabled" or die "no $name\n"; print $h "0"; close $h;
    until_true(30, sub { !-d "/sys/kernel/livepatch/$name" });
    until_true(10, sub { !-d "/sys/module/$name" || system("rmmod $name 2>/dev/null") == 0 });
}
