using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a livepatch's own static tables say.</summary>
internal readonly record struct LivepatchTables(bool? Replace, IReadOnlyList<PatchedFunction> Functions);

/// <summary>
/// The tables of a livepatch written by hand, as in the kernel's samples/livepatch: a static struct klp_patch, found as
/// a pointer to __this_module followed by one to an array of struct klp_object. The sizes of these structures change
/// between kernels, their first members do not (include/linux/livepatch.h, "external"); so entries are found by the
/// pointers that they must hold, never by a stride.
/// </summary>
internal ref struct PlainTables
{
    /// <summary>Structures that begin with a pointer to __this_module are few; a hostile file gets no more tries than this.</summary>
    private const int MaxCandidates = 64;

    private const ulong PointerSize = 8;
    private readonly ElfPointers _pointers;
    private int _visits;

    private PlainTables(ElfPointers pointers)
    {
        _pointers = pointers;
        // Each pointer is part of one table: a file that shares them between tables is walked twice at most.
        _visits = 2 * pointers.Count;
    }

    /// <summary>Null where no such table is visible: tables in .bss and those filled at run time are not.</summary>
    /// <param name="replaceOffset">Where this kernel's struct klp_patch has <c>replace</c>; null when it is not known.</param>
    public static LivepatchTables? Find(scoped ref ElfFile elf, ElfPointers pointers, int thisModule, int? replaceOffset)
    {
        var reader = new PlainTables(pointers);
        var candidates = 0;
        for (var i = 0; i + 1 < pointers.Count && candidates < MaxCandidates && elf.Fault is null; i++)
        {
            if (pointers.Target(i) != new ElfPlace(thisModule, 0)) continue;
            var patch = pointers.At(i);
            if (!pointers.TryFollow(patch with { Offset = patch.Offset + PointerSize }, out var objects) || !IsWritable(elf, objects)) continue;
            candidates++;
            var functions = reader.Objects(ref elf, objects);
            if (functions.Count > 0) return new LivepatchTables(Flag(elf, patch, replaceOffset), functions);
        }

        return null;
    }

    private List<PatchedFunction> Objects(scoped ref ElfFile elf, ElfPlace start)
    {
        List<PatchedFunction> functions = [];
        var end = _pointers.EndOf(start, elf);
        for (var i = _pointers.FirstFrom(start); i < _pointers.Count && _visits-- > 0; i++)
        {
            var (at, target) = (_pointers.At(i), _pointers.Target(i));
            if (at.Section != start.Section || at.Offset >= end) break;
            // The callbacks between one object's funcs and the next object point to code.
            if (elf.Sections[target.Section].Has(ElfSection.Execute)) continue;
            var name = "vmlinux";
            if (!IsWritable(elf, target))
            {
                if (!_pointers.TryFollow(at with { Offset = at.Offset + PointerSize }, out var following) || !IsWritable(elf, following)) break;
                name = TextAt(ref elf, target);
                target = following;
                i++;
            }

            if (!Functions(ref elf, name, target, functions)) break;
        }

        return functions;
    }

    private bool Functions(scoped ref ElfFile elf, string objectName, ElfPlace start, List<PatchedFunction> functions)
    {
        var before = functions.Count;
        var end = _pointers.EndOf(start, elf);
        var data = elf.Bytes(elf.Sections[start.Section]);
        for (var i = _pointers.FirstFrom(start); i + 1 < _pointers.Count && _visits-- > 0; i += 2)
        {
            var (at, name, code) = (_pointers.At(i), _pointers.Target(i), _pointers.Target(i + 1));
            if (at.Section != start.Section || at.Offset >= end) break;
            var position = at.Offset + (2 * PointerSize);
            if (_pointers.At(i + 1) != at with { Offset = at.Offset + PointerSize } || !elf.Sections[code.Section].Has(ElfSection.Execute)
                || position + PointerSize > (ulong)data.Length) break;
            var oldName = TextAt(ref elf, name);
            if (oldName.Length == 0 || elf.Fault is not null) break;
            functions.Add(new PatchedFunction(objectName, oldName, (long)elf.U64(data, (int)position)));
        }

        return functions.Count > before;
    }

    private static string TextAt(scoped ref ElfFile elf, ElfPlace place) =>
        elf.Text(ElfFile.CString(elf.Bytes(elf.Sections[place.Section]), place.Offset));

    private static bool IsWritable(scoped in ElfFile elf, ElfPlace place) => elf.Sections[place.Section].Has(ElfSection.Write);

    private static bool? Flag(scoped in ElfFile elf, ElfPlace patch, int? offset)
    {
        if (offset is null) return null;
        var at = patch.Offset + (ulong)offset.Value;
        var data = elf.Bytes(elf.Sections[patch.Section]);
        return at < (ulong)data.Length ? data[(int)at] != 0 : null;
    }
}
