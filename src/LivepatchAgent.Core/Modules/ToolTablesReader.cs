using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// The tables that patch-making tools leave in sections of their own, arrays of a fixed layout: kpatch-build's
/// <c>.kpatch.funcs</c> and <c>.kpatch.dynrelas</c> (its kmod/patch/kpatch-patch.h), <c>.kpatch.callbacks.*</c>
/// (kpatch-macros.h), and klp-build's <c>__klp_objects</c>, since Linux 7 <c>.init.klp_objects</c>
/// (include/linux/livepatch_external.h). Their module init makes the kernel's structures of them, and decides then
/// whether the patch replaces: that is not visible.
/// </summary>
internal static class ToolTablesReader
{
    public static LivepatchTables? Find(scoped ref ElfFile elf, scoped in ElfSymbols symbols, ElfPointers pointers) =>
        KpatchBuild(ref elf, symbols, pointers) ?? KlpBuild(ref elf, symbols, pointers);

    private static LivepatchTables? KpatchBuild(
        scoped ref ElfFile elf,
        scoped in ElfSymbols symbols,
        ElfPointers pointers)
    {
        var tables = new LivepatchTables(PatchTables.KpatchBuild);
        KpatchFunctions(ref elf, pointers, elf.Find(".kpatch.funcs"u8), tables);
        KpatchDynamicRelocations(ref elf, pointers, elf.Find(".kpatch.dynrelas"u8), tables.DynamicRelocations);
        var section = elf.Find(".kpatch.callbacks.pre_patch"u8);
        KpatchCallbacks(ref elf, symbols, pointers, section, CallbackMoment.PrePatch, tables);
        section = elf.Find(".kpatch.callbacks.post_patch"u8);
        KpatchCallbacks(ref elf, symbols, pointers, section, CallbackMoment.PostPatch, tables);
        section = elf.Find(".kpatch.callbacks.pre_unpatch"u8);
        KpatchCallbacks(ref elf, symbols, pointers, section, CallbackMoment.PreUnpatch, tables);
        section = elf.Find(".kpatch.callbacks.post_unpatch"u8);
        KpatchCallbacks(ref elf, symbols, pointers, section, CallbackMoment.PostUnpatch, tables);
        return tables.Functions.Count > 0 || tables.Callbacks.Count > 0 ? tables : null;
    }

    /// <summary>
    /// struct kpatch_patch_func: new_addr, new_size, old_addr, old_size, sympos (not before 2016), name, objname.
    /// </summary>
    private static void KpatchFunctions(
        scoped ref ElfFile elf, ElfPointers pointers, int section, LivepatchTables tables)
    {
        List<ElfPlace> rows = [];
        var before = tables.Functions.Count;
        KpatchRows(ref elf, pointers, section, position: 32, size: 56, sizeWithout: 48, (holder, name, position, row) =>
        {
            tables.Functions.Add(new PatchedFunction(holder, name, position));
            rows.Add(row);
        });
        for (var i = 0; i < rows.Count; i++)
        {
            var function = tables.Functions[before + i];
            if (!pointers.TryFollow(rows[i], out var code)) continue;
            tables.Code(elf, pointers, function.Object, function.Name, code);
        }
    }

    /// <summary>
    /// struct kpatch_patch_dynrela: dest, src, type, sympos (not before 2016), name, objname, external, addend.
    /// </summary>
    private static void KpatchDynamicRelocations(
        scoped ref ElfFile elf,
        ElfPointers pointers,
        int section,
        List<DynamicRelocation> relocations) =>
        KpatchRows(
            ref elf, pointers, section, position: 24, size: 64, sizeWithout: 48,
            (holder, name, position, _) => relocations.Add(new DynamicRelocation(holder, name, position)));

