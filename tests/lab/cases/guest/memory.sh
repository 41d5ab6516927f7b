# What the daemon says of each case with its own eyes, and what is said of it with the host's facts, which are read out of the kernel's
# texts: memory.sh FILE… in /root/cases. A line for each: the file, whether a long text was opened for it, both reports.
cd /root/cases || exit 1
tmp=$(mktemp -d)
[ "$(./load cases_target.ko)" = 0 ] || exit 1
livepatch-agent facts >"$tmp/host.json" || exit 1
strace -f -q -e trace=openat -o "$tmp/opened" -p "$(systemctl show -p MainPID --value livepatch-agentd)" &
tracer=$!
until grep -qs TracerPid:.[1-9] "/proc/$(systemctl show -p MainPID --value livepatch-agentd)/status"; do sleep 0.05; done
for file; do
    : >"$tmp/opened"
    livepatch-agent check "$file" --format json >"$tmp/own"
    texts=$(grep -cE 'kallsyms|available_filter_functions' "$tmp/opened")
    livepatch-agent check "$file" --host "$tmp/host.json" --format json >"$tmp/described"
    printf '@%s\t%s\t%s\t%s\n' "$file" "$texts" "$(tr -d '\n' <"$tmp/own")" "$(tr -d '\n' <"$tmp/described")"
done
kill $tracer
