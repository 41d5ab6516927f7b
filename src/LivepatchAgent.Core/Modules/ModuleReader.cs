using LivepatchAgent.Core.Wire;

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
        if (SignatureReader.Read(file, out var unusable) is not { } signatures) return Malformed(unusable!);

        var elf = new ElfFile(signatures.Count > 0 ? file[..(int)signatures[0].ContentLength] : file);
        if (elf.Fault is not null) return Malformed(elf.Fault);
        var symbols = new ElfSymbols(ref elf);
        if (elf.Fault is not null) return Malformed(elf.Fault);
        var modinfo = Modinfo.Read(ref elf);
        var thisModule = ThisModule(ref elf);
        var name = Name(ref elf, modinfo, thisModule);
        var vermagic = Modinfo.First(modinfo, "vermagic");
        if (string.IsNullOrEmpty(vermagic)) elf.Fail("its modinfo has no vermagic");
        var isLivepatch = IsLivepatch(modinfo);
        var tables = isLivepatch && elf.Fault is null ? Tables(ref elf, symbols, thisModule, vermagic!) : null;
        var (needed, livepatchSymbols) = KernelNeeds.Symbols(ref elf, symbols);
        var livepatchRelocations = KernelNeeds.Relocations(ref elf);
        var relocationFaults = LivepatchRelocationReader.Faults(ref elf, symbols);
        var (callSiteFaults, noOpCallSites) = CallSiteReader.Read(ref elf, symbols);
        var (versions, extendedVersions) = (SymbolVersions.Basic(ref elf), SymbolVersions.Extended(ref elf));
        if (elf.Fault is not null) return Malformed(elf.Fault);
        return new ModuleFacts
        {
            Name = name,
            Vermagic = vermagic!,
            Architecture = elf.Architecture,
            IsLivepatch = isLivepatch,
            Modinfo = modinfo,
            RepeatedModinfo = Modinfo.Repeated(modinfo),
            Tables = tables?.Kind,
            Replace = tables?.Replace,
            Functions = tables?.Functions ?? [],
            TableFaults = tables?.Faults ?? [],
            LoadedSize = KernelNeeds.LoadedSize(elf),
            Callbacks = tables?.Callbacks ?? [],
            States = tables?.States,
            DynamicRelocations = tables?.DynamicRelocations ?? [],
            NeededSymbols = needed,
            SymbolVersions = versions,
            ExtendedSymbolVersions = extendedVersions,
            ThisModuleSize = (long)elf.Sections[thisModule].Size,
            LivepatchSymbols = livepatchSymbols,
            LivepatchRelocations = livepatchRelocations,
            RelocationFaults = relocationFaults,
            CallSiteFaults = callSiteFaults,
            NoOpCallSites = noOpCallSites,
            BuildId = KernelNeeds.BuildId(elf),
            Signature = signatures is [{ Type: "PKCS#7" } last, ..] ? new ModuleSignature(last.ContentLength, last.Length) : null,
            Signatures = signatures,
            TrailingBytes = Math.Max(0, (signatures.Count > 0 ? signatures[^1].ContentLength : file.Length) - elf.End),
            BytesBehindSignature = SignatureReader.BytesBehind(file),
        };
    }

    /// <summary>Its section's index. A kernel wants exactly one, with content and allocated.</summary>
    private static int ThisModule(scoped ref ElfFile elf)
    {
        var index = elf.Find(".gnu.linkonce.this_module"u8);
        if (index < 0) elf.Fail("it is not a kernel module (no .gnu.linkonce.this_module)");
        else if (elf.FindAfter(index, ".gnu.linkonce.this_module"u8) >= 0) elf.Fail("it has more than one .gnu.linkonce.this_module");
        else if (elf.Sections[index].Type != ElfSection.ProgBits || !elf.Sections[index].Has(ElfSection.Alloc)) elf.Fail("its .gnu.linkonce.this_module is not an allocated section with content");
        return Math.Max(index, 0);
    }

    /// <summary>The kernel takes the name from struct module and shows modinfo's to people: they must be the same.</summary>
    private static string Name(scoped ref ElfFile elf, IReadOnlyList<KeyValuePair<string, string>> modinfo, int thisModule)
    {
        const int NameOffset = 24; // enum module_state, padding, struct list_head: unchanged since Linux 2.6
        var inStruct = elf.Text(ElfFile.CString(elf.Bytes(elf.Sections[thisModule]), NameOffset));
        var name = Modinfo.First(modinfo, "name") ?? inStruct;
        if (!ManifestRules.IsModuleName(name)) elf.Fail("it has no name that a module can have");
        else if (inStruct != name && ManifestRules.IsModuleName(inStruct)) elf.Fail($"it names itself {name} in its modinfo and {inStruct} in its struct module");
        return name;
    }

    /// <summary>As the kernel's check_modinfo_livepatch(): the key is there; its own tools write Y.</summary>
    private static bool IsLivepatch(IReadOnlyList<KeyValuePair<string, string>> modinfo) => Modinfo.First(modinfo, "livepatch") is not null;

    private static LivepatchTables? Tables(scoped ref ElfFile elf, scoped in ElfSymbols symbols, int thisModule, string vermagic)
    {
        var pointers = ElfPointers.Read(ref elf, symbols);
        return KlpPatchReader.Find(ref elf, symbols, pointers, thisModule, PatchLayout.Of(vermagic)) ?? ToolTablesReader.Find(ref elf, symbols, pointers);
    }

    private static Problem Malformed(string why) =>
        new(ProblemCode.ModuleMalformed, $"cannot read the module: {why}", "build it again or fetch it again");
}
