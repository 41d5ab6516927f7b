# What a case does on a host: sourced by a script of `try` lines. It speaks to the runner in lines that begin with @; after a fault in
# the kernel, or when something is left over that could hurt the next case, it ends, and the runner takes a fresh host.
cd /root/cases
patches=/sys/kernel/livepatch
tmp=$(mktemp -d)

# Processes are what costs time here: one that starts takes milliseconds, emulated on a busy machine a tenth of a second. So this is
# bash, which can wait without one.
mkfifo "$tmp/never" && exec 9<>"$tmp/never"
pause() { read -rt "$1" -u 9; }
say() { printf '@%s\n' "$*"; }
each() { while read -r line || [ -n "$line" ]; do say "$1" "$line"; done; }
mark() { echo "cases: $1" >/dev/kmsg; step=$1; }
load() { ./load "$@"; }

# within SECONDS COMMAND…: until the command succeeds
within() {
    tries=$(($1 * 20)); shift
    while [ $tries -gt 0 ]; do "$@" && return 0; pause 0.05; tries=$((tries - 1)); done
    return 1
}
is() { read -r is_value 2>/dev/null <"$1" && [ "$is_value" = "$2" ]; }
applied() { is $patches/"$1"/enabled 1 && is $patches/"$1"/transition 0; }
gone() { [ ! -e $patches/"$1" ]; }
off() { echo 0 >$patches/"$1"/enabled; }
one_off() { for p in $patches/*; do [ -e "$p" ] || return 0; off "${p##*/}" 2>/dev/null; done; [ "$(echo $patches/*)" = "$patches/*" ]; }
removed() { rmmod "$1" 2>/dev/null || ! grep -q "^$1 " /proc/modules; }

# --- the host's state before

# patch NAME: a helper's livepatch, and its transition's end
patch() { [ "$(load "$1.ko")" = 0 ] && within 30 applied "$1"; }
# target: the module that is patched; says how that went
target() { echo "cases_target: $(load cases_target.ko)"; }
# installed FILE: the module's file among those of this kernel, as depmod would list it (depmod itself looks through 1,138 packed files)
modules=/lib/modules/$(uname -r)
installed() { mkdir -p $modules/updates; cp "$1" $modules/updates/; cp $modules/modules.dep "$tmp/modules.dep"; echo "updates/$1:" >>$modules/modules.dep; }
uninstalled() { rm -r $modules/updates; cp "$tmp/modules.dep" $modules/modules.dep; }
hook() { [ "$(load cases_hook.ko "$*")" = 0 ]; }
trace() { echo "$1" >/sys/kernel/tracing/set_ftrace_filter && echo function >/sys/kernel/tracing/current_tracer; }
# event WORDS: a probe by tracefs, as perf and others make them
event() { echo "$1" >/sys/kernel/tracing/dynamic_events && for e in /sys/kernel/tracing/events/*/cases/enable; do echo 1 >"$e"; done; }
no_event() { for e in /sys/kernel/tracing/events/*/cases/enable; do echo 0 >"$e"; done; echo >/sys/kernel/tracing/dynamic_events; }
# bpf FUNCTION: a BPF program at its entry, as long as the process lives
bpf() { mkfifo "$tmp/bpf" && { ./fentry "$1" >"$tmp/bpf" & tracer=$!; } && read -r bpf_answer <"$tmp/bpf" && rm "$tmp/bpf" && [ "$bpf_answer" = attached ]; }
no_bpf() { kill $tracer; wait $tracer; }
untrace() { echo nop >/sys/kernel/tracing/current_tracer; echo >/sys/kernel/tracing/set_ftrace_filter; }

# --- the case

# The kernel's log since the last time; after a fault in it there is no going on.
log() {
    fault= said=()
    dmesg -c -t >"$tmp/log"
    while read -r line; do
        case $line in
            'cases: load') said=() && continue ;; # what came before it is not the module's
            cases:*) continue ;;
            *'BUG: '*|*Oops*|*'general protection'*|*'invalid opcode'*|*'kernel BUG'*|*int3:*) fault=${fault:-$line} ;;
        esac
        said+=("$line")
    done <"$tmp/log"
    for line in "${said[@]}"; do say log "$line"; done
    [ -z "$fault" ] || { say crash "$step" "$fault"; exit 3; }
}
clean() {
    [ "$(echo $patches/*)" = "$patches/*" ] || within 30 one_off || { log; say dirty "$(echo $patches/*) cannot be switched off"; exit 4; }
    # Whole before the first is removed: a list that shrinks while it is read is read with gaps.
    mapfile -t listed </proc/modules
    for module in "${listed[@]%% *}"; do
        case $module in cases_*) within 10 removed "$module" || { log; say dirty "$module cannot be removed"; exit 4; } ;; esac
    done
}

# try ID FILE MODULE BEFORE CALL AFTER; $asked is empty when preflight is not asked
try() {
    say begin "$1"
    mark before
    if [ -n "$4" ] && ! eval "$4" >"$tmp/before" 2>&1; then
        each failed <"$tmp/before"
        say failed "its host could not be prepared"
        log
    else
        if [ -n "$asked" ]; then
            livepatch-agent check "$2" --format json >"$tmp/report" 2>&1
            say status $?
            each preflight <"$tmp/report"
        fi
        mark load
        answer=$(load "$2")
        say load "${answer:-killed}"
        log
        if [ "$answer" = 0 ]; then
            [ ! -e $patches/"$3" ] || within 30 applied "$3" || say failed "its transition has not ended after 30 s"
            mark call
            eval "$5" >"$tmp/call" 2>&1
            each call <"$tmp/call"
            log
        fi
    fi
    mark after
    [ -z "$6" ] || eval "$6" 2>/dev/null
    clean
    log
    say end
}
