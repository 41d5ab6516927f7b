using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.History;

/// <summary>One thing that happened on this host, before it becomes a link of the chain.</summary>
public sealed record HistoryEvent(HistoryKind Kind)
{
    /// <summary>Who asked for it; null when the agent did it on its own.</summary>
    public HistoryBy? By { get; init; }

    public HistoryPatch? Patch { get; init; }

    /// <summary>Why not.</summary>
    public Problem? Problem { get; init; }

    /// <summary>One line for people.</summary>
    public string? Note { get; init; }

    /// <summary>Of a gap: how many entries could not be written.</summary>
    public long? Missed { get; init; }

    /// <summary>Of a rotation: the number of the oldest entry that is kept.</summary>
    public long? Kept { get; init; }
}

/// <summary>What can stand in a history, in kebab case there. Kinds are added, never renamed.</summary>
[System.Text.Json.Serialization.JsonConverter(typeof(KebabEnumConverter<HistoryKind>))]
public enum HistoryKind
{
    // the daemon
    Started,
    Stopped,

    // asked for by somebody on this host
    EnableAsked,
    Disabled,
    RefreshAsked,
    HoldAsked,
    UnholdAsked,
    QuarantineReleased,

    // from the server
    Enrolled,
    EnrolFailed,
    Offered,
    CatalogueRefused,
    Withdrawn,
    ServerDistrusted,
    PinsChanged,
    PinsRefused,

    // the patch on its way
    Refused,
    Verified,
    Loading,
    Loaded,
    LoadFailed,
    Adopted,
    Applied,
    Stalled,
    Reversing,
    Reversed,
    RemovedByHand,
    Quarantined,
    ModuleRemoved,
    Replaced,

    // of the history itself
    Rotated,
    Gap,
    Repaired,
    Damaged,
}

/// <summary>Who asked: a process on this host as the kernel vouches for it, or the patch server.</summary>
/// <param name="Uid">Of the peer of the local socket.</param>
/// <param name="Pid">Of the peer of the local socket.</param>
/// <param name="Program">The name that the process gives itself: a hint, no proof.</param>
/// <param name="Server">Address of the patch server.</param>
public sealed record HistoryBy(uint? Uid = null, int? Pid = null, string? Program = null, string? Server = null);

/// <summary>Which patch it is about, as far as it is known.</summary>
/// <param name="ManifestDigest">SHA-256 of the signed manifest.</param>
/// <param name="Name">The module's name.</param>
/// <param name="Version">The publisher's count.</param>
/// <param name="Module">SHA-256 of the module file.</param>
/// <param name="Signer">Fingerprint of the certificate that signed the module, once it was verified.</param>
public sealed record HistoryPatch(
    [property: JsonPropertyName("manifest")] string ManifestDigest,
    string? Name = null,
    string? Version = null,
    string? Module = null,
    string? Signer = null);
