using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What preflight wants to know of a host for one module, so that 150,000 symbols need not be kept for it.
/// </summary>
/// <param name="Names">Symbols of the kernel and of modules.</param>
/// <param name="Functions">Functions that it patches: clones of these (<c>name.isra.0</c>) are of interest too.</param>
/// <param name="Objects">Modules that it patches or whose symbols it uses.</param>
/// <param name="Exports">Exported symbols whose CRC it was built against.</param>
/// <param name="Signers">The keys that signed it, as a keyring is asked for them
/// (<see cref="SignatureSigner.KeyringQuery"/>).</param>
public sealed record HostQuestions(
    IReadOnlySet<string> Names,
    IReadOnlySet<string> Functions,
    IReadOnlySet<string> Objects,
    IReadOnlySet<string> Exports,
    IReadOnlyList<string> Signers)
{
    /// <summary>What the kernel calls the row of its export table for a symbol.</summary>
    public const string ExportPrefix = "__ksymtab_";

    public static HostQuestions Of(ModuleFacts module)
    {
        HashSet<string> names = [.. KernelFeatures.Symbols], objects = [];
        HashSet<string> functions = [.. module.Functions.Select(f => f.Name)];
        HashSet<string> exports = [.. module.NeededSymbols];
        names.UnionWith(functions);
        foreach (var needed in module.NeededSymbols)
        {
            names.Add(ExportPrefix + needed);
            // So that one that is there and not exported can be distinguished from one that is not there.
            names.Add(needed);
        }

        foreach (var symbol in module.LivepatchSymbols)
        {
            names.Add(symbol.Name);
            objects.Add(symbol.Object);
        }

        foreach (var function in module.Functions) objects.Add(function.Object);
        foreach (var relocations in module.LivepatchRelocations) objects.Add(relocations.Object);
        objects.Remove("vmlinux");
        objects.Remove("");
        IReadOnlyList<SignatureSigner> checkedSigners = module.Signatures is [var last, ..] ? last.Signers : [];
        var queries = checkedSigners.Select(s => s.KeyringQuery).Where(q => q.Length > 0);
        List<string> signers = [.. queries.Distinct()];
        return new HostQuestions(names, functions, objects, exports, signers);
    }
}
