using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// A thing in a module's relocations that makes the kernel refuse the module, or crash with it later.
/// </summary>
/// <param name="Section">The relocation section.</param>
/// <param name="Detail">The first entry, symbol or place where it was seen.</param>
/// <param name="Count">How many entries of the section have it.</param>
public sealed record RelocationFault(RelocationFaultKind Kind, string Section, string Detail, long Count);

/// <summary>
/// The closed list. Where it says "the kernel does not check", that was seen on Linux 6.12 (docs/preflight.md).
/// </summary>
[JsonConverter(typeof(KebabEnumConverter<RelocationFaultKind>))]
public enum RelocationFaultKind
{
    /// <summary>
    /// Not <c>.klp.rela.OBJECT.SECTION</c> with an object of 1 to 55 characters; the kernel refuses it.
    /// </summary>
    NameMalformed,

    /// <summary>
    /// SHF_RELA_LIVEPATCH is missing. The kernel does not check: the places stay unfilled, the first call crashes.
    /// </summary>
    NotMarked,

    /// <summary>
    /// SHF_ALLOC is missing on a section for a module. The kernel does not check: it reads freed memory when that
    /// module comes.
    /// </summary>
    NotAllocated,

    /// <summary>
    /// sh_info names no section, or one that is not loaded. The kernel does not check: it skips the section, the places
    /// stay unfilled.
    /// </summary>
    TargetMissing,

    /// <summary>Its size is no multiple of an entry's.</summary>
    EntriesMalformed,

    /// <summary>
    /// An entry names a symbol beyond the table. The kernel does not check: it reads beyond the table.
    /// </summary>
    SymbolOutOfRange,

    /// <summary>
    /// An entry of a livepatch section names an ordinary symbol; the kernel refuses it when it comes to the section.
    /// </summary>
    SymbolNotLivepatch,

    /// <summary>
    /// An entry names a livepatch symbol whose name is not <c>.klp.sym.OBJECT.NAME,POSITION</c>; the kernel refuses it
    /// when it comes to the section.
    /// </summary>
    SymbolNameMalformed,

    /// <summary>
    /// An entry names a symbol of vmlinux in a module's section. The kernel finds out when that module comes, and
    /// refuses the module.
    /// </summary>
    KernelSymbolInModuleSection,

    /// <summary>
    /// An entry of vmlinux's section names a symbol of a module: nothing keeps that module loaded. In a module's
    /// section it may be one of another module that the first depends on.
    /// </summary>
    SymbolOfOtherObject,

    /// <summary>
    /// An ordinary section names a livepatch symbol. The kernel does not check: the symbol counts as 0 there.
    /// </summary>
    LivepatchSymbolInOrdinarySection,

    /// <summary>An entry changes bytes beyond its section. The kernel does not check.</summary>
    PlaceOutOfTarget,

    /// <summary>The bytes that an entry fills are not zero; the kernel refuses it (x86).</summary>
    PlaceNotZero,

    /// <summary>A relocation type that this architecture's kernel does not know.</summary>
    TypeUnknown,

    /// <summary>
    /// A section for a module changes a table that the kernel reads as the livepatch loads, which is earlier.
    /// </summary>
    ReadTooEarly,
}
