using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// The tables that patch-making tools leave in sections of their own, arrays of a fixed layout: kpatch-build's
/// <c>.kpatch.funcs</c> (its kmod/patch/kpatch-patch.h) and klp-build's <c>__klp_objects</c>, since Linux 7
/// <c>.init.klp_objects</c> (include/linux/livepatch_external.h). Their module init makes the kernel's structures of
/// them, and decides then whether the patch replaces: that is not visible.
/// </summary>
internal static class ToolTables
{
    public static LivepatchTables? Find(scoped ref ElfFile elf, ElfPointers pointers)
    {
        List<PatchedFunction> functions = [];
        KpatchBuild(ref elf, pointers, functions);
        KlpBuild(ref elf, pointers, elf.Find("__klp_objects"u8), functions);
        KlpBuild(ref elf, pointers, elf.Find(".init.klp_objects"u8), functions);
        return functions.Count > 0 ? new LivepatchTables(null, functions) : null;
    }

    /// <summary>struct kpatch_patch_func: new_addr, new_size, old_addr, old_size, sympos, name, objname.</summary>
    private static void KpatchBuild(scoped ref ElfFile elf, ElfPointers pointers, List<PatchedFunction> functions)
    {
        const ulong Size = 56, Position = 32, Name = 40, Object = 48;
        var section = elf.Find(".kpatch.funcs"u8);
        if (section < 0) return;
        var data = elf.Bytes(elf.Sections[section]);
        for (var at = 0UL; at + Size <= (ulong)data.Length && elf.Fault is null; at += Size)
        {
            var (name, holder) = (Text(ref elf, pointers, section, at + Name), Text(ref elf, pointers, section, at + Object));
            if (name is not null && holder is not null) functions.Add(new PatchedFunction(holder, name, (long)elf.U64(data, (int)(at + Position))));
        }
    }

    /// <summary>struct klp_object_ext: name (none for vmlinux), funcs, four callbacks and a bool, nr_funcs.</summary>
    private static void KlpBuild(scoped ref ElfFile elf, ElfPointers pointers, int section, List<PatchedFunction> functions)
    {
        const ulong Size = 64, Funcs = 8, Count = 56;
        if (section < 0) return;
        var data = elf.Bytes(elf.Sections[section]);
        // No file has more entries than pointers to names: that bounds tables which overlap.
        var budget = pointers.Count;
        for (var at = 0UL; at + Size <= (ulong)data.Length && elf.Fault is null; at += Size)
        {
            if (!pointers.TryFollow(new ElfPlace(section, at + Funcs), out var funcs)) continue;
            var holder = Text(ref elf, pointers, section, at) ?? "vmlinux";
            var count = Math.Min(elf.U32(data, (int)(at + Count)), (uint)budget);
            budget -= (int)count;
            KlpFunctions(ref elf, pointers, funcs, count, holder, functions);
        }
    }

    /// <summary>struct klp_func_ext: old_name, new_func, sympos.</summary>
    private static void KlpFunctions(scoped ref ElfFile elf, ElfPointers pointers, ElfPlace start, uint count, string holder, List<PatchedFunction> functions)
    {
        const ulong Size = 24, Position = 16;
        var data = elf.Bytes(elf.Sections[start.Section]);
        for (var at = start.Offset; count > 0 && at < (ulong)data.Length && Size <= (ulong)data.Length - at && elf.Fault is null; at += Size, count--)
        {
            if (Text(ref elf, pointers, start.Section, at) is { } name) functions.Add(new PatchedFunction(holder, name, (long)elf.U64(data, (int)(at + Position))));
        }
    }

    private static string? Text(scoped ref ElfFile elf, ElfPointers pointers, int section, ulong at)
    {
        if (!pointers.TryFollow(new ElfPlace(section, at), out var target)) return null;
        var text = elf.Text(ElfFile.CString(elf.Bytes(elf.Sections[target.Section]), target.Offset));
        return text.Length > 0 ? text : null;
    }
}
