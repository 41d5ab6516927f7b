using System.Buffers.Binary;
using System.Text;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Goes once through the kernel's symbols and once through what can be traced, and keeps what was asked for; everything
/// when nothing in particular was. What a few questions ask is found in the kernel's memory, where that can be read and
/// is understood: the kernel needs long to write /proc/kallsyms and available_filter_functions.
/// </summary>
internal sealed class SymbolCollector
{
    private const string Kernel = "vmlinux";

    private readonly bool _all;
    private readonly NameSet _asked;
    private readonly HashSet<string> _names;
    private readonly HashSet<string> _functions;
    private readonly HashSet<string> _marks;
    private readonly List<string> _needed;
    private readonly NameSet _functionNames;
    private readonly NameSet _objects;
    private readonly Dictionary<string, Dictionary<string, int>> _symbols = new() { [Kernel] = [] };
    private readonly Dictionary<(string Object, string Name), List<ulong>> _places = [];
    private readonly SymbolAliases _aliases = new();

    /// <param name="loaded">Loaded modules: that one has no symbol of a name is known of these.</param>
    public SymbolCollector(HostQuestions? questions, IReadOnlyList<string>? loaded)
    {
        _all = questions is null;
        _names = [.. questions?.Names ?? Enumerable.Empty<string>()];
        _functions = [.. questions?.Functions ?? Enumerable.Empty<string>()];
        var exports = (questions?.Exports ?? Enumerable.Empty<string>()).Append("module_layout");
        _marks =
        [
            TraceRecords.Start, PatchList.Symbol, KernelVermagic.Symbol, .. ExportTable.Marks,
            .. exports.Select(e => HostQuestions.ExportPrefix + e),
        ];
        _asked = new NameSet(_names.Concat(_functions).Concat(_marks));
        _functionNames = new NameSet(_functions);
        _objects = new NameSet(loaded ?? []);
        _needed = [.. (questions?.Exports ?? Enumerable.Empty<string>()).Select(e => HostQuestions.ExportPrefix + e)];
        foreach (var name in loaded ?? [])
        {
            if (_all || questions!.Objects.Contains(name)) _symbols[name] = [];
        }
    }

    /// <summary>
    /// Addresses of what was looked for to find CRCs and records; empty where the kernel hides addresses. They never
    /// leave this process.
    /// </summary>
    public Dictionary<string, ulong> Addresses { get; } = [];

    /// <summary>
    /// After <see cref="TraceableOf"/>: of names that several functions have, which of them can be traced, in the order
    /// of /proc/kallsyms.
    /// </summary>
    public IReadOnlyDictionary<(string Object, string Name), IReadOnlyList<bool>>? TraceableInOrder
    {
        get;
        private set;
    }

