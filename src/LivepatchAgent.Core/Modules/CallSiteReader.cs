using System.Globalization;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// Holds each entry of a module's <c>__mcount_loc</c> to its code, as ftrace does when the module is loaded (x86-64;
/// ftrace_make_nop() in arch/x86/kernel/ftrace.c). What it finds there and does not expect makes it switch itself off
/// until the next boot, with a warning: no livepatch can be loaded any more.
/// </summary>
internal sealed class CallSiteReader
{
    /// <summary>A module with faults is refused whole: the first ones are enough.</summary>
    private const int MaxFaults = 64;

    private const int EntrySize = 24, WordSize = 8, CallSize = 5;

    /// <summary>A place, and what is known of its code.</summary>
    private const int SiteCost = 9;

    private const uint Absolute = 1, Relative = 2, RelativeByPlt = 4;

    private const byte HasCall = 1, HasOther = 2;

    private static ReadOnlySpan<byte> NoOp => [0x0f, 0x1f, 0x44, 0x00, 0x00];

    private readonly List<CallSiteFault> _faults = [];
    private ElfPlace[] _sites = [];
    private int _count;
    private byte[] _found = [];
    private long _noOps;

    /// <summary>Its faults, and how many of its places are no-ops already.</summary>
    public static (IReadOnlyList<CallSiteFault> Faults, long NoOps) Read(
        scoped ref ElfFile elf,
        scoped in ElfSymbols symbols)
    {
        // Of other architectures the places differ with the kernel's options.
        if (elf.Machine != ElfFile.MachineX64) return ([], 0);
        var list = List(elf);
        if (list < 0) return ([], 0);
        var reader = new CallSiteReader();
        reader.ReadSites(ref elf, symbols, list);
        reader.ReadRelocations(ref elf, symbols);
        reader.Compare(elf);
        return (reader._faults, reader._noOps);
    }

    /// <summary>The kernel takes the first that is allocated.</summary>
    private static int List(scoped in ElfFile elf)
    {
        var index = elf.Find("__mcount_loc"u8);
        while (index >= 0 && !elf.Sections[index].Has(ElfSection.Alloc)) index = elf.FindAfter(index, "__mcount_loc"u8);
        return index;
    }

    private void ReadSites(scoped ref ElfFile elf, scoped in ElfSymbols symbols, int list)
    {
        var words = elf.Bytes(elf.Sections[list]);
        // The kernel passes over zeros; what is not zero and not relocated is an address in no code.
        for (var at = 0; at + WordSize <= words.Length; at += WordSize)
        {
            if (elf.U64(words, at) != 0) Add(CallSiteFaultKind.NotInCode, elf, new ElfPlace(list, (ulong)at));
        }

        var count = 0L;
        foreach (var section in elf.Sections)
        {
            if (IsFor(section, symbols, list)) count += elf.Bytes(section).Length / EntrySize;
        }

        if (!elf.TryPay(count * SiteCost)) return;
        _sites = new ElfPlace[count];
        foreach (var section in elf.Sections)
        {
            if (!IsFor(section, symbols, list)) continue;
            for (var rows = elf.Bytes(section); rows.Length >= EntrySize; rows = rows[EntrySize..])
            {
                if (Site(elf, symbols, list, rows) is { } site) _sites[_count++] = site;
            }
        }

        Array.Sort(_sites, 0, _count);
        TakeOutRepeated(elf);
        _found = new byte[_count];
    }

    private static bool IsFor(ElfSection section, scoped in ElfSymbols symbols, int list) =>
        section.Type == ElfSection.Rela
        && section.Info == list
        && section.Link == symbols.Index
        && !section.Has(ElfSection.LivepatchRela);

    private ElfPlace? Site(scoped in ElfFile elf, scoped in ElfSymbols symbols, int list, scoped ReadOnlySpan<byte> row)
    {
        var (at, info, addend) = (elf.U64(row, 0), elf.U64(row, 8), elf.U64(row, 16));
        if ((uint)info == 0) return null;
        if ((uint)info == Absolute && at % WordSize == 0 && info >> 32 < (ulong)symbols.Count)
        {
            var symbol = symbols[elf, (int)(info >> 32)];
            if (symbol.Section != ElfSymbol.Undefined && symbol.Section < elf.Sections.Length)
            {
                var (section, offset) = (elf.Sections[symbol.Section], symbol.Value + addend);
                var isCode = section.Has(ElfSection.Execute) && section.Has(ElfSection.Alloc);
                var isWhole = offset < section.Size && section.Size - offset >= CallSize;
                if (isCode && isWhole) return new ElfPlace(symbol.Section, offset);
            }
        }

        Add(CallSiteFaultKind.NotInCode, elf, new ElfPlace(list, at));
        return null;
    }

