using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>A kernel that has crashed once may hang in the transition, and is no kernel to judge a patch by.</summary>
internal static class KernelHealthCheck
{
    /// <summary>Bits of the taint mask (Documentation/admin-guide/tainted-kernels.rst), worst first.</summary>
    private static readonly (int Bit, string Words)[] Ills =
    [
        (7, "it has oopsed since it was booted (D)"),
        (4, "a processor reported a machine check (M)"),
        (5, "it found a bad page (B)"),
        (14, "a task locked it up for long (L)"),
        (9, "it gave a warning (W)"),
        (1, "a module was loaded by force (F)"),
    ];

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var ills = Ills.Where(i => (host.Taint & (1L << i.Bit)) != 0).Select(i => i.Words).ToList();
        var letters = TaintFlags.Letters(host.Taint);
        return ills.Count > 0
            ? CheckResult.Warning(
                $"the kernel is not in the state it was booted in: {Listing.Of(ills)}",
                "look at `journalctl -k`; a reboot gives a healthy kernel")
            : CheckResult.Ok(letters.Length == 0
                ? "the kernel is not tainted"
                : $"the kernel's taint says nothing bad ({letters})");
    }
}
