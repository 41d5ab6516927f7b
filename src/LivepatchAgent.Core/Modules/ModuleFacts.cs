using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a module's file says of itself. Nothing of it is believed before the signatures are.</summary>
public sealed record ModuleFacts
{
    /// <summary>modinfo <c>name</c>.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// modinfo <c>vermagic</c>, e.g. <c>6.12.117+deb12-cloud-amd64 SMP preempt mod_unload modversions </c>.
    /// </summary>
    public required string Vermagic { get; init; }

    /// <summary>As <c>uname -m</c> names the machine the file is for.</summary>
    public required string Architecture { get; init; }

    /// <summary>modinfo <c>livepatch=Y</c>: the kernel loads it as a livepatch.</summary>
    public required bool IsLivepatch { get; init; }

    /// <summary>All of .modinfo, in its order; a key can stand more than once.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Modinfo { get; init; }

    /// <summary>Keys of .modinfo that stand more than once where one is meant; the kernel takes the first.</summary>
    public IReadOnlyList<string> RepeatedModinfo { get; init; } = [];

    /// <summary>Whose tables of a livepatch it has; null where none are visible.</summary>
    public PatchTables? Tables { get; init; }

    /// <summary>Null where the file does not show it.</summary>
    public bool? Replace { get; init; }

    /// <summary>The functions it redirects, as far as the file shows them.</summary>
    public IReadOnlyList<PatchedFunction> Functions { get; init; } = [];

    /// <summary>What is wrong with these tables.</summary>
    public IReadOnlyList<TableFault> TableFaults { get; init; } = [];

    /// <summary>Bytes of memory that its sections need, those without bytes in the file included.</summary>
    public long LoadedSize { get; init; }

    /// <summary>Code of its own that runs around the switch, as far as the file shows it.</summary>
    public IReadOnlyList<PatchCallback> Callbacks { get; init; } = [];

    /// <summary>Its entries of struct klp_state; null where the file does not show them.</summary>
    public IReadOnlyList<SystemState>? States { get; init; }

    /// <summary>Symbols that an old kpatch-build's patch looks up itself when it is loaded.</summary>
    public IReadOnlyList<DynamicRelocation> DynamicRelocations { get; init; } = [];

    /// <summary>
    /// SHA-256 of the whole file, signature included, in lower-case hex; null where the reader of the file did not give
    /// it. No part of what the file says.
    /// </summary>
    [JsonIgnore]
    public string? FileDigest { get; init; }

    /// <summary>The linker's build id (.note.gnu.build-id) in lower-case hex, or null.</summary>
    public string? BuildId { get; init; }

    /// <summary>Symbols that the kernel or other modules must export.</summary>
    public IReadOnlyList<string> NeededSymbols { get; init; } = [];

    /// <summary>CRCs of <c>__versions</c>; null where the module has no such section.</summary>
    public IReadOnlyList<SymbolVersion>? SymbolVersions { get; init; }

    /// <summary>
    /// CRCs of <c>__version_ext_crcs</c>, for kernels from 6.14 on; null where the module has no such section.
    /// </summary>
    public IReadOnlyList<SymbolVersion>? ExtendedSymbolVersions { get; init; }

    /// <summary>
    /// Size of its struct module, .gnu.linkonce.this_module, in bytes: each build of a kernel has one.
    /// </summary>
    public long ThisModuleSize { get; init; }

    /// <summary>Symbols that the kernel's livepatch code looks up itself, exported or not.</summary>
    public IReadOnlyList<LivepatchSymbol> LivepatchSymbols { get; init; } = [];

    /// <summary>Relocations that the kernel's livepatch code applies, by object and section.</summary>
    public IReadOnlyList<LivepatchRelocations> LivepatchRelocations { get; init; } = [];

    /// <summary>What is wrong with any of its relocations, as far as the file alone shows.</summary>
    public IReadOnlyList<RelocationFault> RelocationFaults { get; init; } = [];

    /// <summary>What is wrong with the places that it lists for ftrace, as far as its file shows it (x86-64).</summary>
    public IReadOnlyList<CallSiteFault> CallSiteFaults { get; init; } = [];

    /// <summary>How many of these places are no-ops, as objtool makes them for some kernels (x86-64).</summary>
    public long NoOpCallSites { get; init; }

    /// <summary>
    /// Where the signature stands that a kernel would check; null when the file is unsigned, or signed in a way that no
    /// kernel knows.
    /// </summary>
    public ModuleSignature? Signature { get; init; }

    /// <summary>
    /// All appended signatures, the last one first: the kernel checks that one, and takes the others for content.
    /// </summary>
    public IReadOnlyList<AppendedSignature> Signatures { get; init; } = [];

    /// <summary>Bytes between the end of the ELF file and its signature, or the end of the file.</summary>
    public long TrailingBytes { get; init; }

    /// <summary>
    /// Bytes behind a signature that is not at the end of the file, so that a kernel does not see it; 0 if nothing
    /// stands there.
    /// </summary>
    public long BytesBehindSignature { get; init; }

    /// <summary>
    /// Which members are empty because the file does not show it, and not because nothing is there. Shadow variables
    /// are no member: a patch that calls nothing for them has none, of one that does it is not visible which.
    /// </summary>
    public IReadOnlyList<string> NotVisible => !IsLivepatch ? [] :
    [
        .. Tables is null ? ["functions", "callbacks"] : (string[])[],
        .. Replace is null ? ["replace"] : (string[])[],
        .. States is null ? ["states"] : (string[])[],
        .. StateCalls.Any(IsShadowCall) ? ["shadowVariables"] : (string[])[],
    ];

    /// <summary>The kernel release in the vermagic: its first word.</summary>
    public string KernelRelease => Vermagic.Split(' ', 2)[0];

    /// <summary>
    /// The kernel's functions for shadow variables and states that it calls; with which ids is in its code, not in its
    /// tables.
    /// </summary>
    public IEnumerable<string> StateCalls =>
        NeededSymbols.Where(n => IsShadowCall(n) || n is "klp_get_state" or "klp_get_prev_state");

    private static bool IsShadowCall(string name) => name.StartsWith("klp_shadow_", StringComparison.Ordinal);
}

/// <summary>
/// One <c>.klp.sym.OBJECT.NAME,POSITION</c>; a name that does not read like that stands whole in
/// <paramref name="Name"/>, with no object.
/// </summary>
/// <param name="IsMarked">Whether its section index says SHN_LIVEPATCH, as the kernel demands.</param>
public sealed record LivepatchSymbol(string Object, string Name, long Position, bool IsMarked);

/// <summary>One section <c>.klp.rela.OBJECT.SECTION</c>.</summary>
/// <param name="Section">The section it changes, with its dot; empty when the name has none.</param>
/// <param name="IsMarked">Whether it has SHF_RELA_LIVEPATCH; without it the kernel loads the module and leaves the
/// places unfilled.</param>
/// <param name="IsAllocated">Whether it has SHF_ALLOC. Without, it is gone when its object is loaded later.</param>
public sealed record LivepatchRelocations(string Object, string Section, long Count, bool IsMarked, bool IsAllocated);
