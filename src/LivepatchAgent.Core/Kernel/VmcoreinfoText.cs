using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text;

namespace LivepatchAgent.Core.Kernel;

/// <summary>What the kernel says of itself to those who read its memory: the note VMCOREINFO of /proc/kcore.</summary>
public static class VmcoreinfoText
{
    private const int NoteHeader = 12;

    /// <summary>
    /// Addresses by name, of its lines <c>SYMBOL(_stext)=ffffffff81000000</c>; empty if it has no such line.
    /// </summary>
    public static IReadOnlyDictionary<string, ulong> Symbols(ReadOnlySpan<byte> notes)
    {
        var found = new Dictionary<string, ulong>();
        var text = Info(notes);
        foreach (var range in text.Split((byte)'\n'))
        {
            var line = text[range];
            if (!line.StartsWith("SYMBOL("u8)) continue;
            var close = line.IndexOf(")="u8);
            if (close < 0) continue;
            var value = line[(close + 2)..];
            if (!Utf8Parser.TryParse(value, out ulong address, out var length, 'x')) continue;
            if (length != value.Length) continue;
            found[Encoding.UTF8.GetString(line["SYMBOL(".Length..close])] = address;
        }

        return found;
    }

    /// <summary>Notes are a name and a text, each filled up to 4 bytes, behind their lengths.</summary>
    private static ReadOnlySpan<byte> Info(ReadOnlySpan<byte> notes)
    {
        while (notes.Length >= NoteHeader)
        {
            var name = BinaryPrimitives.ReadUInt32LittleEndian(notes);
            var text = BinaryPrimitives.ReadUInt32LittleEndian(notes[4..]);
            var start = NoteHeader + Padded(name);
            if (start + text > notes.Length) return [];
            var isInfo = notes.Slice(NoteHeader, (int)name).SequenceEqual("VMCOREINFO\0"u8);
            if (isInfo) return notes.Slice((int)start, (int)text);
            if (start + Padded(text) > notes.Length) return [];
            notes = notes[(int)(start + Padded(text))..];
        }

        return [];
    }

    private static long Padded(uint length) => (length + 3L) & ~3L;
}
