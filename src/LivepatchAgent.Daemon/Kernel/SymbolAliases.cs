using System.Buffers.Binary;
using System.Text;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Names that share an address. kallsyms is in the order of addresses: names of one address follow each other. Hidden
/// addresses are all 0 and show nothing.
/// </summary>
internal sealed class SymbolAliases
{
    /// <summary>So many names has no function; marks at an address may be more.</summary>
    private const int MaxGroup = 16;

    private readonly Dictionary<string, HashSet<string>> _functions = [];
    private readonly List<string> _group = [];
    private readonly byte[] _lastName = new byte[512];
    private (ulong High, ulong Low) _lastAddress;
    private int _lastLength;
    private string? _groupFunction;

    public IEnumerable<string> Names => _functions.Keys;

    /// <summary>The functions of an alias's address; null when it has no other name.</summary>
    public HashSet<string>? Of(string alias) => _functions.GetValueOrDefault(alias);

    /// <summary>Takes the next line of kallsyms: other names of functions that are asked about.</summary>
    /// <param name="function">The symbol's name, when it is such a function.</param>
    public void Add(SymbolLine symbol, string? function)
    {
        var isSame = IsSameAddress(symbol);
        if (!isSame) _groupFunction = null;
        if (function is not null)
        {
            if (isSame) AddAlias(Encoding.UTF8.GetString(_lastName.AsSpan(0, _lastLength)), function);
            _groupFunction = function;
        }
        else if (isSame && _groupFunction is not null)
        {
            AddAlias(Encoding.UTF8.GetString(symbol.Name), _groupFunction);
        }

        _lastLength = Math.Min(symbol.Name.Length, _lastName.Length);
        symbol.Name[.._lastLength].CopyTo(_lastName);
    }

    /// <summary>The same of all names: each stands for the others of its address.</summary>
    public void Group(SymbolLine symbol, string name)
    {
        if (!IsSameAddress(symbol)) _group.Clear();
        if (_group.Count == MaxGroup) return;
        foreach (var other in _group)
        {
            AddAlias(other, name);
            AddAlias(name, other);
        }

        _group.Add(name);
    }

    private bool IsSameAddress(SymbolLine symbol)
    {
        const ulong Zeros = 0x3030_3030_3030_3030; // "00000000"
        var high = BinaryPrimitives.ReadUInt64LittleEndian(symbol.AddressText);
        var low = BinaryPrimitives.ReadUInt64LittleEndian(symbol.AddressText[sizeof(ulong)..]);
        var isSame = (high, low) == _lastAddress && (high, low) != (Zeros, Zeros);
        _lastAddress = (high, low);
        return isSame;
    }

    private void AddAlias(string alias, string function)
    {
        if (alias == function) return;
        if (!_functions.TryGetValue(alias, out var functions)) _functions[alias] = functions = [];
        functions.Add(function);
    }
}
