namespace LivepatchAgent.Core.Kernel;

/// <summary>
/// Which packed names begin with one that is wanted, decided token by token. What a token leads to is found out when it
/// is first asked for: names are many and begin alike, so that is seldom.
/// </summary>
internal sealed class WantedNames
{
    private const int Tokens = 256;

    /// <summary>
    /// A few names need some tens. With all of them in use, what more would be needed for counts as wanted.
    /// </summary>
    private const int MaxStates = 1024;

    /// <summary>What <see cref="_next"/> has; what is more is the number of a state.</summary>
    private const ushort Unknown = 0, No = 1, Yes = 2, Begin = 3;

    private readonly byte[][] _tokens;
    private readonly List<State> _states = [];
    private ushort[] _next = new ushort[16 * Tokens];

    public WantedNames(byte[][] tokens, IEnumerable<byte[]> names)
    {
        _tokens = tokens;
        _states.Add(new State(-1, [.. names]));
    }

    /// <param name="Matched">How many letters were read, without the first, which is the symbol's type; -1 before that.
    /// </param>
    /// <param name="Names">Those that begin with these letters, and are longer.</param>
    private readonly record struct State(int Matched, byte[][] Names);

    /// <summary>Also true of some others, never false of one that begins with a wanted name.</summary>
    public bool MayHave(ReadOnlySpan<byte> entry)
    {
        var state = Begin;
        foreach (var token in entry)
        {
            var at = ((state - Begin) * Tokens) + token;
            var next = _next[at];
            if (next == Unknown)
            {
                next = Next(state, token);
                _next[at] = next;
            }

            if (next <= Yes) return next == Yes;
            state = next;
        }

        return false;
    }

    private ushort Next(ushort from, byte token)
    {
        var (matched, names) = _states[from - Begin];
        ReadOnlySpan<byte> letters = _tokens[token];
        if (letters.IsEmpty) return from;
        if (matched < 0)
        {
            letters = letters[1..];
            matched = 0;
        }

        List<byte[]> left = [];
        foreach (var name in names)
        {
            ReadOnlySpan<byte> rest = name.AsSpan(matched);
            if (letters.StartsWith(rest)) return Yes;
            if (rest.StartsWith(letters)) left.Add(name);
        }

        return left.Count == 0 ? No : Numbered(matched + letters.Length, left);
    }

    /// <summary>
    /// The letters that were read are the first of each name that is left, so these two say all of a state.
    /// </summary>
    private ushort Numbered(int matched, List<byte[]> names)
    {
        var letters = names[0].AsSpan(0, matched);
        for (var i = 0; i < _states.Count; i++)
        {
            var (known, others) = _states[i];
            if (known == matched && others[0].AsSpan(0, matched).SequenceEqual(letters)) return (ushort)(Begin + i);
        }

        if (_states.Count == MaxStates) return Yes;
        _states.Add(new State(matched, [.. names]));
        if (_states.Count * Tokens > _next.Length) Array.Resize(ref _next, _next.Length * 2);
        return (ushort)(Begin + _states.Count - 1);
    }
}
