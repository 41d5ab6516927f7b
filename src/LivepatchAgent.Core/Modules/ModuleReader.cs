using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// Reads a module's file: ELF64 relocatable, with or without an appended signature. Every offset, count and string is
/// bounded; a hostile file is a <see cref="Problem"/>, never an exception. It costs about its own size and time linear
/// in it at most (see <see cref="ElfFile"/>).
/// </summary>
public static class ModuleReader
{
    /// <param name="file">The whole file, typically mapped.</param>
    public static Result<ModuleFacts> Read(ReadOnlySpan<byte> file)
    {
        if (file.Length > ManifestRules.MaxModuleSize)
            return new Problem(ProblemCode.ModuleTooLarge, $"cannot read the module: it has {file.Length} bytes, more than {ManifestRules.MaxModuleSize}", "no livepatch is that large: check which file this is");
        ModuleSignature? signature = null;
        if (ModuleSignature.IsMarked(file))
        {
            if (!ModuleSignature.TryFind(Trailer(file), file.Length, out var found, out var fault)) return Malformed(fault);
            signature = found;
        }

        var elf = new ElfFile(signature is { } s ? file[..(int)s.ContentLength] : file);
        if (elf.Fault is not null) return Malformed(elf.Fault);
        var symbols = new ElfSymbols(ref elf);
        if (elf.Fault is not null) return Malformed(elf.Fault);
        var modinfo = Modinfo.Read(ref elf);
        var name = Name(ref elf, modinfo);
        var vermagic = Modinfo.First(modinfo, "vermagic");
        if (string.IsNullOrEmpty(vermagic)) elf.Fail("its modinfo has no vermagic");
        var isLivepatch = IsLivepatch(modinfo);
        var tables = isLivepatch && elf.Fault is null ? Tables(ref elf, symbols, vermagic!) : null;
        var (needed, livepatchSymbols) = KernelNeeds.Symbols(ref elf, symbols);
        var livepatchRelocations = KernelNeeds.Relocations(ref elf);
        var relocationFaults = LivepatchRelocationReader.Faults(ref elf, symbols);
        if (elf.Fault is not null) return Malformed(elf.Fault);
        return new ModuleFacts
        {
            Name = name,
            Vermagic = vermagic!,
            Architecture = elf.Architecture,
            IsLivepatch = isLivepatch,
            Modinfo = modinfo,
            Replace = tables?.Replace,
            Functions = tables?.Functions ?? [],
            NeededSymbols = needed,
            LivepatchSymbols = livepatchSymbols,
            LivepatchRelocations = livepatchRelocations,
            RelocationFaults = relocationFaults,
            BuildId = KernelNeeds.BuildId(elf),
            Signature = signature,
        };
    }

    private static ReadOnlySpan<byte> Trailer(ReadOnlySpan<byte> file) => file[Math.Max(0, file.Length - ModuleSignature.TrailerLength)..];

    /// <summary>The kernel takes the name from struct module and shows modinfo's to people: they must be the same.</summary>
    private static string Name(scoped ref ElfFile elf, IReadOnlyList<KeyValuePair<string, string>> modinfo)
    {
        const int NameOffset = 24; // enum module_state, padding, struct list_head: unchanged since Linux 2.6
        var index = elf.Find(ThisModule);
        if (index < 0)
        {
            elf.Fail("it is not a kernel module (no .gnu.linkonce.this_module)");
            return "";
        }

        var inStruct = elf.Text(ElfFile.CString(elf.Bytes(elf.Sections[index]), NameOffset));
        var name = Modinfo.First(modinfo, "name") ?? inStruct;
        if (!ManifestRules.IsModuleName(name)) elf.Fail("it has no name that a module can have");
        else if (inStruct != name && ManifestRules.IsModuleName(inStruct)) elf.Fail($"it names itself {name} in its modinfo and {inStruct} in its struct module");
        return name;
    }

    /// <summary>As the kernel's check_modinfo_livepatch(): the key is there; its own tools write Y.</summary>
    private static bool IsLivepatch(IReadOnlyList<KeyValuePair<string, string>> modinfo) => Modinfo.First(modinfo, "livepatch") is not null;

    private static LivepatchTables? Tables(scoped ref ElfFile elf, scoped in ElfSymbols symbols, string vermagic)
    {
        var pointers = ElfPointers.Read(elf, symbols);
        return PlainTables.Find(ref elf, pointers, elf.Find(ThisModule), ReplaceOffset(vermagic)) ?? ToolTables.Find(ref elf, pointers);
    }

    /// <summary>Linux 5.1 brought <c>replace</c> behind mod and objs, 5.5 put <c>states</c> before it.</summary>
    private static int? ReplaceOffset(string vermagic)
    {
        var numbers = vermagic.Split('.', 3);
        if (numbers.Length < 3 || !int.TryParse(numbers[0], out var major) || !int.TryParse(numbers[1], out var minor)) return null;
        return (major, minor) switch
        {
            ( > 5, _) or (5, >= 5) => 24,
            (5, >= 1) => 16,
            _ => null,
        };
    }

    private static ReadOnlySpan<byte> ThisModule => ".gnu.linkonce.this_module"u8;

    private static Problem Malformed(string why) =>
        new(ProblemCode.ModuleMalformed, $"cannot read the module: {why}", "build it again or fetch it again");
}
