using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Where the agent stands on the way of one patch. What the kernel runs meanwhile is
/// <see cref="KernelBelief.Running"/>: an old patch stays in force while a new one is on its way or was refused. Three
/// closed groups: nothing is under way (<see cref="Idle"/>), a patch is on its way to the kernel
/// (<see cref="OnTheWay"/>), the kernel has it or is about to (<see cref="InKernel"/>).
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(NotEnrolled), "not-enrolled")]
[JsonDerivedType(typeof(Enrolling), "enrolling")]
[JsonDerivedType(typeof(Resting), "resting")]
[JsonDerivedType(typeof(Refused), "refused")]
[JsonDerivedType(typeof(Offered), "offered")]
[JsonDerivedType(typeof(Listed), "listed")]
[JsonDerivedType(typeof(Downloading), "downloading")]
[JsonDerivedType(typeof(Downloaded), "downloaded")]
[JsonDerivedType(typeof(Verified), "verified")]
[JsonDerivedType(typeof(Cleared), "cleared")]
[JsonDerivedType(typeof(Loading), "loading")]
[JsonDerivedType(typeof(Transitioning), "transitioning")]
public abstract record Phase
{
    private protected Phase()
    {
    }

    /// <summary>The patch on its way, where the phase has one.</summary>
    [JsonIgnore]
    public virtual PatchRef? Target => null;

    /// <summary>
    /// What a person sees the agent do in this phase whatever its next step is; null when that depends on the step.
    /// </summary>
    internal abstract ActivityKind? Activity { get; }

    /// <summary>What failed in passing and is tried again in this phase.</summary>
    internal virtual Retry? Attempts => null;

    /// <summary>No patch is under way.</summary>
    public abstract record Idle : Phase
    {
        private protected Idle()
        {
        }

        /// <summary>Nothing is done but to look after what runs and to talk with the server.</summary>
        internal virtual bool AtRest => true;

        internal override ActivityKind? Activity => null;
    }

    /// <summary>A patch is on its way to the kernel; turning back is free.</summary>
    public abstract record OnTheWay : Phase
    {
        private protected OnTheWay()
        {
        }
    }

    /// <summary>Something has yet to come from the server; a failure in passing waits for its time.</summary>
    public abstract record Fetching(Retry Retry) : OnTheWay
    {
        internal override Retry Attempts => Retry;

        /// <summary>The same phase, with these attempts.</summary>
        internal Fetching With(Retry retry) => this with { Retry = retry };

        /// <summary>Where a new word of the server leads from here.</summary>
        internal virtual Idle TurnedBack() => new Resting();
    }

    /// <summary>The patch is on the disk; only this host decides now.</summary>
    public abstract record AtHand(PatchRef Patch) : OnTheWay
    {
        [JsonIgnore]
        public override PatchRef Target => Patch;
    }

    /// <summary>The kernel was or is about to be asked to take the patch, in this boot.</summary>
    public abstract record InKernel(PatchRef Patch, string BootId) : Phase
    {
        [JsonIgnore]
        public override PatchRef Target => Patch;
    }

    /// <summary>Nothing was asked for, or the last attempt to enrol failed for this reason.</summary>
    public sealed record NotEnrolled(Problem? Problem) : Idle;

    /// <summary>A token was given; the server does not know us yet.</summary>
    public sealed record Enrolling(EnrolmentIntent Intent, Retry Retry) : Idle
    {
        internal override bool AtRest => false;

        internal override ActivityKind? Activity => ActivityKind.Enrolling;

        internal override Retry Attempts => Retry;
    }

    /// <summary>Nothing is under way.</summary>
    public sealed record Resting : Idle;

    /// <summary>
    /// The patch is not tried again for now: until another is assigned, somebody asks, or its origin's time is up.
    /// </summary>
    /// <param name="ManifestDigest">SHA-256 of its manifest.</param>
    /// <param name="Patch">The patch, where its manifest was read.</param>
    /// <param name="Problem">Why, for people.</param>
    /// <param name="Origin">Who said no: how long it stands.</param>
    /// <param name="BootId">The boot in which it was refused.</param>
    public sealed record Refused(
        [property: JsonPropertyName("manifest")] string ManifestDigest,
        PatchRef? Patch,
        Problem Problem,
        RefusalOrigin Origin,
        string BootId) : Idle
    {
        /// <summary>
        /// Another boot gives no new chance after what publishers or the crash guard said; it does after all else.
        /// </summary>
        internal bool Stands(string bootId) => BootId == bootId || !Origin.EndsWithTheBoot();

        [JsonIgnore]
        public override PatchRef? Target => Patch;
    }