    /// <summary>
    /// Rows with a symbol's position, its name and its object's name in turn. Where no position is, the name's pointer
    /// stands in its place.
    /// </summary>
    private static void KpatchRows(
        scoped ref ElfFile elf, ElfPointers pointers, int section, ulong position, ulong size, ulong sizeWithout,
        Action<string, string, long, ElfPlace> found)
    {
        const ulong PointerSize = 8;
        if (section < 0) return;
        var hasPosition = !pointers.TryFollow(new ElfPlace(section, position), out _);
        if (!hasPosition) size = sizeWithout;
        var data = elf.Bytes(elf.Sections[section]);
        for (var at = 0UL; at + size <= (ulong)data.Length && elf.Fault is null; at += size)
        {
            var name = new ElfPlace(section, at + position + (hasPosition ? PointerSize : 0));
            if (TableText.Follow(ref elf, pointers, name) is not { } text) continue;
            if (TableText.Follow(ref elf, pointers, name + PointerSize) is { } holder)
            {
                var number = hasPosition ? (long)elf.U64(data, (int)(at + position)) : 0;
                found(holder, text, number, new ElfPlace(section, at));
            }
        }
    }

    /// <summary>Two pointers: the callback, and the object's name, null for vmlinux.</summary>
    private static void KpatchCallbacks(
        scoped ref ElfFile elf, scoped in ElfSymbols symbols, ElfPointers pointers,
        int section, CallbackMoment moment, LivepatchTables tables)
    {
        const ulong Size = 16, Object = 8;
        if (section < 0) return;
        var length = (ulong)elf.Bytes(elf.Sections[section]).Length;
        for (var at = new ElfPlace(section, 0); at.Offset + Size <= length && elf.Fault is null; at += Size)
        {
            var holder = TableText.Follow(ref elf, pointers, at + Object) ?? "vmlinux";
            TableText.Callback(ref elf, symbols, pointers, holder, moment, at, tables);
        }
    }

    private static LivepatchTables? KlpBuild(scoped ref ElfFile elf, scoped in ElfSymbols symbols, ElfPointers pointers)
    {
        var tables = new LivepatchTables(PatchTables.KlpBuild);
        KlpObjects(ref elf, symbols, pointers, elf.Find("__klp_objects"u8), tables);
        KlpObjects(ref elf, symbols, pointers, elf.Find(".init.klp_objects"u8), tables);
        return tables.Functions.Count > 0 || tables.Callbacks.Count > 0 ? tables : null;
    }

    /// <summary>struct klp_object_ext: name (none for vmlinux), funcs, four callbacks and a bool, nr_funcs.</summary>
    private static void KlpObjects(
        scoped ref ElfFile elf,
        scoped in ElfSymbols symbols,
        ElfPointers pointers,
        int section,
        LivepatchTables tables)
    {
        const ulong Size = 64, Funcs = 8, Callbacks = 16, Count = 56;
        if (section < 0) return;
        var data = elf.Bytes(elf.Sections[section]);
        // No file has more entries than pointers to names: that bounds tables which overlap.
        var budget = pointers.Count;
        for (var at = new ElfPlace(section, 0); at.Offset + Size <= (ulong)data.Length && elf.Fault is null; at += Size)
        {
            var name = TableText.Follow(ref elf, pointers, at);
            if (name == "vmlinux") tables.Faults.Add(new TableFault(TableFaultKind.KernelByName, name));
            var holder = name ?? "vmlinux";
            TableText.Callbacks(ref elf, symbols, pointers, holder, at + Callbacks, tables);
            if (!pointers.TryFollow(at + Funcs, out var funcs)) continue;
            var count = Math.Min(elf.U32(data, (int)(at.Offset + Count)), (uint)budget);
            budget -= (int)count;
            KlpFunctions(ref elf, pointers, funcs, count, holder, tables);
        }
    }

    /// <summary>struct klp_func_ext: old_name, new_func, sympos.</summary>
    private static void KlpFunctions(
        scoped ref ElfFile elf, ElfPointers pointers, ElfPlace start, uint count, string holder, LivepatchTables tables)
    {
        const ulong Size = 24, Code = 8, Position = 16;
        var data = elf.Bytes(elf.Sections[start.Section]);
        var length = (ulong)data.Length;
        for (var at = start; count > 0 && elf.Fault is null; at += Size, count--)
        {
            if (at.Offset >= length || Size > length - at.Offset) break;
            if (TableText.Follow(ref elf, pointers, at) is not { } name) continue;
            tables.Functions.Add(new PatchedFunction(holder, name, (long)elf.U64(data, (int)(at.Offset + Position))));
            if (pointers.TryFollow(at + Code, out var code)) tables.Code(elf, pointers, holder, name, code);
        }
    }
}
