using System.Globalization;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>What was found in one section: of each kind the first, and how many.</summary>
internal ref struct SectionFaults(List<RelocationFault> faults)
{
    /// <summary>A module with faults is refused whole: the first ones say enough.</summary>
    public const int MaxFaults = 64;

    private Entry[]? _entries;
    private RelocationFaultKind _last;

    public void Add(RelocationFaultKind kind, string detail)
    {
        ref var entry = ref At(kind);
        if (entry.Count++ == 0) entry.Detail = detail;
    }

    public void Add(RelocationFaultKind kind, ulong number)
    {
        ref var entry = ref At(kind);
        if (entry.Count++ == 0) entry.Number = number;
    }

    public void AddMissing(uint section) => Add(
        RelocationFaultKind.TargetMissing,
        $"section {section.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>The symbol of what was added last; kept where it is in the file until it is reported.</summary>
    public void Name(scoped ReadOnlySpan<byte> symbol)
    {
        ref var entry = ref At(_last);
        if (entry.Count == 1) entry.Detail = Encoding.UTF8.GetString(symbol);
    }

    public readonly void Flush(scoped ref ElfFile elf, ReadOnlySpan<byte> name)
    {
        if (_entries is null) return;
        for (var i = 0; i < _entries.Length && faults.Count < MaxFaults; i++)
        {
            var (kind, entry) = ((RelocationFaultKind)i, _entries[i]);
            if (entry.Count == 0) continue;
            var detail = entry.Detail ?? Words(kind, entry.Number);
            faults.Add(new RelocationFault(kind, elf.Text(name), detail, entry.Count));
        }
    }

    private static string Words(RelocationFaultKind kind, ulong number) => kind switch
    {
        RelocationFaultKind.PlaceOutOfTarget or RelocationFaultKind.PlaceNotZero =>
            string.Create(CultureInfo.InvariantCulture, $"offset 0x{number:x}"),
        RelocationFaultKind.TypeUnknown => string.Create(CultureInfo.InvariantCulture, $"type {number}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"symbol {number}"),
    };

    private ref Entry At(RelocationFaultKind kind)
    {
        _last = kind;
        _entries ??= new Entry[Enum.GetValues<RelocationFaultKind>().Length];
        return ref _entries[(int)kind];
    }

    private struct Entry
    {
        public long Count;
        public string? Detail;
        public ulong Number;
    }
}
