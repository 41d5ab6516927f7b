using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Asks, before the kernel sees a module, what the kernel would refuse, what it would take and crash with, and what an
/// administrator would regret. Pure: facts in, a report out. Each check is a file of its own beside this one.
/// </summary>
public static class Preflight
{
    public const string ModuleFormat = "module-format";

    private const string ModuleSignature = "module-signature";

    private delegate CheckResult Check(ModuleFacts module, HostFacts host);

    /// <summary>In the order in which a kernel would come to it.</summary>
    private static readonly (string Name, Check Run)[] Checks =
    [
        ("livepatch-support", LivepatchSupportCheck.Run),
        ("kernel-health", KernelHealthCheck.Run),
        ("system-state", SystemStateCheck.Run),
        (ModuleFormat, ModuleFormatCheck.Run),
        ("architecture", ArchitectureCheck.Run),
        (ModuleSignature, ModuleSignatureCheck.Run),
        ("vermagic", VermagicCheck.Run),
        ("symbol-versions", SymbolVersionsCheck.Run),
        ("module-name", ModuleNameCheck.Run),
        ("licence", LicenceCheck.Run),
        ("needed-symbols", NeededSymbolsCheck.Run),
        ("symbol-namespaces", SymbolNamespacesCheck.Run),
        ("livepatch-marker", LivepatchMarkerCheck.Run),
        ("call-sites", CallSitesCheck.Run),
        ("patched-objects", PatchedObjectsCheck.Run),
        ("patched-functions", PatchedFunctionsCheck.Run),
        ("function-position", FunctionPositionCheck.Run),
        ("init-sections", InitSectionsCheck.Run),
        ("livepatch-relocations", LivepatchRelocationsCheck.Run),
        ("livepatch-symbols", LivepatchSymbolsCheck.Run),
        ("static-keys", StaticKeysCheck.Run),
        ("traceable-functions", TraceableFunctionsCheck.Run),
        ("function-hooks", FunctionHooksCheck.Run),
        ("ftrace-enabled", FtraceEnabledCheck.Run),
        ("patch-stack", PatchStackCheck.Run),
        ("transition-running", TransitionRunningCheck.Run),
        ("reliable-stacks", ReliableStacksCheck.Run),
        ("memory", MemoryCheck.Run),
    ];

    /// <summary>Checks whose refusal passes with time: worth another try a little later.</summary>
    private static readonly string[] Passing = ["transition-running", "memory"];

    public static IEnumerable<string> Names => Checks.Select(c => c.Name);

    public static PreflightReport Run(ModuleFacts module, HostFacts host) => new()
    {
        Module = module.Name,
        Checks = [.. Checks.Select(c => Finding(c.Name, c.Run(module, host)))],
    };

    /// <summary>
    /// What every host would refuse, as far as the file alone shows it. That it is unsigned is no part of it: it may be
    /// signed yet.
    /// </summary>
    public static IReadOnlyList<CheckFinding> Faults(ModuleFacts module)
    {
        var host = new HostFacts
        {
            KernelRelease = module.KernelRelease,
            Architecture = module.Architecture,
            Livepatch = true,
        };
        return [.. Run(module, host).Of(CheckOutcome.Refused).Where(f => f.Check != ModuleSignature)];
    }

    /// <summary>A file that cannot be read is refused for that alone.</summary>
    public static PreflightReport Unreadable(string file, Problem problem) => new()
    {
        Module = file,
        Checks = [new CheckFinding(ModuleFormat, CheckOutcome.Refused, problem.Message, problem.Cure)],
    };

    /// <summary>
    /// The refusal in one line, or null if nothing refuses it: the first one names its check, the others are counted.
    /// </summary>
    /// <param name="inPassing">Whether all that refuses it passes with time.</param>
    public static Problem? Refusal(PreflightReport report, out bool inPassing)
    {
        var refused = report.Of(CheckOutcome.Refused).ToList();
        inPassing = refused.Count > 0 && refused.All(f => Passing.Contains(f.Check));
        // What lasts is reported before what passes.
        var first = refused.Find(f => !Passing.Contains(f.Check)) ?? refused.FirstOrDefault();
        if (first is null) return null;
        var others = refused.Count > 1 ? $" (and {refused.Count - 1} more: see `livepatch-agent check`)" : "";
        var what = $"cannot load {report.Module}: {first.Check}: {first.Found}{others}";
        return new Problem(ProblemCode.PreflightRefused, what, first.Cure ?? "");
    }

    private static CheckFinding Finding(string name, CheckResult result)
    {
        var cure = result.Cure is { } text ? PrintableText.Of(text) : null;
        return new(name, result.Outcome, PrintableText.Of(result.Found), cure);
    }
}
