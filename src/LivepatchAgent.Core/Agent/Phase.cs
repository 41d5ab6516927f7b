using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Where the agent stands on the way of one patch. What the kernel runs meanwhile is <see cref="AgentState.Running"/>:
/// an old patch stays in force while a new one is on its way or was refused.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(NotEnrolled), "not-enrolled")]
[JsonDerivedType(typeof(Enrolling), "enrolling")]
[JsonDerivedType(typeof(Resting), "resting")]
[JsonDerivedType(typeof(Offered), "offered")]
[JsonDerivedType(typeof(Listed), "listed")]
[JsonDerivedType(typeof(Downloading), "downloading")]
[JsonDerivedType(typeof(Downloaded), "downloaded")]
[JsonDerivedType(typeof(Verified), "verified")]
[JsonDerivedType(typeof(Cleared), "cleared")]
[JsonDerivedType(typeof(Loading), "loading")]
[JsonDerivedType(typeof(Transitioning), "transitioning")]
[JsonDerivedType(typeof(Refused), "refused")]
public abstract record Phase
{
    private protected Phase()
    {
    }

    /// <summary>The patch on its way, where the phase has one.</summary>
    [JsonIgnore]
    public virtual PatchRef? Target => null;

    /// <summary>Nothing was asked for, or the last attempt to enrol failed for this reason.</summary>
    public sealed record NotEnrolled(Problem? Problem) : Phase;

    /// <summary>A token was given; the server does not know us yet.</summary>
    public sealed record Enrolling(EnrolmentIntent Intent, Retry Retry) : Phase;

    /// <summary>Nothing is under way.</summary>
    public sealed record Resting : Phase;

    /// <summary>The server named a manifest (or none); the catalogue has yet to confirm it.</summary>
    /// <param name="Before">The refusal that stands while the catalogue is only looked at again.</param>
    public sealed record Offered(string? Manifest, Retry Retry, Refused? Before = null) : Phase;

    /// <summary>The catalogue lists the manifest; it has yet to be fetched and verified.</summary>
    public sealed record Listed(string Manifest, Retry Retry) : Phase;

    /// <summary>The manifest is verified and stored, the module is not whole yet.</summary>
    public sealed record Downloading(PatchRef Patch, Retry Retry) : Phase
    {
        public override PatchRef Target => Patch;
    }

    /// <summary>The module is in the store, and not yet believed.</summary>
    public sealed record Downloaded(PatchRef Patch) : Phase
    {
        public override PatchRef Target => Patch;
    }

    /// <summary>
    /// The module was verified and its file is held open. Never read back from the disk: only Trust can say this, so a
    /// restart goes back to <see cref="Downloaded"/>.
    /// </summary>
    public sealed record Verified(PatchRef Patch, string? BuildId) : Phase
    {
        public override PatchRef Target => Patch;
    }

    /// <summary>Preflight found nothing against it. Like <see cref="Verified"/> never read back: the host may have changed since.</summary>
    public sealed record Cleared(PatchRef Patch, string? BuildId) : Phase
    {
        public override PatchRef Target => Patch;
    }

    /// <summary>finit_module was or is about to be called in this boot: the crash guard's mark.</summary>
    public sealed record Loading(PatchRef Patch, string BootId) : Phase
    {
        public override PatchRef Target => Patch;
    }

    /// <summary>The kernel has the patch, and moves its tasks over.</summary>
    /// <param name="Since">By the clock, for people.</param>
    /// <param name="StallTold">Whether its stall was reported.</param>
    /// <param name="Uptime">The host's uptime at <paramref name="Since"/>: what its age is counted by.</param>
    public sealed record Transitioning(PatchRef Patch, string BootId, DateTimeOffset Since, bool StallTold, TimeSpan? Uptime = null) : Phase
    {
        public override PatchRef Target => Patch;

        public TimeSpan Age(TimeSpan uptime, DateTimeOffset now) => HostSnapshot.Elapsed(Uptime, Since, uptime, now);
    }

    /// <summary>
    /// What the kernel refused is not tried again until another is assigned or somebody asks; what was refused before the
    /// kernel saw it, also when a catalogue is confirmed anew.
    /// </summary>
    public sealed record Refused(string Manifest, PatchRef? Patch, Problem Problem) : Phase
    {
        public override PatchRef? Target => Patch;
    }
}

/// <summary>How often something failed in passing, why, and when it is tried again.</summary>
public sealed record Retry(int Failures, DateTimeOffset NotBefore, Problem? Problem)
{
    public static readonly Retry Now = new(0, DateTimeOffset.MinValue, null);
}

/// <summary>What the agent has to know of a patch without its manifest at hand. A projection: trust comes from the stored manifest alone.</summary>
public sealed record PatchRef
{
    public required string Manifest { get; init; }

    public required string Name { get; init; }

    public required string Version { get; init; }

    public required string Notice { get; init; }

    public required IReadOnlyList<string> Fixes { get; init; }

    public required long Sequence { get; init; }

    public required DateOnly CoveredUntil { get; init; }

    public required string KernelRelease { get; init; }

    public required string ModuleSha256 { get; init; }

    public required long ModuleSize { get; init; }

    /// <summary>Fingerprint of the certificate that signed the module, once it was verified.</summary>
    public string? Signer { get; init; }

    public static PatchRef Of(Trust.VerifiedManifest manifest)
    {
        var content = manifest.Content;
        return new PatchRef
        {
            Manifest = manifest.Digest,
            Name = content.Module.Name,
            Version = content.Version,
            Notice = content.Notice,
            Fixes = content.Fixes,
            Sequence = content.Sequence,
            CoveredUntil = content.CoveredUntil,
            KernelRelease = content.KernelRelease,
            ModuleSha256 = content.Module.Sha256,
            ModuleSize = content.Module.Size,
        };
    }
}