    private void TakeOutRepeated(scoped in ElfFile elf)
    {
        var count = 0;
        foreach (var site in _sites.AsSpan(0, _count))
        {
            if (count == 0 || _sites[count - 1] != site) _sites[count++] = site;
            else Add(CallSiteFaultKind.ListedTwice, elf, site);
        }

        _count = count;
    }

    /// <summary>What the kernel changes in the bytes of a place before ftrace looks at them.</summary>
    private void ReadRelocations(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        if (_count == 0) return;
        foreach (var section in elf.Sections)
        {
            if (section.Type != ElfSection.Rela || section.Info >= elf.Sections.Length) continue;
            if (!elf.Sections[(int)section.Info].Has(ElfSection.Execute)) continue;
            for (var rows = elf.Bytes(section); rows.Length >= EntrySize; rows = rows[EntrySize..])
                Mark(elf, symbols, (int)section.Info, rows);
        }
    }

    private void Mark(scoped in ElfFile elf, scoped in ElfSymbols symbols, int section, scoped ReadOnlySpan<byte> row)
    {
        var (at, type) = (elf.U64(row, 0), (uint)elf.U64(row, 8));
        var width = RelocationTypes.Width(elf.Machine, type);
        if (width <= 0) return;
        var first = Array.BinarySearch(_sites, 0, _count, new ElfPlace(section, at - Math.Min(at, CallSize - 1)));
        // Places differ, so that no more of them than bytes are near.
        for (var i = first < 0 ? ~first : first; i < _count && _sites[i].Section == section; i++)
        {
            var site = _sites[i].Offset;
            if (site >= at && site - at >= (ulong)width) break;
            _found[i] |= at == site + 1 && IsCall(elf, symbols, type, row) ? HasCall : HasOther;
        }
    }

    private static bool IsCall(
        scoped in ElfFile elf,
        scoped in ElfSymbols symbols,
        uint type,
        scoped ReadOnlySpan<byte> row)
    {
        const ulong BehindTheCall = unchecked((ulong)-4L);
        var index = elf.U64(row, 8) >> 32;
        if (type is not (Relative or RelativeByPlt) || elf.U64(row, 16) != BehindTheCall) return false;
        if (index >= (ulong)symbols.Count) return false;
        var symbol = symbols[elf, (int)index];
        var name = symbols.NameBytes(symbol);
        return symbol.Section switch
        {
            ElfSymbol.Undefined => name.SequenceEqual("__fentry__"u8),
            ElfSymbol.Livepatch => name.StartsWith(".klp.sym.vmlinux.__fentry__,"u8),
            _ => false,
        };
    }

    private void Compare(scoped in ElfFile elf)
    {
        const byte Call = 0xe8;
        for (var i = 0; i < _count; i++)
        {
            var code = elf.Bytes(elf.Sections[_sites[i].Section]);
            // A section without bytes in the file is zeros.
            var bytes = code.IsEmpty ? [] : code.Slice((int)_sites[i].Offset, CallSize);
            if (_found[i] == 0 && bytes.SequenceEqual(NoOp))
            {
                _noOps++;
                continue;
            }

            var isCall = _found[i] == HasCall && !bytes.IsEmpty && bytes[0] == Call;
            if (!isCall) Add(CallSiteFaultKind.NoCall, elf, _sites[i]);
        }
    }

    private void Add(CallSiteFaultKind kind, scoped in ElfFile elf, ElfPlace place)
    {
        if (_faults.Count >= MaxFaults) return;
        var section = Encoding.UTF8.GetString(elf.NameBytes(elf.Sections[place.Section]));
        var where = string.Create(CultureInfo.InvariantCulture, $"{section}+0x{place.Offset:x}");
        _faults.Add(new CallSiteFault(kind, where));
    }
}
