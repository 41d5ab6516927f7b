using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>Whose tables a livepatch has.</summary>
[JsonConverter(typeof(KebabEnumConverter<PatchTables>))]
public enum PatchTables
{
    /// <summary>The kernel's own struct klp_patch, static: a patch written by hand.</summary>
    KlpPatch,

    /// <summary>kpatch-build's sections.</summary>
    KpatchBuild,

    /// <summary>klp-build's sections (Linux 6.19 and later).</summary>
    KlpBuild,
}

/// <summary>What is wrong with a livepatch's own tables.</summary>
/// <param name="Object">The object of the entry.</param>
/// <param name="Detail">What of the entry it is; empty where the kind says all.</param>
public sealed record TableFault(TableFaultKind Kind, string Object, string Detail = "");

[JsonConverter(typeof(KebabEnumConverter<TableFaultKind>))]
public enum TableFaultKind
{
    /// <summary>An entry has new code and no name of what it replaces; the kernel refuses it.</summary>
    FunctionWithoutName,

    /// <summary>An entry has a name and no new code; the kernel refuses it.</summary>
    FunctionWithoutCode,

    /// <summary>
    /// Two objects have one array of functions with an entry in it. The kernel does not check: it sets each entry
    /// up twice and stops at a BUG.
    /// </summary>
    SharedFunctions,

    /// <summary>Two objects have one name; the kernel refuses the second one's directory in sysfs.</summary>
    ObjectTwice,

    /// <summary>
    /// The kernel itself, by the name vmlinux. The kernel does not check: to it any name is a module's, and it waits
    /// for a module of this name, which never comes.
    /// </summary>
    KernelByName,

    /// <summary>
    /// A table, a name or code that the kernel goes on using stands in a section that it frees after init, or never
    /// loads. The kernel does not check: it reads or runs what is there by then.
    /// </summary>
    FreedAfterInit,

    /// <summary>
    /// No symbol of the file stands where an entry's new code begins. The kernel looks its size up by one, and refuses
    /// the patch, or takes the size of what stands before it.
    /// </summary>
    CodeWithoutSymbol,
}

/// <summary>When a callback runs, in the order of struct klp_callbacks.</summary>
[JsonConverter(typeof(KebabEnumConverter<CallbackMoment>))]
public enum CallbackMoment
{
    PrePatch,
    PostPatch,
    PreUnpatch,
    PostUnpatch,
}

/// <summary>A function that the livepatch core calls when an object is patched or unpatched.</summary>
/// <param name="Function">Its symbol; empty where the file has none for it.</param>
public sealed record PatchCallback(string Object, CallbackMoment Moment, string Function);

/// <summary>struct klp_state: a change of the system's state that the patch makes, and its version.</summary>
public readonly record struct SystemState(ulong Id, uint Version);

/// <summary>A symbol of an old kpatch-build's <c>.kpatch.dynrelas</c>.</summary>
public sealed record DynamicRelocation(string Object, string Symbol, long Position);
