using System.Buffers.Binary;
using System.Collections;
using System.Text;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// A few names that are looked for among very many, without making a string of each of the many. One bit for the first
/// and last bytes of a name rules out nearly all of the many.
/// </summary>
internal sealed class NameSet
{
    private const int Bits = 1 << 14;

    private readonly Dictionary<byte[], string> _names = new(new ByteComparer());
    private readonly Dictionary<byte[], string>.AlternateLookup<ReadOnlySpan<byte>> _lookup;
    private readonly BitArray _mayBe = new(Bits);

    public NameSet(IEnumerable<string> names)
    {
        _lookup = _names.GetAlternateLookup<ReadOnlySpan<byte>>();
        foreach (var name in names)
        {
            var bytes = Encoding.UTF8.GetBytes(name);
            _names[bytes] = name;
            _mayBe[Hash(bytes) & (Bits - 1)] = true;
        }
    }

    public bool TryGet(ReadOnlySpan<byte> bytes, out string name)
    {
        if (_mayBe[Hash(bytes) & (Bits - 1)] && _lookup.TryGetValue(bytes, out var found))
        {
            name = found;
            return true;
        }

        name = "";
        return false;
    }

    /// <summary>Both ends and the length distinguish symbols well enough, and cost the same for any length.</summary>
    private static int Hash(ReadOnlySpan<byte> bytes)
    {
        ulong hash;
        if (bytes.Length >= sizeof(ulong))
        {
            var first = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            var last = BinaryPrimitives.ReadUInt64LittleEndian(bytes[^sizeof(ulong)..]);
            hash = first ^ (last * 31);
        }
        else
        {
            hash = 0;
            foreach (var b in bytes) hash = (hash << 8) | b;
        }

        return (int)(((hash + (uint)bytes.Length) * 0x9E37_79B9_7F4A_7C15) >> 33);
    }

    private sealed class ByteComparer
        : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => Hash(obj);

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => Hash(alternate);
    }
}
