using System.Globalization;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a module wants from the kernel that loads it, as its symbol table and sections show.</summary>
internal static class KernelNeeds
{
    internal static ReadOnlySpan<byte> SymbolPrefix => ".klp.sym."u8;

    internal static ReadOnlySpan<byte> RelaPrefix => ".klp.rela."u8;

    public static (IReadOnlyList<string> Undefined, IReadOnlyList<LivepatchSymbol> Livepatch) Symbols(
        scoped ref ElfFile elf,
        scoped in ElfSymbols symbols)
    {
        List<string> undefined = [];
        List<LivepatchSymbol> livepatch = [];
        for (var i = 1; i < symbols.Count && elf.Fault is null; i++)
        {
            var symbol = symbols[elf, i];
            if (symbol.Section is not (ElfSymbol.Undefined or ElfSymbol.Livepatch)) continue;
            var name = symbols.NameBytes(symbol);
            var isMarked = symbol.Section == ElfSymbol.Livepatch;
            if (name.StartsWith(SymbolPrefix)) livepatch.Add(Symbol(elf.Text(name), isMarked));
            // What else is marked stands in for one of these, as klp-build leaves it; a relocation that still uses it
            // is at fault. The kernel lets a weak symbol that nobody has be 0.
            else if (!isMarked && !name.IsEmpty && !symbol.IsWeak) undefined.Add(elf.Text(name));
        }

        return (undefined, livepatch);
    }

    public static IReadOnlyList<LivepatchRelocations> Relocations(scoped ref ElfFile elf)
    {
        List<LivepatchRelocations> found = [];
        foreach (var section in elf.Sections)
        {
            var name = elf.NameBytes(section);
            var isMarked = section.Type == ElfSection.Rela && section.Has(ElfSection.LivepatchRela);
            if (!isMarked && !name.StartsWith(RelaPrefix)) continue;
            var rest = name.StartsWith(RelaPrefix) ? name[RelaPrefix.Length..] : [];
            var dot = rest.IndexOf((byte)'.');
            var owner = elf.Text(dot < 0 ? rest : rest[..dot]);
            var target = elf.Text(dot < 0 ? [] : rest[dot..]);
            var count = (long)(section.Size / 24);
            found.Add(new LivepatchRelocations(owner, target, count, isMarked, section.Has(ElfSection.Alloc)));
        }

        return found;
    }

    public static long LoadedSize(scoped in ElfFile elf)
    {
        var size = 0UL;
        foreach (var section in elf.Sections)
        {
            if (!section.Has(ElfSection.Alloc)) continue;
            // What a file claims is not to be believed, nor to overflow.
            size = Math.Min(long.MaxValue, size + Math.Min(section.Size, long.MaxValue));
        }

        return (long)size;
    }

    /// <summary>Read by the same rule as what /sys/module shows of a loaded one: an agent compares the two.</summary>
    public static string? BuildId(scoped in ElfFile elf)
    {
        var index = elf.Find(".note.gnu.build-id"u8);
        return index < 0 ? null : Kernel.KernelTexts.BuildId(elf.Bytes(elf.Sections[index]));
    }

    /// <summary>
    /// <c>.klp.sym.OBJECT.NAME,POSITION</c>; what does not read like that keeps its whole name and no object.
    /// </summary>
    private static LivepatchSymbol Symbol(string name, bool isMarked)
    {
        var prefix = Encoding.ASCII.GetString(SymbolPrefix);
        var (dot, comma) = (name.Length > prefix.Length ? name.IndexOf('.', prefix.Length) : -1, name.LastIndexOf(','));
        return name.StartsWith(prefix, StringComparison.Ordinal) && dot > prefix.Length && comma > dot + 1
            && long.TryParse(name.AsSpan(comma + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var position)
            ? new LivepatchSymbol(name[prefix.Length..dot], name[(dot + 1)..comma], position, isMarked)
            : new LivepatchSymbol("", name, 0, isMarked);
    }
}
