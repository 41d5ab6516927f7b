using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// One user alone may change where a function continues (IPMODIFY): a kprobe with a post_handler, or another patching
/// system, keeps a livepatch out; so does a direct trampoline that is not BPF's. Others only lose sight of the
/// function, since its old code no longer runs.
/// </summary>
internal static class FunctionHooksCheck
{
    /// <summary>
    /// Of a kprobe at a function's entry, which shows where debugfs with its list of kprobes is not mounted.
    /// </summary>
    private const string ProbeHandler = "kprobe_ftrace_handler";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var functions = module.Functions.Select(f => (f.Object, f.Name)).ToHashSet();
        var hooks = (host.Hooks ?? []).Where(h => functions.Contains((h.Object, h.Name))).ToList();
        if (KeptOut(host, hooks) is { } kept) return kept;
        if (Blinded(host, functions, hooks) is { Count: > 0 } blind)
        {
            return CheckResult.Warning(
                $"probes on functions that it patches: {Listing.Of(blind)}",
                "move those that matter to the patch's own functions: those inside the old code no longer fire");
        }

        if (host.Hooks is null)
        {
            return CheckResult.CannotTell(
                "what hangs on the kernel's functions could not be read",
                "mount tracefs (`mount -t tracefs tracefs /sys/kernel/tracing`) and ask as root");
        }

        return CheckResult.Ok(host.Probes is null
            ? "nobody redirects the functions that it patches; "
                + "kprobes inside them, which would no longer fire, this host does not show"
            : "nothing hangs on the functions that it patches");
    }

    /// <summary>What keeps the livepatch out, or may do so.</summary>
    private static CheckResult? KeptOut(HostFacts host, List<FunctionHook> hooks)
    {
        var keepers = hooks.Where(h => RedirectsElsewhere(h) || h.KeepsOut).ToList();
        // Only a livepatch redirects a function that has one, even if others watch it: the kernel then names no
        // livepatch there, and the next one comes in behind the same hook.
        var patched = host.Patches.Where(p => p.Enabled).SelectMany(p => p.Functions);
        var taken = patched.Select(f => (f.Object, f.Name)).ToHashSet();
        var certain = keepers.Where(h => !IsAmbiguous(host, h) && !taken.Contains((h.Object, h.Name))).ToList();
        var owners = certain.Where(RedirectsElsewhere).Select(OwnedName).ToList();
        if (owners.Count > 0)
        {
            return CheckResult.Refused(
                $"redirected already: {Listing.Of(owners)}",
                "remove that probe or tracer (see /sys/kernel/debug/kprobes/list and "
                + "/sys/kernel/tracing/enabled_functions)");
        }

        var direct = certain.Where(h => h.KeepsOut).Select(h => $"{h.Name} by {h.DirectTarget}").ToList();
        if (direct.Count > 0)
        {
            return CheckResult.Refused(
                $"called directly by a trampoline that does not share: {Listing.Of(direct)}",
                "remove that tracer (see /sys/kernel/tracing/enabled_functions)");
        }

        var perhaps = keepers.Where(h => IsAmbiguous(host, h)).Select(OwnedName).Distinct().ToList();
        if (perhaps.Count == 0) return null;
        return CheckResult.CannotTell(
            $"one of several functions of this name is redirected already: {Listing.Of(perhaps)}",
            "remove that probe or tracer, if it is on the one that is patched");
    }

    private static bool RedirectsElsewhere(FunctionHook hook) => hook.Redirects && !hook.IsLivepatch;

    /// <summary>Hooks are listed by name: where several functions have it, the hook may be on another.</summary>
    private static bool IsAmbiguous(HostFacts host, FunctionHook hook) => host.CountOf(hook.Object, hook.Name) > 1;

    /// <summary>What no longer sees the function once it is patched.</summary>
    private static List<string> Blinded(
        HostFacts host,
        HashSet<(string Object, string Name)> functions,
        List<FunctionHook> hooks)
    {
        var direct = hooks.Where(h => h.IsDirect).Select(h => $"{h.Name} (called directly, as BPF does)");
        var probes = host.Probes is null
            ? hooks.Where(h => h.Handlers.Contains(ProbeHandler)).Select(h => $"{h.Name} (kprobe)")
            : host.Probes.Where(p => functions.Contains((p.Object, p.Name))).Select(Words);
        return [.. direct, .. probes];
    }

    private static string OwnedName(FunctionHook hook) => $"{hook.Name} by {Owner(hook)}";

    private static string Owner(FunctionHook hook)
    {
        if (hook.KeepsOut) return hook.DirectTarget!;
        return hook.Handlers.Count > 0 ? string.Join(", ", hook.Handlers) : "somebody";
    }

    private static string Words(KernelProbe probe)
    {
        if (probe.IsReturn) return $"{probe.Name} (kretprobe)";
        return probe.Offset == 0
            ? $"{probe.Name} (kprobe)"
            : $"{probe.Name} (kprobe inside, at +0x{probe.Offset:x})";
    }
}
