namespace LivepatchAgent.Core.Modules;

/// <summary>The names that a module's file defines, as the kernel's table of a loaded module would have them.</summary>
/// <param name="Names">How often each name occurs.</param>
/// <param name="Traceable">How often each is a function that ftrace, and so a livepatch, can redirect.</param>
public sealed record ModuleSymbols(IReadOnlyDictionary<string, int> Names, IReadOnlyDictionary<string, int> Traceable)
{
    /// <summary>Null when it is no module.</summary>
    public static ModuleSymbols? Read(ReadOnlySpan<byte> file)
    {
        if (ModuleSignature.IsMarked(file))
        {
            var trailer = file[Math.Max(0, file.Length - ModuleSignature.TrailerLength)..];
            if (!ModuleSignature.TryFind(trailer, file.Length, out var signature, out _)) return null;
            file = file[..(int)signature.ContentLength];
        }

        var elf = new ElfFile(file);
        if (elf.Fault is not null) return null;
        var symbols = new ElfSymbols(ref elf);
        if (elf.Fault is not null) return null;
        var sites = CallSites.Read(ref elf, symbols);
        Dictionary<string, int> names = [], traceable = [];
        for (var i = 1; i < symbols.Count && elf.Fault is null; i++)
        {
            var symbol = symbols[elf, i];
            var name = symbols.NameBytes(symbol);
            if (symbol.Section == ElfSymbol.Undefined || name.IsEmpty) continue;
            // Only what stays in memory is in the kernel's table.
            if (symbol.Section < elf.Sections.Length && !elf.Sections[symbol.Section].Has(ElfSection.Alloc)) continue;
            var text = elf.Text(name);
            names[text] = names.GetValueOrDefault(text) + 1;
            var isTraceable = symbol.Section < elf.Sections.Length && sites.IsIn(symbol);
            if (isTraceable) traceable[text] = traceable.GetValueOrDefault(text) + 1;
        }

        return elf.Fault is null ? new ModuleSymbols(names, traceable) : null;
    }
}
