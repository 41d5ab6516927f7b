using System.Buffers.Text;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.PatchServer;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>The steps that talk with the server. What it sends is verified before it is a result.</summary>
/// <exception cref="ServerException">From each: the server does not answer, or not as it should.</exception>
internal sealed class ServerSteps(
    ServerLine line,
    Listener listener,
    PatchStore store,
    HostCertificates certificates,
    HostObserver observer,
    ServerTerms terms)
{
    public async Task<StepResult> EnrolAsync(EnrolmentIntent intent, CancellationToken ct)
    {
        using var channel = line.Open(intent.Token.Server, intent.Token.Tls);
        var credential = Base64Url.DecodeFromChars(intent.Credential);
        var request = new EnrolmentRequest
        {
            EnrolmentId = intent.EnrolmentId,
            Secret = intent.Token.Secret,
            CredentialSha256 = Convert.ToHexStringLower(SHA256.HashData(credential)),
            Machine = observer.Facts(AgentVersion.Text),
        };
        var answer = await new PatchServerClient(channel, null).EnrolAsync(request, ct);
        return EnrolmentVerifier.Verify(intent, answer, terms.Now).TryGet(out var enrolment, out var problem)
            ? new StepResult.Enrolled(enrolment)
            : new StepResult.Failed(problem, InPassing: false) { Origin = RefusalOrigin.Server };
    }

    public async Task<StepResult> CheckInAsync(Step.CheckIn step, AgentState state, CancellationToken ct)
    {
        listener.Close();
        var request = Request(step.Report, step.Outcomes, step.KnownTag);
        var answer = await line.Client(state).CheckInAsync(request, ct);
        return new StepResult.CheckedIn(terms.WithOwnInterval(answer));
    }

    public StepResult Listen(Step.Listen step, AgentState state)
    {
        listener.Open(line.Client(state), Request(step.Report, [], step.KnownTag), terms.WithOwnInterval);
        return new StepResult.Done();
    }

    public async Task<StepResult> FetchCatalogueAsync(
        Step.FetchCatalogue step, AgentState state, HostSnapshot host, CancellationToken ct)
    {
        var (architecture, release) = (host.Architecture, host.KernelRelease);
        var envelope = await line.Client(state).GetCatalogueAsync(architecture, release, ct);
        var keys = certificates.Of(state.Enrolment!).Catalogue;
        var verified = CatalogueVerifier.Verify(
            envelope, keys, architecture, release, step.Floor, terms.Now, step.Seen);
        return verified.TryGet(out var catalogue, out var problem)
            ? new StepResult.CatalogueRead(catalogue)
            : new StepResult.Failed(problem, InPassing: true); // a server can mend it
    }

    public async Task<StepResult> FetchPinsAsync(Step.FetchPins step, AgentState state, CancellationToken ct)
    {
        var envelope = await line.Client(state).GetPinsAsync(step.Version, ct);
        var enrolment = state.Enrolment!;
        var pinners = HostCertificates.Pinners(enrolment);
        var verified = PinSetVerifier.Verify(envelope, pinners, enrolment.Threshold, enrolment.PinsVersion);
        return verified.TryGet(out var pins, out var problem)
            ? new StepResult.PinsRead(pins)
            : new StepResult.Failed(problem, InPassing: true); // a server can mend it
    }

    public async Task<StepResult> FetchManifestAsync(Step.FetchManifest step, AgentState state, CancellationToken ct)
    {
        var envelope = await line.Client(state).GetManifestAsync(step.ManifestDigest, ct);
        var trust = certificates.Of(state.Enrolment!);
        var verified = ManifestVerifier.Verify(envelope, step.ManifestDigest, trust.Publishers, trust.Threshold);
        if (!verified.TryGet(out var manifest, out var problem))
            return TrustFailure.Of(problem, certificates.PassedOver);
        store.SaveManifest(step.ManifestDigest, envelope);
        return new StepResult.ManifestRead(manifest);
    }

    public async Task<StepResult> FetchWithdrawalAsync(
        Step.FetchWithdrawal step, AgentState state, CancellationToken ct)
    {
        var envelope = await line.Client(state).GetWithdrawalAsync(step.Withdrawal, ct);
        var trust = certificates.Of(state.Enrolment!);
        var verified = ManifestVerifier.VerifyWithdrawal(envelope, step.Withdrawal, trust.Publishers, trust.Threshold);
        return verified.TryGet(out var withdrawal, out var problem)
            ? new StepResult.WithdrawalRead(withdrawal)
            : TrustFailure.Of(problem, certificates.PassedOver);
    }

    public async Task<StepResult> DownloadAsync(
        PatchRef patch, AgentState state, Action<DownloadProgress> progress, CancellationToken ct)
    {
        var (digest, size) = (patch.ModuleSha256, patch.ModuleSize);
        if (File.Exists(store.Module(digest))) return new StepResult.Done(); // whatever it is, Verify finds out
        bool inPieces;
        await using (var file = store.OpenPartial(digest))
        {
            if (store.Lacks(size - file.Length) is { } full) return new StepResult.Failed(full, InPassing: true);
            inPieces = await line.Client(state).DownloadModuleAsync(digest, size, file, Progress, ct);
            file.Flush(flushToDisk: true);
        }

        store.Complete(digest);
        return new StepResult.Downloaded(inPieces);

        void Progress(long bytes) => progress(new DownloadProgress(bytes, size));
    }

    private CheckInRequest Request(MachineReport report, IReadOnlyList<Outcome> outcomes, string? knownTag) => new()
    {
        Machine = observer.Facts(AgentVersion.Text),
        Report = report,
        Outcomes = outcomes,
        KnownTag = knownTag,
    };
}

/// <summary>What this host makes of a server's answers: its own interval, its own clock.</summary>
internal sealed class ServerTerms(LiveSettings settings, TimeProvider time)
{
    public DateTimeOffset Now => time.GetUtcNow();

    /// <summary>agent.conf's interval counts before the server's.</summary>
    public Assignment WithOwnInterval(Assignment answer) => settings.Current.CheckInEvery is { } every
        ? answer with { CheckInSeconds = (int)every.TotalSeconds }
        : answer;
}
