using System.Buffers.Binary;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Fuzz;

/// <summary>
/// The kernel's memory as its tables of symbols lie in it: read as root from a file, which may be another kernel's than
/// was thought of.
/// </summary>
internal static class MemoryTargets
{
    private const int MaxSymbols = 4_000_000, Piece = 1024;

    /// <summary>
    /// The length of the tokens' letters, these, where each begins, and the packed names; read in one piece and in
    /// several, which has to come to the same. And the input as the notes of a core file, and as the text of the one
    /// note that is looked at.
    /// </summary>
    public static void Memory(ReadOnlySpan<byte> input)
    {
        _ = VmcoreinfoText.Symbols(input);
        _ = VmcoreinfoText.Symbols(Note(input));
        if (input.Length < sizeof(ushort)) return;
        var letters = input[sizeof(ushort)..];
        var length = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(input), letters.Length);
        var starts = letters[length..];
        letters = letters[..length];
        if (PackedSymbols.Of(letters, starts, ["do_exit", "_stext"]) is not { } whole
            || PackedSymbols.Of(letters, starts, ["do_exit", "_stext"]) is not { } pieces)
            return;
        var names = starts[PackedSymbols.TokenIndexSize..];
        var (found, foundInPieces) = (0L, 0L);
        _ = whole.Read(names, MaxSymbols, (number, name) => found += (31L * number) + name.Length);
        // As a reader with a buffer does: what is not whole is kept for the next time.
        var isWhole = false;
        while (!isWhole && !pieces.IsFaulty)
        {
            var piece = Math.Min(names.Length, PackedSymbols.MaxEntry + Piece);
            isWhole = piece == names.Length;
            names = names[pieces.Read(
                names[..piece], MaxSymbols, (number, name) => foundInPieces += (31L * number) + name.Length)..];
        }

        if (found != foundInPieces || whole.Count != pieces.Count || whole.IsFaulty != pieces.IsFaulty)
            throw new FuzzFindingException("memory: what is read depends on the size of the pieces");
    }

    private static byte[] Note(ReadOnlySpan<byte> text)
    {
        const int Header = 12, Name = 12; // "VMCOREINFO", its end, and filled up to four bytes
        var note = new byte[Header + Name + text.Length];
        BinaryPrimitives.WriteInt32LittleEndian(note, "VMCOREINFO\0"u8.Length);
        BinaryPrimitives.WriteInt32LittleEndian(note.AsSpan(4), text.Length);
        "VMCOREINFO"u8.CopyTo(note.AsSpan(Header));
        text.CopyTo(note.AsSpan(Header + Name));
        return note;
    }
}
