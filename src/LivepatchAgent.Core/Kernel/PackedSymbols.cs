using System.Buffers.Binary;
using System.Text;

namespace LivepatchAgent.Core.Kernel;

/// <summary>
/// The names of vmlinux's symbols as the kernel keeps them (kernel/kallsyms.c, scripts/kallsyms.c): each a length and
/// so many tokens, and a token stands for some letters. The text of /proc/kallsyms is made of this, and costs ten times
/// as much. The first tokens of a name show that it is not among the wanted ones, and it is not unpacked. What is not
/// as it should be is a fault.
/// </summary>
public sealed class PackedSymbols
{
    /// <summary>The tokens' letters together have less: 256 times a few.</summary>
    public const int MaxTokenTable = 16 * 1024;

    public const int TokenIndexSize = Tokens * sizeof(ushort);

    /// <summary>A length of at most two bytes, and the tokens.</summary>
    public const int MaxEntry = 2 + 0x3fff;

    private const int Tokens = 256;

    /// <summary>KSYM_NAME_LEN, and the letter of the type.</summary>
    private const int MaxName = 512 + 1;

    private readonly byte[][] _tokens;
    private readonly byte[] _name = new byte[MaxName];
    private readonly WantedNames _wanted;

    private PackedSymbols(byte[][] tokens, IEnumerable<string> wanted)
    {
        _tokens = tokens;
        _wanted = new WantedNames(tokens, wanted.Select(Encoding.UTF8.GetBytes));
    }

    public delegate void Found(int number, ReadOnlySpan<byte> name);

    /// <summary>How many names were gone through; the number of the next one.</summary>
    public int Count { get; private set; }

    public bool IsFaulty { get; private set; }

    /// <param name="wanted">Names that are given, and what is written behind them (<c>name.isra.0</c>); a few others
    /// may be given too.</param>
    /// <returns>Null when the tables of tokens are not as they should be.</returns>
    public static PackedSymbols? Of(
        ReadOnlySpan<byte> tokenTable,
        ReadOnlySpan<byte> tokenIndex,
        IEnumerable<string> wanted)
    {
        if (tokenIndex.Length < TokenIndexSize) return null;
        var tokens = new byte[Tokens][];
        for (var i = 0; i < Tokens; i++)
        {
            var start = BinaryPrimitives.ReadUInt16LittleEndian(tokenIndex[(i * sizeof(ushort))..]);
            var length = start < tokenTable.Length ? tokenTable[start..].IndexOf((byte)0) : -1;
            if (length is < 0 or > MaxName) return null;
            tokens[i] = tokenTable.Slice(start, length).ToArray();
        }

        return new PackedSymbols(tokens, wanted);
    }

    /// <summary>Goes through those names that are whole, and through <paramref name="count"/> at most.</summary>
    /// <returns>The bytes of these.</returns>
    public int Read(ReadOnlySpan<byte> bytes, int count, Found found)
    {
        var at = 0;
        while (Count < count && !IsFaulty)
        {
            if (bytes.Length - at < 2) break;
            int length = bytes[at], start = at + 1;
            // Lengths of two bytes: since 6.1.
            if (length >= 0x80) length = (length & 0x7f) | (bytes[start++] << 7);
            if (length == 0)
            {
                IsFaulty = true;
                break;
            }

            if (bytes.Length - start < length) break;
            var entry = bytes.Slice(start, length);
            if (length == 1 || _wanted.MayHave(entry)) Unpack(entry, found);
            at = start + length;
            Count++;
        }

        return at;
    }

    private void Unpack(ReadOnlySpan<byte> entry, Found found)
    {
        var length = 0;
        foreach (var token in entry)
        {
            var letters = _tokens[token];
            if (letters.Length > MaxName - length)
            {
                IsFaulty = true;
                return;
            }

            letters.CopyTo(_name.AsSpan(length));
            length += letters.Length;
        }

        // The first letter is the symbol's type.
        if (length > 1) found(Count, _name.AsSpan(1, length - 1));
        else IsFaulty = true;
    }
}
