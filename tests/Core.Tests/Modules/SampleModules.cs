using System.Buffers.Binary;
using System.Text;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>Livepatches as each tool leaves them, written by hand after its headers.</summary>
internal static class SampleModules
{
    /// <summary>
    /// struct klp_patch with a module's object, callbacks and states, as a C compiler would lay it out.
    /// </summary>
    public static byte[] KlpPatch(
        ushort machine,
        bool isBigEndian,
        string modinfo,
        string holder = "ext4") => ElfBuilder.Livepatch(machine, isBigEndian, modinfo)
        .Text(".rodata.str", ElfBuilder.Alloc, $"do_exit\0ext4_iget\0{holder}\0")
        .Add(".text", ElfBuilder.Code, new byte[64])
        // Two tables of one function and its end, 32 bytes each.
        .Words(".data.funcs", ElfBuilder.Data, [.. new ulong[8], .. new ulong[2], 2, .. new ulong[5]])
        .Words(".data.objs", ElfBuilder.Data, new ulong[30]) // three objects of 80 bytes, the last one empty
        .Words(
            ".data.states",
            ElfBuilder.Data,
            0x1_0000_0007,
            isBigEndian ? 3UL << 32 : 3,
            0,
            9,
            isBigEndian ? 1UL << 32 : 1,
            0,
            0,
            0,
            0)
        .Words(".data.patch", ElfBuilder.Data, 0, 0, 0, isBigEndian ? 1UL << 56 : 1, 0, 0)
        .Symbol("objs", ".data.objs", 0, 240)
        .Symbol("vmlinux_funcs", ".data.funcs", 0, 64)
        .Symbol("ext4_funcs", ".data.funcs", 64, 64)
        .Symbol("undo_it", ".text", 32, 8)
        .Symbol("ask_first", ".text", 40, 8)
        .Pointer(".data.patch", 0, ".gnu.linkonce.this_module", 0)
        .Pointer(".data.patch", 8, ".data.objs", 0)
        .Pointer(".data.patch", 16, ".data.states", 0)
        .Pointer(".data.objs", 8, ".data.funcs", 0)
        .Pointer(".data.objs", 40, ".text", 32)
        .Pointer(".data.objs", 80, ".rodata.str", 18)
        .Pointer(".data.objs", 88, ".data.funcs", 64)
        .Pointer(".data.objs", 96, ".text", 40)
        .Pointer(".data.objs", 104, ".text", 48)
        .Pointer(".data.funcs", 0, ".rodata.str", 0)
        .Pointer(".data.funcs", 8, ".text", 0)
        .Pointer(".data.funcs", 64, ".rodata.str", 8)
        .Pointer(".data.funcs", 72, ".text", 16)
        .Build();

    /// <param name="hasPosition">Whether its tables have symbol positions, as since 2016.</param>
    public static byte[] KpatchBuild(bool hasPosition, string holder = "ext4")
    {
        var (function, relocation) = hasPosition ? (40UL, 32UL) : (32UL, 24UL);
        return ElfBuilder.Livepatch()
            .Text(".kpatch.strings", ElfBuilder.Alloc, $"ext4_iget\0{holder}\0")
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Words(".kpatch.funcs", ElfBuilder.Data, hasPosition ? [0, 0, 0, 0, 3, 0, 0] : new ulong[6])
            .Words(".kpatch.dynrelas", ElfBuilder.Data, hasPosition ? [0, 0, 0, 4, 0, 0, 0, 0] : new ulong[6])
            .Words(".kpatch.callbacks.pre_patch", ElfBuilder.Data, 0, 0)
            .Words(".kpatch.callbacks.post_unpatch", ElfBuilder.Data, 0, 0)
            .Symbol("ask_first", ".text", 0, 8)
            .Symbol("undo_it", ".text", 8, 8)
            .Pointer(".kpatch.funcs", 0, ".text", 16)
            .Pointer(".kpatch.funcs", function, ".kpatch.strings", 0)
            .Pointer(".kpatch.funcs", function + 8, ".kpatch.strings", 10)
            .Pointer(".kpatch.dynrelas", 0, ".text", 24)
            .Pointer(".kpatch.dynrelas", relocation, ".kpatch.strings", 0)
            .Pointer(".kpatch.dynrelas", relocation + 8, ".kpatch.strings", 10)
            .Pointer(".kpatch.callbacks.pre_patch", 0, ".text", 0)
            .Pointer(".kpatch.callbacks.post_unpatch", 0, ".text", 8)
            .Pointer(".kpatch.callbacks.post_unpatch", 8, ".kpatch.strings", 10)
            .Build();
    }