    /// <summary>The server named a manifest (or none); the catalogue has yet to confirm it.</summary>
    /// <param name="ManifestDigest">SHA-256 of the manifest; null when the server assigns none.</param>
    /// <param name="Retry">Of fetching the catalogue.</param>
    /// <param name="Before">The refusal that stands while the catalogue is only looked at again.</param>
    public sealed record Offered(
        [property: JsonPropertyName("manifest")] string? ManifestDigest,
        Retry Retry,
        Refused? Before = null) : Fetching(Retry)
    {
        internal override ActivityKind? Activity => ActivityKind.FetchingManifest;

        internal override Idle TurnedBack() => Before ?? base.TurnedBack();
    }

    /// <summary>The catalogue lists the manifest; it has yet to be fetched and verified.</summary>
    public sealed record Listed(
        [property: JsonPropertyName("manifest")] string ManifestDigest,
        Retry Retry) : Fetching(Retry)
    {
        internal override ActivityKind? Activity => ActivityKind.FetchingManifest;
    }

    /// <summary>The manifest is verified and stored, the module is not whole yet.</summary>
    /// <param name="Patch">Which.</param>
    /// <param name="Retry">Of fetching the module.</param>
    /// <param name="SecondFetch">What came in pieces before was not what was signed: it is fetched once more.</param>
    public sealed record Downloading(PatchRef Patch, Retry Retry, bool SecondFetch = false) : Fetching(Retry)
    {
        [JsonIgnore]
        public override PatchRef Target => Patch;

        internal override ActivityKind? Activity => ActivityKind.Downloading;
    }

    /// <summary>The module is in the store, and not yet believed.</summary>
    /// <param name="Patch">Which.</param>
    /// <param name="InPieces">
    /// The file was put together from several answers of the server: if it is not what was signed, one of them may be
    /// foreign, and it is fetched once more.
    /// </param>
    public sealed record Downloaded(PatchRef Patch, bool InPieces = false) : AtHand(Patch)
    {
        internal override ActivityKind? Activity => ActivityKind.Verifying;
    }

    /// <summary>
    /// The module was verified and its file is held open. Never read back from the disk: only Trust can say this, so a
    /// restart goes back to <see cref="Downloaded"/>.
    /// </summary>
    public sealed record Verified(PatchRef Patch, string? BuildId) : AtHand(Patch)
    {
        internal override ActivityKind? Activity => ActivityKind.Loading;
    }

    /// <summary>
    /// Preflight found nothing against it. Like <see cref="Verified"/> never read back: the host may have changed
    /// since.
    /// </summary>
    public sealed record Cleared(PatchRef Patch, string? BuildId) : AtHand(Patch)
    {
        internal override ActivityKind? Activity => ActivityKind.Loading;
    }

    /// <summary>finit_module was or is about to be called in this boot: the crash guard's mark.</summary>
    public sealed record Loading(PatchRef Patch, string BootId) : InKernel(Patch, BootId)
    {
        internal override ActivityKind? Activity => ActivityKind.Loading;
    }

    /// <summary>The kernel has the patch, and moves its tasks over.</summary>
    /// <param name="Patch">Which.</param>
    /// <param name="BootId">The boot in which it was loaded.</param>
    /// <param name="Since">By the clock, for people.</param>
    /// <param name="StallReported">Whether its stall was reported.</param>
    /// <param name="Uptime">The host's uptime at <paramref name="Since"/>: what its age is counted by.</param>
    public sealed record Transitioning(
        PatchRef Patch, string BootId, DateTimeOffset Since, bool StallReported, TimeSpan? Uptime = null)
        : InKernel(Patch, BootId)
    {
        internal override ActivityKind? Activity => ActivityKind.WaitingForTasks;

        public TimeSpan Age(TimeSpan uptime, DateTimeOffset now) => HostSnapshot.Elapsed(Uptime, Since, uptime, now);
    }
}

/// <summary>How often something failed in passing, why, and when it is tried again.</summary>
public sealed record Retry(int Failures, DateTimeOffset NotBefore, Problem? Problem)
{
    public static readonly Retry Now = new(0, DateTimeOffset.MinValue, null);

    /// <summary>The failures count on, and the next attempt need not wait.</summary>
    internal Retry AtOnce() => this with { NotBefore = DateTimeOffset.MinValue };
}
