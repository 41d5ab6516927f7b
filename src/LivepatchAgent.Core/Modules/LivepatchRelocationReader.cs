using System.Globalization;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// Goes through every relocation that the kernel would apply and finds those that it would refuse, or that it would
/// apply wrongly without a word. One pass over the entries, no allocation but for what is found.
/// </summary>
internal static class LivepatchRelocationReader
{
    private const int EntrySize = 24;

    /// <summary>
    /// Tables that module_finalize() and the module notifiers read before the livepatch's init runs. What is filled in
    /// after that, as relocations for a module are, comes too late.
    /// </summary>
    private static readonly string[] EarlyTables =
    [
        "__jump_table", ".static_call_sites", ".altinstructions", ".altinstr_replacement", ".parainstructions",
        ".retpoline_sites", ".return_sites", ".call_sites", ".cfi_sites", ".ibt_endbr_seal", ".smp_locks",
        "__tracepoints_ptrs",
    ];

    public static IReadOnlyList<RelocationFault> Faults(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        List<RelocationFault> faults = [];
        foreach (var section in elf.Sections)
        {
            if (faults.Count >= SectionFaults.MaxFaults || elf.Fault is not null) break;
            var name = elf.NameBytes(section);
            var isNamed = name.StartsWith(KernelNeeds.RelaPrefix);
            var isMarked = section.Has(ElfSection.LivepatchRela);
            if (!isNamed && !isMarked && section.Type != ElfSection.Rela) continue;
            var found = new SectionFaults(faults);
            if (isNamed || isMarked) Livepatch(ref elf, symbols, section, ref found);
            else Ordinary(ref elf, symbols, section, ref found);
            found.Flush(ref elf, name);
        }

        return faults;
    }

    private static void Livepatch(
        scoped ref ElfFile elf,
        scoped in ElfSymbols symbols,
        ElfSection section,
        ref SectionFaults found)
    {
        var holder = LivepatchSymbolName.ObjectOfSection(elf.NameBytes(section));
        var isKernels = holder.SequenceEqual("vmlinux"u8);
        if (holder.IsEmpty) found.Add(RelocationFaultKind.NameMalformed, "");
        var isRela = section.Type == ElfSection.Rela;
        if (!isRela || !section.Has(ElfSection.LivepatchRela)) found.Add(RelocationFaultKind.NotMarked, "");
        if (!isKernels && !section.Has(ElfSection.Alloc)) found.Add(RelocationFaultKind.NotAllocated, "");
        if (!isRela) return;
        var hasTarget = section.Info != 0 && section.Info < elf.Sections.Length;
        if (!hasTarget || !elf.Sections[(int)section.Info].Has(ElfSection.Alloc))
        {
            found.AddMissing(section.Info);
            return;
        }

        var target = elf.Sections[(int)section.Info];
        if (!isKernels && IsEarly(elf.NameBytes(target)))
            found.Add(RelocationFaultKind.ReadTooEarly, elf.Text(elf.NameBytes(target)));
        var rows = elf.Bytes(section);
        if (rows.Length % EntrySize != 0) found.Add(RelocationFaultKind.EntriesMalformed, "");
        for (var at = 0; at + EntrySize <= rows.Length; at += EntrySize)
        {
            var row = rows.Slice(at, EntrySize);
            if (!Place(ref elf, target, row, ref found)) continue;
            Symbol(elf, symbols, holder, isKernels, elf.U64(row, 8) >> 32, ref found);
        }
    }

    /// <summary>The symbol of an entry in livepatch relocations for the object <paramref name="holder"/>.</summary>
    private static void Symbol(
        scoped in ElfFile elf,
        scoped in ElfSymbols symbols,
        scoped ReadOnlySpan<byte> holder,
        bool isKernels,
        ulong index,
        ref SectionFaults found)
    {
        if (index >= (ulong)symbols.Count)
        {
            found.Add(RelocationFaultKind.SymbolOutOfRange, index);
            return;
        }

        var symbol = symbols[elf, (int)index];
        if (symbol.Section != ElfSymbol.Livepatch)
        {
            found.Add(RelocationFaultKind.SymbolNotLivepatch, index);
            return;
        }

        var of = LivepatchSymbolName.ObjectOfSymbol(symbols.NameBytes(symbol));
        if (of.IsEmpty) found.Add(RelocationFaultKind.SymbolNameMalformed, index);
        else if (of.SequenceEqual(holder)) return;
        else if (isKernels) found.Add(RelocationFaultKind.SymbolOfOtherObject, index);
        else if (of.SequenceEqual("vmlinux"u8)) found.Add(RelocationFaultKind.KernelSymbolInModuleSection, index);
        // It is of a module that this one depends on.
        else return;
        found.Name(symbols.NameBytes(symbol));
    }

    /// <summary>
    /// What the kernel applies as the module loads; sections for debugging and the like are left out, as it does.
    /// </summary>
    private static void Ordinary(
        scoped ref ElfFile elf,
        scoped in ElfSymbols symbols,
        ElfSection section,
        ref SectionFaults found)
    {
        if (section.Info >= elf.Sections.Length)
        {
            found.AddMissing(section.Info);
            return;
        }

        var target = elf.Sections[(int)section.Info];
        if (!target.Has(ElfSection.Alloc)) return;
        var isList = IsListOfTool(elf.NameBytes(target));
        var rows = elf.Bytes(section);
        for (var at = 0; at + EntrySize <= rows.Length; at += EntrySize)
        {
            var row = rows.Slice(at, EntrySize);
            if (!Place(ref elf, target, row, ref found)) continue;
            var index = elf.U64(row, 8) >> 32;
            if (index >= (ulong)symbols.Count)
            {
                found.Add(RelocationFaultKind.SymbolOutOfRange, index);
                continue;
            }

            var symbol = symbols[elf, (int)index];
            if (symbol.Section != ElfSymbol.Livepatch || isList) continue;
            found.Add(RelocationFaultKind.LivepatchSymbolInOrdinarySection, index);
            found.Name(symbols.NameBytes(symbol));
        }
    }

    /// <summary>False when the entry writes nothing, or nowhere.</summary>
    private static bool Place(
        scoped ref ElfFile elf,
        ElfSection target,
        ReadOnlySpan<byte> row,
        ref SectionFaults found)
    {
        var type = (uint)elf.U64(row, 8);
        var width = RelocationTypes.Width(elf.Machine, type);
        var at = elf.U64(row, 0);
        if (width < 0)
        {
            found.Add(RelocationFaultKind.TypeUnknown, type);
            return false;
        }

        if (width == 0) return false;
        if (at > target.Size || (ulong)width > target.Size - at)
        {
            found.Add(RelocationFaultKind.PlaceOutOfTarget, at);
            return false;
        }

        var bytes = elf.Bytes(target);
        if (bytes.IsEmpty || !RelocationTypes.WantsZero(elf.Machine)) return true;
        if (bytes.Slice((int)at, width).ContainsAnyExcept((byte)0)) found.Add(RelocationFaultKind.PlaceNotZero, at);
        return true;
    }

    /// <summary>
    /// What klp-build's linker (objtool klp post-link) made the livepatch sections of; it stays in the module, where
    /// nobody reads it.
    /// </summary>
    private static bool IsListOfTool(ReadOnlySpan<byte> target) =>
        target.SequenceEqual("__klp_relocs"u8) || target.StartsWith("__klp_relocs."u8);

    private static bool IsEarly(ReadOnlySpan<byte> target)
    {
        foreach (var table in EarlyTables)
        {
            if (Ascii.Equals(target, table)) return true;
        }

        return false;
    }
}
