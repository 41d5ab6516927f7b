using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;

namespace LivepatchAgent.Fuzz;

/// <summary>What lies below /lib/modules, as distributions and administrators put it there.</summary>
internal static class InstalledTargets
{
    private const string Nowhere = "/nonexistent";

    private const int Smallest = 16;

    /// <summary>The first byte, a letter, says how it is packed.</summary>
    public static void Packed(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return;
        _ = CompressedModule.Unpack(input[1..].ToArray(), input[0] switch
        {
            (byte)'g' => ".gz",
            (byte)'x' => ".xz",
            _ => ".zst",
        });
    }

    /// <summary>
    /// The rest of the input as both lists, read in pieces of the first byte's size and at once, which has to come to
    /// the same; and now and then, for it takes as long again, the file of the first module that they name.
    /// </summary>
    public static void Depmod(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return;
        var file = input[1..].ToArray();
        var (whole, pieces) = (Modules(file, int.MaxValue), Modules(file, input[0] + Smallest));
        if (whole.Names is not [var first, ..]) return;
        if (!whole.Names.SequenceEqual(pieces.Names!) || !whole.BuiltIn!.SequenceEqual(pieces.BuiltIn!))
            throw new FuzzFindingException("depmod: what is read depends on the size of the pieces");
        if (input.Length % 8 == 0) _ = whole.File(first);
    }

    private static InstalledModules Modules(byte[] file, int piece) => new(Nowhere, null, (_, each) =>
    {
        LongFile.Read((bytes, offset) =>
        {
            var rest = file.AsSpan((int)Math.Min(offset, file.Length));
            var length = Math.Min(Math.Min(bytes.Length, piece), rest.Length);
            rest[..length].CopyTo(bytes);
            return length;
        }, each);
        return true;
    });
}
