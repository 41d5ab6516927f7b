using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// The tables of a livepatch written by hand, as in the kernel's samples/livepatch: a static struct klp_patch, found as
/// a pointer to __this_module followed by one to an array of struct klp_object. The sizes of these structures change
/// between kernels, their first members do not (include/linux/livepatch.h, "external"); so entries are found by the
/// pointers that they must hold, never by a stride.
/// </summary>
internal ref struct KlpPatchReader
{
    /// <summary>
    /// Structures that begin with a pointer to __this_module are few; a hostile file gets no more tries than this.
    /// </summary>
    private const int MaxCandidates = 64;

    /// <summary>The kernel compares each with each of every other patch: nobody has more than a few.</summary>
    private const int MaxStates = 4096;

    private const ulong PointerSize = 8;
    private const string Kernel = "vmlinux";

    /// <summary>
    /// What is kept of a state, and what an object costs while its table is walked: two sets and a fault.
    /// </summary>
    private const int StateCost = 16, ObjectCost = 192;

    private readonly ElfPointers _pointers;
    private readonly ElfSymbols _symbols;
    private int _visits;

    private KlpPatchReader(ElfPointers pointers, ElfSymbols symbols)
    {
        _pointers = pointers;
        _symbols = symbols;
        // Each pointer is part of one table: a file that shares them between tables is walked twice at most.
        _visits = 2 * pointers.Count;
    }

    /// <summary>Null where no such table is visible: tables in .bss and those filled at run time are not.</summary>
    /// <param name="layout">What is known of this kernel's struct klp_patch.</param>
    public static LivepatchTables? Find(
        scoped ref ElfFile elf,
        ElfSymbols symbols,
        ElfPointers pointers,
        int thisModule,
        PatchLayout layout)
    {
        var reader = new KlpPatchReader(pointers, symbols);
        var candidates = 0;
        LivepatchTables? withoutFunctions = null;
        for (var i = 0; i + 1 < pointers.Count && candidates < MaxCandidates && elf.Fault is null; i++)
        {
            if (pointers.Target(i) != new ElfPlace(thisModule, 0)) continue;
            var patch = pointers.At(i);
            if (!pointers.TryFollow(patch + PointerSize, out var objects) || !IsWritable(elf, objects)) continue;
            candidates++;
            var tables = new LivepatchTables(PatchTables.KlpPatch) { Replace = Flag(elf, patch, layout.Replace) };
            reader.Objects(ref elf, objects, tables);
            if (tables.Functions.Count == 0 && tables.Faults.Count == 0 && tables.Callbacks.Count == 0) continue;
            tables.Lasting(elf, Kernel, "struct klp_patch", "", patch);
            tables.Lasting(elf, Kernel, "the array of objects", "", objects);
            tables = tables with { States = reader.States(ref elf, patch, layout.States, tables) };
            if (tables.Functions.Count > 0) return tables;
            withoutFunctions ??= tables;
        }

        return withoutFunctions;
    }

    private void Objects(scoped ref ElfFile elf, ElfPlace start, LivepatchTables tables)
    {
        // struct klp_object: name, funcs, callbacks.
        const ulong Callbacks = 2 * PointerSize;
        var end = _pointers.EndOf(start, elf, _symbols);
        var (seen, names) = (new HashSet<ElfPlace>(), new HashSet<string>());
        for (var i = _pointers.FirstFrom(start); i < _pointers.Count && _visits-- > 0; i++)
        {
            var (at, target) = (_pointers.At(i), _pointers.Target(i));
            if (at.Section != start.Section || at.Offset >= end) break;
            // The callbacks between one object's funcs and the next object point to code.
            if (elf.Sections[target.Section].Has(ElfSection.Execute)) continue;
            var name = Kernel;
            if (!IsWritable(elf, target))
            {
                if (!_pointers.TryFollow(at + PointerSize, out var following) || !IsWritable(elf, following)) break;
                name = TableText.At(ref elf, target);
                tables.Lasting(elf, name, "the object's name", "", target);
                if (name == Kernel) tables.Faults.Add(new TableFault(TableFaultKind.KernelByName, name));
                (at, target) = (at + PointerSize, following);
                i++;
            }

            if (!elf.TryPay(ObjectCost)) break;
            // An empty array has nothing that could be set up twice: samples/livepatch has one for all objects.
            var isShared = !seen.Add(target) && HasEntry(target);
            if (isShared) tables.Faults.Add(new TableFault(TableFaultKind.SharedFunctions, name));
            if (!names.Add(name)) tables.Faults.Add(new TableFault(TableFaultKind.ObjectTwice, name));
            if (!IsEmpty(target) && !Functions(ref elf, name, target, tables)) break;
            TableText.Callbacks(ref elf, _symbols, _pointers, name, at + (Callbacks - PointerSize), tables);
        }
    }

    /// <summary>A variable of known size without an entry: an object that has callbacks alone.</summary>
    private readonly bool IsEmpty(ElfPlace functions) => _pointers.IsSized(functions) && !HasEntry(functions);

    /// <summary>
    /// Whether an array of functions has a first entry. To the kernel a row without name and code ends it, whatever
    /// follows (klp_for_each_func_static(), include/linux/livepatch.h).
    /// </summary>
    private readonly bool HasEntry(ElfPlace functions) =>
        _pointers.TryFollow(functions, out _) || _pointers.TryFollow(functions + PointerSize, out _);

    private bool Functions(scoped ref ElfFile elf, string objectName, ElfPlace start, LivepatchTables tables)
    {
        var functions = tables.Functions;
        var before = functions.Count;
        var end = _pointers.EndOf(start, elf, _symbols);
        var data = elf.Bytes(elf.Sections[start.Section]);
        for (var i = _pointers.FirstFrom(start); i < _pointers.Count && _visits-- > 0; i += 2)
        {
            var (at, name) = (_pointers.At(i), _pointers.Target(i));
            if (at.Section != start.Section || at.Offset >= end) break;
            var position = at.Offset + (2 * PointerSize);
            var isNamed = !elf.Sections[name.Section].Has(ElfSection.Execute);
            var isWhole = isNamed && PointsToCode(elf, i + 1, at + PointerSize);
            // Where no symbol says how long the array is, what follows it may be something else.
            if (!isWhole && _pointers.IsSized(start))
            {
                var kind = isNamed ? TableFaultKind.FunctionWithoutCode : TableFaultKind.FunctionWithoutName;
                tables.Faults.Add(new TableFault(kind, objectName));
            }

            if (!isWhole || position + PointerSize > (ulong)data.Length) break;
            var oldName = TableText.At(ref elf, name);
            if (oldName.Length == 0 || elf.Fault is not null) break;
            functions.Add(new PatchedFunction(objectName, oldName, (long)elf.U64(data, (int)position)));
            tables.Lasting(elf, objectName, "the name ", oldName, name);
            tables.Code(elf, _pointers, objectName, oldName, _pointers.Target(i + 1));
        }

        if (functions.Count == before) return false;
        tables.Lasting(elf, objectName, "the array of functions", "", start);
        return true;
    }

    /// <summary>Whether the pointer of this index stands at this place, and points to code.</summary>
    private readonly bool PointsToCode(scoped in ElfFile elf, int index, ElfPlace at) =>
        index < _pointers.Count
        && _pointers.At(index) == at
        && elf.Sections[_pointers.Target(index).Section].Has(ElfSection.Execute);

    /// <summary>struct klp_state: id, version, data; a row of zeros ends them. None is no pointer to them.</summary>
    private readonly SystemState[]? States(scoped ref ElfFile elf, ElfPlace patch, int? offset, LivepatchTables tables)
    {
        const int Size = 24, Version = 8;
        if (offset is not { } member) return null;
        if (!_pointers.TryFollow(patch + (ulong)member, out var start)) return [];
        tables.Lasting(elf, Kernel, "the array of states", "", start);
        var data = elf.Bytes(elf.Sections[start.Section]);
        var end = (int)Math.Min(_pointers.EndOf(start, elf, _symbols), (ulong)data.Length);
        var rows = data[(int)Math.Min(start.Offset, (ulong)end)..end];
        var count = 0;
        while (count < MaxStates && (count + 1) * Size <= rows.Length && elf.U64(rows, count * Size) != 0) count++;
        if (!elf.TryPay((long)count * StateCost)) return [];
        var states = new SystemState[count];
        for (var i = 0; i < count; i++)
            states[i] = new SystemState(elf.U64(rows, i * Size), elf.U32(rows, (i * Size) + Version));
        return states;
    }

    private static bool IsWritable(scoped in ElfFile elf, ElfPlace place) =>
        elf.Sections[place.Section].Has(ElfSection.Write);

    private static bool? Flag(scoped in ElfFile elf, ElfPlace patch, int? offset)
    {
        if (offset is null) return null;
        var at = patch.Offset + (ulong)offset.Value;
        var data = elf.Bytes(elf.Sections[patch.Section]);
        return at < (ulong)data.Length ? data[(int)at] != 0 : null;
    }
}

/// <summary>
/// Where struct klp_patch has its members behind mod and objs; null for one that it lacks or if not known.
/// </summary>
internal readonly record struct PatchLayout(int? States, int? Replace)
{
    /// <summary>Linux 5.1 brought <c>replace</c>, 5.5 put <c>states</c> before it.</summary>
    public static PatchLayout Of(string vermagic)
    {
        var series = KernelSeries.Of(vermagic) ?? default;
        if (series.CompareTo((5, 5)) >= 0) return new PatchLayout(16, 24);
        return series.CompareTo((5, 1)) >= 0 ? new PatchLayout(null, 16) : default;
    }
}
