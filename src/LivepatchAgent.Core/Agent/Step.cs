using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>What to do next, as data. Each is one effect, and each can be done again.</summary>
public abstract record Step
{
    private Step()
    {
    }

    /// <summary>Nothing, until the time or the next event.</summary>
    public sealed record Rest(DateTimeOffset Until) : Step;

    /// <summary>Nothing in the world: believe this from now on.</summary>
    public sealed record Believe(AgentState After, string Why) : Step
    {
        /// <summary>The held check-in's answer is taken with it.</summary>
        public bool TakesHeldAnswer { get; init; }
    }

    public sealed record Enrol(EnrolmentIntent Intent) : Step;

    public sealed record CheckIn(MachineReport Report, IReadOnlyList<Outcome> Outcomes, string? KnownTag) : Step;

    /// <summary>Open the held check-in; its answer comes with a later snapshot.</summary>
    public sealed record Listen(MachineReport Report, string KnownTag) : Step;

    /// <param name="Seen">The latest time that a catalogue believed before was issued at.</param>
    public sealed record FetchCatalogue(long Floor, DateTimeOffset? Seen = null) : Step;

    /// <param name="Version">The next after the set in force.</param>
    public sealed record FetchPins(long Version) : Step;

    public sealed record FetchManifest(string ManifestDigest) : Step;

    public sealed record FetchWithdrawal(string Withdrawal, string ManifestDigest) : Step;

    public sealed record Download(PatchRef Patch) : Step;

    public sealed record Verify(PatchRef Patch) : Step;

    /// <summary>Ask the host, before the kernel sees the module, what it would make of it. Reads only.</summary>
    public sealed record Preflight(PatchRef Patch) : Step;

    /// <summary>finit_module on the file that was verified.</summary>
    public sealed record Load(PatchRef Patch) : Step;

    /// <summary>Write 0 to enabled while the transition runs.</summary>
    public sealed record Reverse(string Name) : Step;

    /// <summary>delete_module of one of ours that patches nothing any more.</summary>
    public sealed record RemoveModule(string Name) : Step;

    /// <summary>Delete stored files that are not of these manifests and modules.</summary>
    public sealed record Tidy(IReadOnlyList<string> Manifests, IReadOnlyList<string> Modules) : Step;
}

/// <summary>What came of a step. Expected failure is a value.</summary>
public abstract record StepResult
{
    private StepResult()
    {
    }

    public sealed record Done : StepResult;

    public sealed record Enrolled(Enrolment Enrolment) : StepResult;

    public sealed record CheckedIn(Assignment Assignment) : StepResult;

    public sealed record CatalogueRead(VerifiedCatalogue Catalogue) : StepResult;

    public sealed record PinsRead(VerifiedPinSet Pins) : StepResult;

    public sealed record ManifestRead(VerifiedManifest Manifest) : StepResult;

    public sealed record WithdrawalRead(PatchWithdrawal Withdrawal) : StepResult;

    /// <param name="InPieces">The file was put together from several answers of the server.</param>
    public sealed record Downloaded(bool InPieces) : StepResult;

    public sealed record ModuleVerified(VerifiedModule Module) : StepResult;

    public sealed record Preflighted(PreflightReport Report) : StepResult;

    /// <param name="InPassing">Worth another try later: the network, the disk, a busy kernel.</param>
    public sealed record Failed(Problem Problem, bool InPassing) : StepResult
    {
        /// <summary>Who said no: how long the no stands, where the failure is not in passing.</summary>
        public RefusalOrigin Origin { get; init; } = RefusalOrigin.Host;

        /// <summary>The module's file was no use and is deleted.</summary>
        public bool IsFileDropped { get; init; }
    }
}

/// <summary>What came in from outside the loop.</summary>
public abstract record Command
{
    private Command()
    {
    }

    public sealed record Enable(EnrolmentIntent Intent) : Command;

    public sealed record Disable : Command;

    public sealed record Refresh : Command;

    /// <summary>A network interface or route came up: a failed check-in is worth trying now.</summary>
    public sealed record NetworkUp : Command;

    /// <summary>Keep what runs, and load nothing new.</summary>
    public sealed record Hold(HistoryBy? By) : Command;

    public sealed record Unhold : Command;

    /// <param name="Name">The module's name, the version, or how the manifest's digest begins.</param>
    public sealed record ReleaseQuarantine(string Name) : Command;
}
