using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// The kernel's same_magic(): release and build options must be its own. With CRCs of symbols in the module and
/// CONFIG_MODVERSIONS in the kernel it leaves the release out of the comparison.
/// </summary>
internal static class VermagicCheck
{
    private const string Rebuild = "build it against the headers of exactly this kernel";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var (release, options) = Parts(module.Vermagic);
        // Only the kernel's own text or its options show whether that text ends with a hash of its build as well.
        var isShuffled = options.Contains("RANDSTRUCT_", StringComparison.Ordinal);
        var isOpen = isShuffled && host.Config is null && KernelFeatures.OwnVermagic(host) is null;
        var texts = isOpen ? null : KernelFeatures.Vermagics(host);
        var expected = texts?.Select(text => Parts(text).Options).ToList();
        if (expected?.Contains(options) == false)
        {
            var own = string.Join("\" or \"", expected);
            return CheckResult.Refused($"it was built with \"{options}\", this kernel with \"{own}\"", Rebuild);
        }

        if (release == host.KernelRelease)
        {
            return expected is not null
                ? CheckResult.Ok($"\"{module.Vermagic.TrimEnd()}\", as the kernel's own")
                : CheckResult.CannotTell(
                    $"the release agrees ({release}); with which options (\"{options}\") this kernel was built "
                    + "is not known",
                    CheckResult.AsRoot);
        }

        var differs = $"it was built for {release}, this host runs {host.KernelRelease}";
        // For this it looks at __versions alone, also where it goes by the other section.
        if (module.SymbolVersions is null) return CheckResult.Refused(differs, Rebuild);
        return KernelFeatures.HasModuleVersions(host) switch
        {
            true => CheckResult.Warning(
                $"{differs}: the kernel goes by the symbols' CRCs instead, the agent loads no such patch",
                Rebuild),
            false => CheckResult.Refused(differs, Rebuild),
            null => CheckResult.CannotTell($"{differs}; whether the kernel minds is not known", Rebuild),
        };
    }

    private static (string Release, string Options) Parts(string vermagic)
    {
        var space = vermagic.IndexOf(' ', StringComparison.Ordinal);
        return space < 0 ? (vermagic, "") : (vermagic[..space], vermagic[(space + 1)..].TrimEnd());
    }
}
