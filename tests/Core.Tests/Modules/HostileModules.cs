namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>
/// Files that are whole and have far more of one thing than any livepatch: what a reader keeps of each must be paid.
/// </summary>
internal static class HostileModules
{
    private const string Modinfo = "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0";

    public static byte[] Of(string kind) => kind switch
    {
        "pointers" => Pointers(),
        "sections" => Sections(),
        "states" => States(),
        "objects" => Objects(),
        "functions" => Functions(),
        "modinfo" => ElfBuilder.Livepatch(modinfo: Modinfo + string.Concat(Enumerable.Repeat("a=\0", 20_000))).Build(),
        "needed symbols" => Symbols(),
        "unsafe names" => UnsafeNames(),
        "versions" => ElfBuilder.Livepatch(modinfo: Modinfo).HalfWords(
            "__versions",
            ElfBuilder.Alloc,
            [.. Enumerable.Repeat<uint[]>([12, 1, 0], 20_000).SelectMany(w => w)]).Build(),
        "relocation sections" => Relocations(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private static byte[] Pointers()
    {
        var builder = ElfBuilder.Livepatch().Words(".data", ElfBuilder.Data, new ulong[64]);
        for (var i = 0; i < 200_000; i++) builder.Pointer(".data", (ulong)(i % 64) * 8, ".gnu.linkonce.this_module", 0);
        return builder.Build();
    }

    private static byte[] Sections()
    {
        var builder = ElfBuilder.Livepatch(modinfo: Modinfo);
        for (var i = 0; i < 10_000; i++) builder.Add("", 0, []);
        return builder.Build();
    }

    /// <summary>
    /// 64 structures that begin as struct klp_patch does, no functions, and one array of states that each of them has.
    /// </summary>
    private static byte[] States()
    {
        const int Patches = 64, Rows = 2000;
        var builder = ElfBuilder.Livepatch(modinfo: Modinfo)
            .Words(".data", ElfBuilder.Data, new ulong[Patches * 4])
            .Words(".states", ElfBuilder.Data, [.. Enumerable.Repeat(1UL, Rows * 3)]);
        for (var i = 0UL; i < Patches; i++) builder.Pointer(
            ".data",
            i * 32,
            ".gnu.linkonce.this_module",
            0).Pointer(".data", (i * 32) + 8, ".data", 0).Pointer(".data", (i * 32) + 16, ".states", 0);
        return builder.Build();
    }

    /// <summary>Each with the one array of functions that there is.</summary>
    private static byte[] Objects()
    {
        const int Count = 5000;
        var builder = Patch()
            .Words(".objs", ElfBuilder.Data, new ulong[Count])
            .Words(".funcs", ElfBuilder.Data, new ulong[4])
            .Pointer(".data", 8, ".objs", 0)
            .Pointer(".funcs", 0, ".str", 0)
            .Pointer(".funcs", 8, ".text", 0);
        for (var i = 0UL; i < Count; i++) builder.Pointer(".objs", i * 8, ".funcs", 0);
        return builder.Build();
    }

    private static byte[] Functions()
    {
        const int Count = 5000;
        var builder = Patch().Words(".objs", ElfBuilder.Data, new ulong[4]).Words(
            ".funcs",
            ElfBuilder.Data,
            new ulong[(Count * 2) + 2]).Pointer(".data", 8, ".objs", 0).Pointer(".objs", 8, ".funcs", 0);
        for (var i = 0UL; i < Count; i++) builder.Pointer(
            ".funcs", i * 16, ".str", 0).Pointer(".funcs", (i * 16) + 8, ".text", 0);
        return builder.Build();
    }

    private static byte[] Symbols()
    {
        var builder = ElfBuilder.Livepatch(modinfo: Modinfo);
        for (var i = 0; i < 20_000; i++) builder.Symbol("a");
        return builder.Build();
    }

    /// <summary>A hundred names of control characters, which are shown as six letters each.</summary>
    private static byte[] UnsafeNames()
    {
        var builder = ElfBuilder.Livepatch(modinfo: Modinfo);
        for (var i = 0; i < 100; i++) builder.Symbol(new string('\u0001', 400));
        return builder.Build();
    }

    private static byte[] Relocations()
    {
        var builder = ElfBuilder.Livepatch(modinfo: Modinfo);
        for (var i = 0; i < 5000; i++) builder.Add(".klp.rela.x", 0x0010_0002, [], type: 4, info: 1);
        return builder.Build();
    }

    private static ElfBuilder Patch() => ElfBuilder.Livepatch(modinfo: Modinfo)
        .Text(".str", ElfBuilder.Alloc, "f\0")
        .Add(".text", ElfBuilder.Code, new byte[8])
        .Words(".data", ElfBuilder.Data, new ulong[6])
        .Pointer(".data", 0, ".gnu.linkonce.this_module", 0);
}
