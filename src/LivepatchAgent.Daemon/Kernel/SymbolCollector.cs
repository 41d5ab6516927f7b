using System.Text;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Goes once through /proc/kallsyms and once through available_filter_functions, and keeps what was asked for; everything
/// when nothing in particular was.
/// </summary>
internal sealed class SymbolCollector
{
    private const string Kernel = "vmlinux";
    private const int AddressLength = 16;

    private readonly bool _all;
    private readonly NameSet _names;
    private readonly NameSet _functions;
    private readonly NameSet _objects;
    private readonly NameSet _marks;
    private readonly Dictionary<string, Dictionary<string, int>> _symbols = new() { [Kernel] = [] };
    private readonly Dictionary<string, HashSet<string>> _aliases = [];
    private readonly byte[] _lastAddress = new byte[AddressLength];
    private byte[] _lastName = new byte[512];
    private int _lastLength;
    private string? _groupFunction;

    /// <param name="loaded">Loaded modules: that one has no symbol of a name is known of these.</param>
    public SymbolCollector(HostQuestions? questions, IEnumerable<string>? loaded)
    {
        _all = questions is null;
        _names = new NameSet(questions?.Names ?? Enumerable.Empty<string>());
        _functions = new NameSet(questions?.Functions ?? Enumerable.Empty<string>());
        _objects = new NameSet(loaded ?? []);
        _marks = new NameSet(ExportTable.Marks.Concat((questions?.Exports ?? Enumerable.Empty<string>()).Append("module_layout").Select(e => HostQuestions.ExportPrefix + e)));
        foreach (var name in loaded ?? [])
        {
            if (_all || questions!.Objects.Contains(name)) _symbols[name] = [];
        }
    }

    /// <summary>Addresses of what was looked for to find CRCs; empty where the kernel hides addresses. They leave this process in nothing.</summary>
    public Dictionary<string, ulong> Addresses { get; } = [];

    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? Symbols(string path) =>
        LongFile.Read(path, Symbol) && _symbols[Kernel].Count > 0 ? Table(_symbols) : null;

    /// <summary>After <see cref="Symbols"/>: a function that shares its address with another may be listed by that one's name.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? Traceable(string path)
    {
        var found = _symbols.Keys.ToDictionary(k => k, _ => new Dictionary<string, int>());
        var aliases = new NameSet(_aliases.Keys);
        var any = false;
        var read = LongFile.Read(path, line =>
        {
            any = true;
            SymbolTexts.Function(line, out var name, out var module);
            var isFunction = _functions.TryGet(name, out var text);
            var isAlias = !isFunction && aliases.TryGet(name, out text);
            if (!_all && !isFunction && !isAlias) return;
            if (!found.TryGetValue(Object(module), out var names)) return;
            if (isAlias)
            {
                foreach (var function in _aliases[text]) Count(names, function);
            }
            else
            {
                Count(names, _all ? Encoding.UTF8.GetString(name) : text);
            }
        });
        return read && any ? Table(found) : null;
    }

    private void Symbol(ReadOnlySpan<byte> line)
    {
        if (!SymbolLine.TryRead(line, out var symbol)) return;
        if (_all)
        {
            // Symbols that only pad functions tell nothing.
            if (!symbol.Name.StartsWith("__pfx_"u8)) Keep(symbol, Encoding.UTF8.GetString(symbol.Name));
        }
        else if (_names.TryGet(symbol.Name, out var name))
        {
            Keep(symbol, name);
        }
        else if (symbol.Name.IndexOf((byte)'.') is var dot and > 0 && _functions.TryGet(symbol.Name[..dot], out _))
        {
            Keep(symbol, Encoding.UTF8.GetString(symbol.Name));
        }

        if (symbol.Module.IsEmpty && IsMark(symbol.Name, out var mark) && symbol.Address is var address and not 0) Addresses.TryAdd(mark, address);
        Alias(symbol);
    }

    private bool IsMark(ReadOnlySpan<byte> name, out string mark)
    {
        if (_marks.TryGet(name, out mark)) return true;
        if (!_all || !name.StartsWith("__ksymtab_"u8)) return false;
        mark = Encoding.UTF8.GetString(name);
        return true;
    }

    private void Keep(SymbolLine symbol, string name)
    {
        var holder = Object(symbol.Module);
        if (_symbols.TryGetValue(holder, out var names)) Count(names, name);
        else if (name.StartsWith(HostQuestions.ExportPrefix, StringComparison.Ordinal) || _all) _symbols[holder] = new Dictionary<string, int> { [name] = 1 };
    }

    /// <summary>kallsyms is in the order of addresses: names of one address follow each other.</summary>
    private void Alias(SymbolLine symbol)
    {
        var isSame = symbol.AddressText.SequenceEqual(_lastAddress) && symbol.AddressText.ContainsAnyExcept((byte)'0');
        if (!isSame) _groupFunction = null;
        if (_functions.TryGet(symbol.Name, out var function))
        {
            if (isSame) AddAlias(Encoding.UTF8.GetString(_lastName.AsSpan(0, _lastLength)), function);
            _groupFunction = function;
        }
        else if (isSame && _groupFunction is not null)
        {
            AddAlias(Encoding.UTF8.GetString(symbol.Name), _groupFunction);
        }

        symbol.AddressText.CopyTo(_lastAddress);
        if (symbol.Name.Length > _lastName.Length) _lastName = new byte[symbol.Name.Length];
        symbol.Name.CopyTo(_lastName);
        _lastLength = symbol.Name.Length;
    }

    private void AddAlias(string alias, string function)
    {
        if (alias == function) return;
        if (!_aliases.TryGetValue(alias, out var functions)) _aliases[alias] = functions = [];
        functions.Add(function);
    }

    private string Object(ReadOnlySpan<byte> module) => module.IsEmpty ? Kernel : _objects.TryGet(module, out var name) ? name : Encoding.UTF8.GetString(module);

    private static void Count(Dictionary<string, int> names, string name) => names[name] = names.GetValueOrDefault(name) + 1;

    private static Dictionary<string, IReadOnlyDictionary<string, int>> Table(Dictionary<string, Dictionary<string, int>> found) =>
        found.ToDictionary(f => f.Key, f => (IReadOnlyDictionary<string, int>)f.Value);
}
