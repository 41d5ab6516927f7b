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
        if (file.Length > ManifestRules.MaxModuleSize) return TooLarge(file.Length);
        if (SignatureReader.Read(file, out var unusable) is not { } signatures) return Malformed(unusable!);
        var elf = new ElfFile(signatures.Count > 0 ? file[..(int)signatures[0].ContentLength] : file);
        if (elf.Fault is not null) return Malformed(elf.Fault);
        var symbols = new ElfSymbols(ref elf);
        if (elf.Fault is not null) return Malformed(elf.Fault);
        var contents = ContentsOf(ref elf, symbols);
        return elf.Fault is null ? Facts(file, elf, signatures, contents) : Malformed(elf.Fault);
    }

    private static Contents ContentsOf(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        var modinfo = Modinfo.Read(ref elf);
        var thisModule = ThisModule(ref elf);
        var name = Name(ref elf, modinfo, thisModule);
        var vermagic = Modinfo.First(modinfo, "vermagic");
        if (string.IsNullOrEmpty(vermagic)) elf.Fail("its modinfo has no vermagic");
        var isLivepatch = IsLivepatch(modinfo);
        var tables = isLivepatch && elf.Fault is null ? Tables(ref elf, symbols, thisModule, vermagic!) : null;
        return new Contents
        {
            Modinfo = modinfo,
            ThisModule = thisModule,
            Name = name,
            Vermagic = vermagic ?? "",
            IsLivepatch = isLivepatch,
            Tables = tables,
            Needs = KernelNeeds.Symbols(ref elf, symbols),
            Relocations = KernelNeeds.Relocations(ref elf),
            RelocationFaults = LivepatchRelocationReader.Faults(ref elf, symbols),
            CallSites = CallSiteReader.Read(ref elf, symbols),
            Versions = SymbolVersions.Basic(ref elf),
            ExtendedVersions = SymbolVersions.Extended(ref elf),
        };
    }

    private static ModuleFacts Facts(
        ReadOnlySpan<byte> file,
        scoped in ElfFile elf,
        IReadOnlyList<AppendedSignature> signatures,
        in Contents contents) => new()
    {
        Name = contents.Name,
        Vermagic = contents.Vermagic,
        Architecture = elf.Architecture,
        IsLivepatch = contents.IsLivepatch,
        Modinfo = contents.Modinfo,
        RepeatedModinfo = Modinfo.Repeated(contents.Modinfo),
        Tables = contents.Tables?.Kind,
        Replace = contents.Tables?.Replace,
        Functions = contents.Tables?.Functions ?? [],
        TableFaults = contents.Tables?.Faults ?? [],
        LoadedSize = KernelNeeds.LoadedSize(elf),
        Callbacks = contents.Tables?.Callbacks ?? [],
        States = contents.Tables?.States,
        DynamicRelocations = contents.Tables?.DynamicRelocations ?? [],
        NeededSymbols = contents.Needs.Undefined,
        SymbolVersions = contents.Versions,
        ExtendedSymbolVersions = contents.ExtendedVersions,
        ThisModuleSize = (long)elf.Sections[contents.ThisModule].Size,
        LivepatchSymbols = contents.Needs.Livepatch,
        LivepatchRelocations = contents.Relocations,
        RelocationFaults = contents.RelocationFaults,
        CallSiteFaults = contents.CallSites.Faults,
        NoOpCallSites = contents.CallSites.NoOps,
        BuildId = KernelNeeds.BuildId(elf),
        Signature = Checked(signatures),
        Signatures = signatures,
        TrailingBytes = Math.Max(0, (signatures is [.., var first] ? first.ContentLength : file.Length) - elf.End),
        BytesBehindSignature = SignatureReader.BytesBehind(file),
    };

    /// <summary>The signature that a kernel would check.</summary>
    private static ModuleSignature? Checked(IReadOnlyList<AppendedSignature> signatures) =>
        signatures is [{ Type: "PKCS#7" } last, ..] ? new ModuleSignature(last.ContentLength, last.Length) : null;

    /// <summary>Its section's index. A kernel wants exactly one, with content and allocated.</summary>
    private static int ThisModule(scoped ref ElfFile elf)
    {
        var index = elf.Find(".gnu.linkonce.this_module"u8);
        if (index < 0) elf.Fail("it is not a kernel module (no .gnu.linkonce.this_module)");
        else if (elf.FindAfter(index, ".gnu.linkonce.this_module"u8) >= 0)
            elf.Fail("it has more than one .gnu.linkonce.this_module");
        else if (elf.Sections[index].Type != ElfSection.ProgBits || !elf.Sections[index].Has(ElfSection.Alloc))
            elf.Fail("its .gnu.linkonce.this_module is not an allocated section with content");
        return Math.Max(index, 0);
    }

    /// <summary>
    /// The kernel takes the name from struct module and shows modinfo's to people: they must be the same.
    /// </summary>
    private static string Name(
        scoped ref ElfFile elf,
        IReadOnlyList<KeyValuePair<string, string>> modinfo,
        int thisModule)
    {
        // enum module_state, padding, struct list_head: unchanged since Linux 2.6.
        const int NameOffset = 24;
        var inStruct = elf.Text(ElfFile.CString(elf.Bytes(elf.Sections[thisModule]), NameOffset));
        var name = Modinfo.First(modinfo, "name") ?? inStruct;
        if (!ManifestRules.IsModuleName(name)) elf.Fail("it has no name that a module can have");
        else if (inStruct != name && ManifestRules.IsModuleName(inStruct))
            elf.Fail($"it names itself {name} in its modinfo and {inStruct} in its struct module");
        return name;
    }

    /// <summary>As the kernel's check_modinfo_livepatch(): the key is there; its own tools write Y.</summary>
    private static bool IsLivepatch(IReadOnlyList<KeyValuePair<string, string>> modinfo) =>
        Modinfo.First(modinfo, "livepatch") is not null;

    private static LivepatchTables? Tables(
        scoped ref ElfFile elf,
        scoped in ElfSymbols symbols,
        int thisModule,
        string vermagic)
    {
        var pointers = ElfPointers.Read(ref elf, symbols);
        var layout = PatchLayout.Of(vermagic);
        return KlpPatchReader.Find(ref elf, symbols, pointers, thisModule, layout)
            ?? ToolTablesReader.Find(ref elf, symbols, pointers);
    }

    private static Problem TooLarge(int length) => new(
        ProblemCode.ModuleTooLarge,
        $"cannot read the module: it has {length} bytes, more than {ManifestRules.MaxModuleSize}",
        "no livepatch is that large: check which file this is");

    private static Problem Malformed(string why) =>
        new(ProblemCode.ModuleMalformed, $"cannot read the module: {why}", "build it again or fetch it again");

    /// <summary>What was read from the file's sections.</summary>
    private readonly struct Contents
    {
        public required IReadOnlyList<KeyValuePair<string, string>> Modinfo { get; init; }

        public required int ThisModule { get; init; }

        public required string Name { get; init; }

        public required string Vermagic { get; init; }

        public required bool IsLivepatch { get; init; }

        public required LivepatchTables? Tables { get; init; }

        public required (IReadOnlyList<string> Undefined, IReadOnlyList<LivepatchSymbol> Livepatch) Needs { get; init; }

        public required IReadOnlyList<LivepatchRelocations> Relocations { get; init; }

        public required IReadOnlyList<RelocationFault> RelocationFaults { get; init; }

        public required (IReadOnlyList<CallSiteFault> Faults, long NoOps) CallSites { get; init; }

        public required IReadOnlyList<SymbolVersion>? Versions { get; init; }

        public required IReadOnlyList<SymbolVersion>? ExtendedVersions { get; init; }
    }
}
