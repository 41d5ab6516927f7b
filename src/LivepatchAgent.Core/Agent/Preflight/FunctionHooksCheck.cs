using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// One user alone may change where a function continues (IPMODIFY): a kprobe with a post_handler, or another patching
/// system, keeps a livepatch out; so does a direct trampoline that is not BPF's. Others only lose sight of the function, since its old code no longer runs.
/// </summary>
internal static class FunctionHooksCheck
{
    /// <summary>Of a kprobe at a function's entry, which shows where debugfs with its list of kprobes is not mounted.</summary>
    private const string ProbeHandler = "kprobe_ftrace_handler";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var functions = module.Functions.Select(f => (f.Object, f.Name)).ToHashSet();
        var hooks = (host.Hooks ?? []).Where(h => functions.Contains((h.Object, h.Name))).ToList();
        var keepers = hooks.Where(h => (h.Redirects && !h.IsLivepatch) || h.KeepsOut).ToList();
        // A function that a livepatch has is redirected by it and nobody else, whoever looks on beside it: then the kernel names no
        // livepatch there. The next one comes in behind the same hook. Hooks are listed by name: of several functions, it may be another.
        var patched = host.Patches.Where(p => p.Enabled).SelectMany(p => p.Functions).Select(f => (f.Object, f.Name)).ToHashSet();
        var certain = keepers.Where(h => host.CountOf(h.Object, h.Name) is not > 1 && !patched.Contains((h.Object, h.Name))).ToList();
        var owners = certain.Where(h => h.Redirects && !h.IsLivepatch).Select(h => $"{h.Name} by {Owner(h)}").ToList();
        if (owners.Count > 0) return CheckResult.Refused($"redirected already: {Listing.Of(owners)}", "remove that probe or tracer (see /sys/kernel/debug/kprobes/list and /sys/kernel/tracing/enabled_functions)");
        var direct = certain.Where(h => h.KeepsOut).Select(h => $"{h.Name} by {h.DirectTarget}").ToList();
        if (direct.Count > 0) return CheckResult.Refused($"called directly by a trampoline that does not share: {Listing.Of(direct)}", "remove that tracer (see /sys/kernel/tracing/enabled_functions)");
        var perhaps = keepers.Where(h => host.CountOf(h.Object, h.Name) > 1).Select(h => $"{h.Name} by {Owner(h)}").Distinct().ToList();
        if (perhaps.Count > 0) return CheckResult.CannotTell($"one of several functions of this name is redirected already: {Listing.Of(perhaps)}", "remove that probe or tracer, if it is on the one that is patched");
        List<string> blind = [.. hooks.Where(h => h.IsDirect).Select(h => $"{h.Name} (called directly, as BPF does)")];
        blind.AddRange(host.Probes is null
            ? hooks.Where(h => h.Handlers.Contains(ProbeHandler)).Select(h => $"{h.Name} (kprobe)")
            : host.Probes.Where(p => functions.Contains((p.Object, p.Name))).Select(Words));
        if (blind.Count > 0)
        {
            return CheckResult.Warning(
                $"probes on functions that it patches: {Listing.Of(blind)}",
                "move those that matter to the patch's own functions: those inside the old code no longer fire");
        }

        if (host.Hooks is null) return CheckResult.CannotTell("what hangs on the kernel's functions could not be read", "mount tracefs (`mount -t tracefs tracefs /sys/kernel/tracing`) and ask as root");
        return CheckResult.Ok(host.Probes is null ? "nobody redirects the functions that it patches; kprobes inside them, which would no longer fire, this host does not show" : "nothing hangs on the functions that it patches");
    }

    private static string Owner(FunctionHook hook) => hook.KeepsOut ? hook.DirectTarget! : hook.Handlers.Count > 0 ? string.Join(", ", hook.Handlers) : "somebody";

    private static string Words(KernelProbe probe) =>
        probe.IsReturn ? $"{probe.Name} (kretprobe)" : probe.Offset == 0 ? $"{probe.Name} (kprobe)" : $"{probe.Name} (kprobe inside, at +0x{probe.Offset:x})";
}
