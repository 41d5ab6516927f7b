using System.Buffers.Binary;
using System.Text;
using CsCheck;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Core.Tests.Kernel;

/// <summary>
/// The kernel's packed names, packed here as scripts/kallsyms.c does it: letters, and tokens for several.
/// </summary>
public sealed class PackedSymbolsTests
{
    private static readonly Gen<string> Name = Gen.Char["abc_."].Array[1, 12].Select(c => new string(c));

    private static readonly byte[][] Tokens = [.. Enumerable.Range(0, 256).Select(Token)];

    [Fact]
    public void Read_GivesWhatIsWantedWithItsNumber()
    {
        Assert.Equal(
            [(1, "do_exit"), (3, "do_exit"), (4, "do_exit.cold")],
            Read(["do_fork", "do_exit", "exit", "do_exit", "do_exit.cold", "undo_exit"], ["do_exit"]).Where(
                f => f.Name.StartsWith("do_exit", StringComparison.Ordinal)));
    }

    /// <summary>However the bytes come: none of those that are asked for is missing, and each has its number.</summary>
    [Fact]
    public void Read_OfAnyNamesInAnyPieces_MissesNone() =>
        Gen.Select(Name.Array[1, 60], Name.Array[1, 5], Gen.Int[3, 400]).Sample((names, others, piece) =>
        {
            string[] wanted = [names[^1], .. others];
            var found = Read(names, wanted, piece);
            foreach (var (number, name) in found) Assert.Equal(names[number], name);
            Assert.Equal(names.Index().Where(
                n => Array.Exists(
                    wanted,
                    w => n.Item == w
                        || n.Item.StartsWith(
                            w + ".", StringComparison.Ordinal))).Select(n => (n.Index, n.Item)).ToHashSet(),
                found.Where(
                    f => Array.Exists(
                        wanted, w => f.Name == w || f.Name.StartsWith(w + ".", StringComparison.Ordinal))).ToHashSet());
        }, iter: 2000);

    /// <summary>More beginnings than are kept apart: whatever more than these is given, none is missing.</summary>
    [Fact]
    public void Read_OfVeryManyWantedNames_MissesNone()
    {
        string[] names = [.. Enumerable.Range(0, 4000).Select(
            i => string.Concat(Enumerable.Range(0, 7).Select(d => "abc_."[(i * 7919 / (int)Math.Pow(5, d)) % 5])))];
        string[] wanted = [.. names.Where((_, i) => i % 2 == 0)];
        Assert.Superset(
            names.Index().Where(n => n.Index % 2 == 0).Select(n => (n.Index, n.Item)).ToHashSet(),
            Read(names, wanted).ToHashSet());
    }

    /// <summary>Nearly nothing is unpacked in vain: of what only begins like a wanted name, nothing.</summary>
    [Fact]
    public void Read_OfNamesThatBeginAlike_GivesTheWantedAlone() =>
        Assert.Equal(
            [(2, "a_bc_ab"), (4, "a_bc_ab.c")],
            Read(["a_bc_aa", "a_bc_a", "a_bc_ab", "a_bc", "a_bc_ab.c", "ab"], ["a_bc_ab"]));

    /// <summary>Names that need more than 127 tokens have a length of two bytes.</summary>
    [Fact]
    public void Read_OfALongName_GivesAllOfIt()
    {
        var name = string.Concat(Enumerable.Range(0, 500).Select(i => (char)('a' + (i % 3 * 2))));
        Assert.Equal([(0, name), (1, "x")], Read([name, "x"], [name, "x"]));
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 0 })] // no length
    [InlineData(new byte[] { 1, (byte)'t', 9 })] // a type and no name
    [InlineData(new byte[] { 3, (byte)'t', 200, 0, 9 })] // tokens of no letters
    public void Read_OfWhatIsNoName_IsAFault(byte[] bytes)
    {
        var packed = Packed(["x"]);
        packed.Read(bytes, 5, (_, _) => { });
        Assert.True(packed.IsFaulty || packed.Count < 5);
        packed.Read(bytes, 5, (_, _) => { });
        Assert.True(packed.Count < 5);
    }

    [Fact]
    public void Read_OfANameThatIsTooLong_IsAFault()
    {
        var packed = Packed(["x"]);
        packed.Read(
            [0xff, 0x7f, (byte)'t', .. Enumerable.Repeat((byte)'x', 0x3fff)],
            1,
            (_, _) => Assert.Fail("it is no name"));
        Assert.True(packed.IsFaulty);
    }

    [Fact]
    public void Of_TablesThatAreCutOff_IsNothing()
    {
        var (table, index) = Tables();
        Assert.NotNull(PackedSymbols.Of(table, index, []));
        for (var length = 0; length < table.Length; length++) Assert.Null(
            PackedSymbols.Of(table.AsSpan(0, length), index, []));
        for (var length = 0; length < index.Length; length++) Assert.Null(
            PackedSymbols.Of(table, index.AsSpan(0, length), []));
    }

    private static List<(int Number, string Name)> Read(string[] names, string[] wanted, int piece = int.MaxValue)
    {
        var bytes = names.SelectMany(Pack).ToArray();
        var packed = Packed(wanted);
        var found = new List<(int, string)>();
        var (at, given) = (0, 0);
        while (packed.Count < names.Length)
        {
            given = (int)Math.Min((long)given + piece, bytes.Length);
            at += packed.Read(
                bytes.AsSpan(at, given - at),
                names.Length,
                (number, name) => found.Add((number, Encoding.UTF8.GetString(name))));
            Assert.False(packed.IsFaulty);
        }

        Assert.Equal(bytes.Length, at);
        return found;
    }

    private static PackedSymbols Packed(string[] wanted)
    {
        var (table, index) = Tables();
        return PackedSymbols.Of(table, index, wanted)!;
    }

    /// <summary>All of it as the fuzzer's target takes it.</summary>
    internal static byte[] Tables(string[] names)
    {
        var (table, index) = Tables();
        return [(byte)table.Length, (byte)(table.Length >> 8), .. table, .. index, .. names.SelectMany(Pack)];
    }

    private static (byte[] Table, byte[] Index) Tables()
    {
        List<byte> table = [];
        var index = new byte[PackedSymbols.TokenIndexSize];
        for (var i = 0; i < Tokens.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(index.AsSpan(i * 2), (ushort)table.Count);
            table.AddRange([.. Tokens[i], 0]);
        }

        return ([.. table], index);
    }

    private static byte[] Token(int number) => number switch
    {
        >= 33 and < 127 => [(byte)number],
        128 => "td"u8.ToArray(),
        129 => "ta"u8.ToArray(),
        130 => "ab"u8.ToArray(),
        131 => "a_b"u8.ToArray(),
        132 => "tabc."u8.ToArray(),
        133 => "exit"u8.ToArray(),
        134 => "bc"u8.ToArray(),
        _ => [],
    };

    private static byte[] Pack(string name)
    {
        ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes("t" + name);
        List<byte> packed = [];
        while (rest.Length > 0)
        {
            var best = 0;
            for (var i = 1; i < Tokens.Length; i++)
            {
                if (Tokens[i].Length > Tokens[best].Length && rest.StartsWith(Tokens[i])) best = i;
            }

            packed.Add((byte)best);
            rest = rest[Tokens[best].Length..];
        }

        return packed.Count < 0x80
            ? [(byte)packed.Count, .. packed]
            : [(byte)(packed.Count | 0x80), (byte)(packed.Count >> 7), .. packed];
    }
}
