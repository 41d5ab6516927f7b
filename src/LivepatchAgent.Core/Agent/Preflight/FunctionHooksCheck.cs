using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// One user alone may change where a function continues (IPMODIFY): a kprobe with a post_handler, or another patching
/// system, keeps a livepatch out; so does a direct trampoline that is not BPF's. Others only lose sight of the function, since its old code no longer runs.
/// </summary>
internal static class FunctionHooksCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var functions = module.Functions.Select(f => (f.Object, f.Name)).ToHashSet();
        var hooks = (host.Hooks ?? []).Where(h => functions.Contains((h.Object, h.Name))).ToList();
        var owners = hooks.Where(h => h.Redirects && !h.IsLivepatch).Select(h => $"{h.Name} by {(h.Handlers.Count > 0 ? string.Join(", ", h.Handlers) : "somebody")}").ToList();
        if (owners.Count > 0) return CheckResult.Refused($"redirected already: {Listing.Of(owners)}", "remove that probe or tracer (see /sys/kernel/debug/kprobes/list and /sys/kernel/tracing/enabled_functions)");
        var direct = hooks.Where(h => h.KeepsOut).Select(h => $"{h.Name} by {h.DirectTarget}").ToList();
        if (direct.Count > 0) return CheckResult.Refused($"called directly by a trampoline that does not share: {Listing.Of(direct)}", "remove that tracer (see /sys/kernel/tracing/enabled_functions)");
        List<string> blind = [.. hooks.Where(h => h.IsDirect).Select(h => $"{h.Name} (called directly, as BPF does)")];
        blind.AddRange((host.Probes ?? []).Where(p => functions.Contains((p.Object, p.Name)))
            .Select(p => p.IsReturn ? $"{p.Name} (kretprobe)" : p.Offset == 0 ? $"{p.Name} (kprobe)" : $"{p.Name} (kprobe inside, at +0x{p.Offset:x})"));
        if (blind.Count > 0) return CheckResult.Warning($"probes on functions that it patches: {Listing.Of(blind)}", "place them anew on the patch's own functions where they matter: those inside the old code no longer fire");
        return host.Hooks is null
            ? CheckResult.CannotTell("what hangs on the kernel's functions could not be read", "mount tracefs (`mount -t tracefs tracefs /sys/kernel/tracing`) and ask as root")
            : CheckResult.Ok("nothing hangs on the functions that it patches");
    }
}
