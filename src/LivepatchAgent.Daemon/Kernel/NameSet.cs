using System.Buffers.Binary;
using System.Text;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>A few names that are looked for among very many, without making a string of each of the many.</summary>
internal sealed class NameSet
{
    private readonly Dictionary<byte[], string> _names = new(new ByteComparer());
    private readonly Dictionary<byte[], string>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

    public NameSet(IEnumerable<string> names)
    {
        _lookup = _names.GetAlternateLookup<ReadOnlySpan<byte>>();
        foreach (var name in names) _names[Encoding.UTF8.GetBytes(name)] = name;
    }

    public bool TryGet(ReadOnlySpan<byte> bytes, out string name)
    {
        if (_lookup.TryGetValue(bytes, out var found))
        {
            name = found;
            return true;
        }

        name = "";
        return false;
    }

    /// <summary>Both ends and the length tell symbols apart well enough, and cost the same for any length.</summary>
    private sealed class ByteComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            ulong hash;
            if (alternate.Length >= 8)
            {
                hash = BinaryPrimitives.ReadUInt64LittleEndian(alternate) ^ (BinaryPrimitives.ReadUInt64LittleEndian(alternate[^8..]) * 31);
            }
            else
            {
                hash = 0;
                foreach (var b in alternate) hash = (hash << 8) | b;
            }

            hash = (hash + (uint)alternate.Length) * 0x9E37_79B9_7F4A_7C15;
            return (int)(hash >> 32);
        }
    }
}