    /// <summary>
    /// By the kernel's memory; null when that does not answer every question, and <see cref="Symbols"/> has to.
    /// </summary>
    /// <param name="addressOf">Where a loaded module's struct module is; null when that is not known.</param>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? SymbolsOf(
        KernelMemory memory, Func<string, ulong?> addressOf)
    {
        if (_all) return null;
        var wanted = _names.Concat(_functions).Concat(_marks);
        if (SymbolMemory.Read(memory, IsWanted, wanted) is not { } found) return null;
        foreach (var (name, address) in found) Take(name, Kernel, address);
        foreach (var module in _symbols.Keys.Where(k => k != Kernel).ToList())
        {
            if (addressOf(module) is not { } place) return null;
            if (ModuleMemory.Read(memory, place, IsWanted) is not { } own) return null;
            foreach (var (name, address) in own) Take(name, module, address);
        }

        // What another module exports is in none of these.
        return _needed.All(n => _symbols.Values.Any(s => s.ContainsKey(n))) ? Table(_symbols) : null;
    }

    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? Symbols(string path)
    {
        foreach (var holder in _symbols.Keys) _symbols[holder] = [];
        _places.Clear();
        Addresses.Clear();
        return LongFile.Read(path, Symbol) && _symbols[Kernel].Count > 0 ? Table(_symbols) : null;
    }

    /// <summary>
    /// After one of these, by the kernel's memory; null when that has no answer, and <see cref="Traceable"/> has to.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? TraceableOf(KernelMemory memory, long total)
    {
        if (_all || !Addresses.TryGetValue(TraceRecords.Start, out var start)) return null;
        if (_places.Values.Any(p => p.Contains(0))) return null;
        var functions = _places.Values.SelectMany(p => p).ToHashSet();
        if (TraceRecords.Of(memory, start, total, functions) is not { } traceable) return null;
        var found = _symbols.Keys.ToDictionary(k => k, _ => new Dictionary<string, int>());
        foreach (var ((holder, name), addresses) in _places)
        {
            if (!found.TryGetValue(holder, out var names)) continue;
            var count = addresses.Count(traceable.Contains);
            if (count > 0) names[name] = count;
        }

        TraceableInOrder = _places.Where(p => p.Value.Count > 1).ToDictionary(
            p => p.Key,
            p => (IReadOnlyList<bool>)[.. p.Value.Select(traceable.Contains)]);
        return Table(found);
    }

    /// <summary>
    /// After <see cref="Symbols"/>: a function that shares its address with another may be listed by that one's name.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? Traceable(string path)
    {
        var found = _symbols.Keys.ToDictionary(k => k, _ => new Dictionary<string, int>());
        var aliases = new NameSet(_aliases.Names);
        var any = false;
        var read = LongFile.Read(path, line =>
        {
            any = true;
            SymbolTexts.Function(line, out var name, out var module);
            var isFunction = _functionNames.TryGet(name, out var text);
            var isAlias = !isFunction && !_all && aliases.TryGet(name, out text);
            if (!_all && !isFunction && !isAlias) return;
            if (!found.TryGetValue(Object(module), out var names)) return;
            if (_all) text = Encoding.UTF8.GetString(name);
            if (!isAlias) Count(names, text);
            CountOthers(names, text, _symbols[Object(module)]);
        });
        return read && any ? Table(found) : null;
    }

    /// <summary>
    /// Other names of the address of one that is listed; where everything is kept, no more often than there are such
    /// names.
    /// </summary>
    private void CountOthers(Dictionary<string, int> names, string name, Dictionary<string, int> symbols)
    {
        if (_aliases.Of(name) is not { } others) return;
        foreach (var other in others)
        {
            if (!_all || names.GetValueOrDefault(other) < symbols.GetValueOrDefault(other)) Count(names, other);
        }
    }

    private void Symbol(ReadOnlySpan<byte> line)
    {
        if (!SymbolLine.TryRead(line, out var symbol)) return;
        if (_all)
        {
            TakeAny(symbol);
            return;
        }

        var isWanted = IsWanted(symbol.Name, out var name);
        if (isWanted) Take(name, Object(symbol.Module), symbol.Address);
        _aliases.Add(symbol, isWanted && _functions.Contains(name) ? name : null);
    }

    private void TakeAny(SymbolLine symbol)
    {
        // Symbols that only pad functions mean nothing.
        if (!symbol.Name.StartsWith("__pfx_"u8))
        {
            var text = Encoding.UTF8.GetString(symbol.Name);
            Keep(Object(symbol.Module), text);
            _aliases.Group(symbol, text);
        }

        if (!symbol.Module.IsEmpty) return;
        var isMark = symbol.Name.StartsWith("__ksymtab_"u8) || _asked.TryGet(symbol.Name, out _);
        if (isMark) KeepAddress(Encoding.UTF8.GetString(symbol.Name), symbol.Address);
    }

    /// <summary>What was asked for, and clones of the functions.</summary>
    private bool IsWanted(ReadOnlySpan<byte> bytes, out string name)
    {
        if (_asked.TryGet(bytes, out name)) return true;
        if (bytes.IndexOf((byte)'.') is var dot and > 0 && _functionNames.TryGet(bytes[..dot], out _))
        {
            name = Encoding.UTF8.GetString(bytes);
            return true;
        }

        return false;
    }

    private void Take(string name, string holder, ulong address)
    {
        var isClone = !_names.Contains(name) && !_functions.Contains(name) && !_marks.Contains(name);
        if (isClone || _names.Contains(name)) Keep(holder, name);
        if (holder == Kernel && _marks.Contains(name)) KeepAddress(name, address);
        if (!_functions.Contains(name)) return;
        var place = (holder, name);
        if (!_places.TryGetValue(place, out var addresses)) _places[place] = addresses = [];
        addresses.Add(address);
    }

    private void Keep(string holder, string name)
    {
        if (_symbols.TryGetValue(holder, out var names))
        {
            Count(names, name);
            return;
        }

        var isKept = _all || name.StartsWith(HostQuestions.ExportPrefix, StringComparison.Ordinal);
        if (isKept) _symbols[holder] = new Dictionary<string, int> { [name] = 1 };
    }

    private void KeepAddress(string name, ulong address)
    {
        if (address != 0) Addresses.TryAdd(name, address);
    }

    private string Object(ReadOnlySpan<byte> module)
    {
        if (module.IsEmpty) return Kernel;
        return _objects.TryGet(module, out var name) ? name : Encoding.UTF8.GetString(module);
    }

    private static void Count(Dictionary<string, int> names, string name) =>
        names[name] = names.GetValueOrDefault(name) + 1;

    private static Dictionary<string, IReadOnlyDictionary<string, int>> Table(
        Dictionary<string, Dictionary<string, int>> found) =>
        found.ToDictionary(f => f.Key, f => (IReadOnlyDictionary<string, int>)f.Value);
}