    public static byte[] KlpBuild(string objects, string holder = "ext4") => ElfBuilder.Livepatch()
        .Text(".rodata.str", ElfBuilder.Alloc, $"do_exit\0ext4_iget\0{holder}\0")
        .Add(".text", ElfBuilder.Code, new byte[64])
        .Words("__klp_funcs", ElfBuilder.Data, 0, 0, 0, 0, 0, 5)
        .Words(objects, ElfBuilder.Data, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1)
        .Symbol("ask_first", ".text", 0, 8)
        .Pointer("__klp_funcs", 0, ".rodata.str", 0)
        .Pointer("__klp_funcs", 8, ".text", 16)
        .Pointer("__klp_funcs", 24, ".rodata.str", 8)
        .Pointer("__klp_funcs", 32, ".text", 24)
        .Pointer(objects, 8, "__klp_funcs", 0)
        .Pointer(objects, 64, ".rodata.str", 18)
        .Pointer(objects, 72, "__klp_funcs", 24)
        .Pointer(objects, 80, ".text", 0)
        .Build();

    /// <summary>
    /// What objtool's klp-post-link leaves of a reference to a symbol that is not exported: the relocation that was
    /// linked names what stood for the symbol and does nothing, the livepatch's own does the work, and the list that
    /// told of it stays.
    /// </summary>
    /// <param name="original">What stood for the symbol.</param>
    /// <param name="list">The list's section.</param>
    public static byte[] KlpBuildLinked(string original, string list) => ElfBuilder.Livepatch()
        .Text(".rodata.str", ElfBuilder.Alloc, "do_exit\0")
        .Add(".text", ElfBuilder.Code, new byte[64])
        .Words(".init.klp_funcs", ElfBuilder.Data, 0, 0, 0)
        .Words(".init.klp_objects", ElfBuilder.Data, 0, 0, 0, 0, 0, 0, 0, 1)
        .Words(list, ElfBuilder.Alloc, 0, 0, 2)
        .Symbol(".klp.sym.vmlinux.nr_context_switches,0", 0xff20)
        .Symbol(original, 0xff20)
        .Pointer(".init.klp_funcs", 0, ".rodata.str", 0)
        .Pointer(".init.klp_funcs", 8, ".text", 16)
        .Pointer(".init.klp_objects", 8, ".init.klp_funcs", 0)
        .Pointer(list, 0, ".text", 4)
        .Relocate(".rela" + list, list, 8, ".klp.sym.vmlinux.nr_context_switches,0", 1)
        .Relocate(".rela.text", ".text", 4, original, 0)
        .Relocate(".klp.rela.vmlinux..text", ".text", 4, ".klp.sym.vmlinux.nr_context_switches,0", 2, 0x0010_0042)
        .Build();

    /// <summary>
    /// A <c>__versions</c> whose rows are as long as their names: way to the next, CRC, name, and 8 zeros at the end.
    /// </summary>
    public static byte[] VersionsOfAnyLength(ushort machine, bool isBigEndian, params SymbolVersion[] versions)
    {
        List<uint> words = [];
        foreach (var (name, crc) in versions)
        {
            var padded = Encoding.ASCII.GetBytes(name.PadRight((name.Length + 4) & ~3, '\0'));
            words.AddRange([8 + (uint)padded.Length, crc]);
            for (var at = 0; at < padded.Length; at += 4) words.Add(
                isBigEndian
                    ? BinaryPrimitives.ReadUInt32BigEndian(padded.AsSpan(at))
                    : BinaryPrimitives.ReadUInt32LittleEndian(padded.AsSpan(at)));
        }

        return ElfBuilder.Livepatch(machine, isBigEndian).HalfWords(
            "__versions", ElfBuilder.Alloc, [.. words, 0, 0]).Build();
    }

    /// <summary>Symbols and relocations of the livepatch core, as of klp-convert and the tools.</summary>
    public static byte[] Relocations() => ElfBuilder.Livepatch()
        .Add(".text", ElfBuilder.Code, new byte[64])
        .Symbol(".klp.sym.vmlinux.si_swapinfo,0", 0xff20)
        .Symbol(".klp.sym.ext4.ext4_iget,2", 0xff20)
        .Symbol("klp_shadow_alloc")
        .Add(".klp.rela.vmlinux..text", 0x0010_0042, new byte[48], type: 4)
        .Add(".klp.rela.ext4..text", 0x0010_0042, new byte[24], type: 4)
        .Build();
}
