using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// As a module is loaded, ftrace makes a no-op of each call of __fentry__ that it lists. Where it finds something else
/// it warns and switches itself off until the next boot, and the kernel refuses every livepatch from then on.
/// </summary>
internal static class CallSitesCheck
{
    private const string Rebuild = "build it with the kernel's own makefiles and tools, and change no code afterwards";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (module.CallSiteFaults.Count > 0)
        {
            var places = Listing.Of([.. module.CallSiteFaults.Select(f => $"{f.Place} {Words(f.Kind)}")]);
            return CheckResult.Refused($"ftrace would switch itself off at what __mcount_loc lists: {places}", Rebuild);
        }

        if (module.NoOpCallSites == 0) return CheckResult.Ok("each place that it lists for ftrace is a call");
        var noOps = $"{module.NoOpCallSites} of the places that it lists for ftrace are no-ops already";
        return TakesNoOps(host) switch
        {
            true => CheckResult.Ok($"{noOps}, as in this kernel"),
            false => CheckResult.Refused(
                $"{noOps}: this kernel expects calls there, and ftrace would switch itself off",
                Rebuild),
            null => CheckResult.CannotTell(
                $"{noOps}; whether this kernel is built so is not known",
                CheckResult.AsRoot),
        };
    }

    /// <summary>
    /// Whether ftrace leaves the places of a new module as they are (CC_USING_NOP_MCOUNT in the kernel's Makefile):
    /// where objtool lists them, it makes them no-ops. A compiler that lists them leaves calls on x86.
    /// </summary>
    private static bool? TakesNoOps(HostFacts host)
    {
        if (host.Option("FTRACE_MCOUNT_USE_OBJTOOL") == "y") return host.Option("HAVE_OBJTOOL_NOP_MCOUNT") == "y";
        return host.Option("FTRACE_MCOUNT_USE_CC") == "y" ? false : null;
    }

    private static string Words(CallSiteFaultKind kind) => kind switch
    {
        CallSiteFaultKind.NoCall => "is no call of __fentry__",
        CallSiteFaultKind.NotInCode => "names no code of the module",
        CallSiteFaultKind.ListedTwice => "is listed twice",
        _ => throw new System.Diagnostics.UnreachableException($"call site fault {kind}"),
    };
}
