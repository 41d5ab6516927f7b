using System.Diagnostics;
using CsCheck;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>Whatever the bytes are, the reader gives facts or a problem, soon, and no exception.</summary>
public sealed class HostileModuleTests
{
    private static readonly byte[][] Real =
    [
        Corpus.Module(Corpus.Cmdline),
        Corpus.Module(Corpus.CmdlineSigned),
        Corpus.Module(Corpus.CmdlineV2),
        Corpus.Module(Corpus.CmdlineV2Older),
    ];

    [Fact]
    public void Read_RandomBytes_IsAProblem() =>
        Gen.Byte.Array[0, 4096].Sample(bytes => Assert.NotNull(ModuleReader.Read(bytes).Problem));

    [Fact]
    public void Read_TruncatedAtEveryByte_NeverThrows()
    {
        var file = Corpus.Module(Corpus.CmdlineV2);
        // The section table is last in an unsigned module: without its last byte nothing can be read.
        for (var length = 0; length < file.Length; length++) Assert.NotNull(
            ModuleReader.Read(file.AsSpan(0, length)).Problem);
    }

    [Fact]
    public void Read_SignedTruncatedAtEveryByte_NeverThrows()
    {
        var file = Corpus.Module(Corpus.CmdlineSigned);
        for (var length = 0; length < file.Length; length++)
        {
            // Without the marker the rest is a whole, unsigned module.
            if (ModuleReader.Read(file.AsSpan(0, length)).TryGet(out var facts, out _)) Assert.Null(facts.Signature);
        }
    }

    [Fact]
    public void Read_EachByteSetToExtremes_NeverThrows()
    {
        var file = Corpus.Module(Corpus.CmdlineV2);
        for (var at = 0; at < file.Length; at++)
        {
            var before = file[at];
            foreach (var value in new[] { 0, 1, 0x7f, 0x80, 0xff, before ^ 1 })
            {
                file[at] = (byte)value;
                Look(file);
            }

            file[at] = before;
        }
    }

    [Fact]
    public void Read_FieldsOverwritten_NeverThrows() =>
        Gen.Select(
            Gen.Int[0, Real.Length - 1],
            Gen.Select(
                Gen.Int[0, 1 << 14],
                Gen.OneOf(
                    Gen.ULong, Gen.ULong[0, 70000], Gen.Const(ulong.MaxValue), Gen.Const(0x7fff_ffff_ffff_ffffUL)),
                Gen.Int[1, 8]).Array[1, 8])
            .Sample((which, changes) =>
            {
                var file = (byte[])Real[which].Clone();
                foreach (var (place, value, width) in changes)
                {
                    var at = place % (file.Length - 8);
                    BitConverter.GetBytes(value).AsSpan(0, width).CopyTo(file.AsSpan(at));
                }

                Look(file);
            }, iter: 20_000);

    [Fact]
    public void Read_SectionHeadersOverwritten_NeverThrows() =>
        Gen.Select(
            Gen.Int[0, Real.Length - 1],
            Gen.Select(Gen.Int[0, 45 * 16], Gen.OneOf(Gen.UInt, Gen.UInt[0, 12000])).Array[1, 6])
            .Sample((which, changes) =>
            {
                var file = (byte[])Real[which].Clone();
                var table = (int)BitConverter.ToUInt64(file, 40);
                foreach (var (word, value) in changes)
                {
                    if (table + (word * 4) + 4 <= file.Length)
                        BitConverter.GetBytes(value).CopyTo(file.AsSpan(table + (word * 4)));
                }

                Look(file);
            }, iter: 20_000);

    private static void Look(byte[] file)
    {
        var start = Stopwatch.GetTimestamp();
        if (ModuleReader.Read(file).TryGet(out var facts, out _)) Assert.NotEmpty(ModuleText.Of(facts));
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(5), "it took too long");
    }
}
