using System.Buffers.Text;
using System.Diagnostics;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.PatchServer;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon;

/// <summary>Does one step, and decides nothing. Expected failure is a value; what escapes is a bug.</summary>
internal sealed class Performer(HostPaths paths, PatchStore store, HostObserver observer, ModuleLoader loader, Listener listener, LiveSettings settings, TimeProvider time) : IDisposable
{
    private readonly HostCertificates _certificates = new(paths);
    private readonly PreflightRunner _preflight = new(paths, observer);
    private ServerChannel? _channel;
    private (string Server, string MachineId, string TlsPins, AgentSettings Settings)? _channelFrom;
    private VerifiedModuleFile? _opened;

    /// <summary>The module whose download went on where another call had ended, and the one that was fetched anew for that.</summary>
    private string? _pieced, _fetchedAnew;

    public static string AgentVersion { get; } = typeof(Performer).Assembly.GetName().Version?.ToString(3) ?? "0";

    public async Task<StepResult> PerformAsync(Step step, AgentState state, HostSnapshot host, Action<DownloadProgress> progress, CancellationToken ct)
    {
        try
        {
            return step switch
            {
                Step.Enrol s => await EnrolAsync(s.Intent, ct),
                Step.CheckIn s => await CheckInAsync(s, state, ct),
                Step.Listen s => Listen(s, state),
                Step.FetchCatalogue s => await FetchCatalogueAsync(s, state, host, ct),
                Step.FetchPins s => await FetchPinsAsync(s, state, ct),
                Step.FetchManifest s => await FetchManifestAsync(s, state, ct),
                Step.FetchWithdrawal s => await FetchWithdrawalAsync(s, state, ct),
                Step.Download s => await DownloadAsync(s.Patch, state, progress, ct),
                Step.Verify s => Verify(s.Patch, state, host),
                Step.Preflight => new StepResult.Preflighted(_preflight.Of((_opened ?? throw new UnreachableException("nothing was verified")).Module)),
                Step.Load s => await LoadAsync(s.Patch, host, ct),
                Step.Reverse s => Reverse(s.Name),
                Step.RemoveModule s => Remove(s.Name),
                Step.Tidy s => Tidy(s),
                Step.Rest or Step.Believe => new StepResult.Done(),
                _ => throw new UnreachableException($"step {step.GetType().Name}"),
            };
        }
        catch (ServerException e)
        {
            return new StepResult.Failed(e.Problem, e.InPassing) { Origin = RefusalOrigin.Server };
        }
        catch (DiskException e)
        {
            // What was begun would keep the journal from being written; it is no use while it cannot grow.
            if (step is Step.Download download) store.Drop(download.Patch.ModuleSha256);
            return new StepResult.Failed(DiskFault.Explain((IOException)e.InnerException!, "store the module"), InPassing: true);
        }
        catch (IOException e)
        {
            // What the disk cannot read back is fetched anew.
            if (step is Step.Verify verify) store.TryDrop(verify.Patch.ModuleSha256);
            return new StepResult.Failed(DiskFault.Explain(e, "use " + paths.StateFolder), InPassing: true);
        }
        catch (UnauthorizedAccessException e)
        {
            return new StepResult.Failed(new Problem(ProblemCode.DiskError, $"cannot use {paths.StateFolder}: {e.Message.TrimEnd('.')}", "check its owner and mode; the daemon runs as root"), InPassing: true);
        }
    }

    /// <summary>Files in trust.d that keep a key believed which this set revokes.</summary>
    public IReadOnlyList<string> StillTrusting(AgentState state, VerifiedPinSet next) => state.Enrolment is { } enrolment ? _certificates.StillTrusting(enrolment, next.Content) : [];

    public void Dispose()
    {
        listener.Close();
        _opened?.Dispose();
        _channel?.Dispose();
    }

    private async Task<StepResult> EnrolAsync(EnrolmentIntent intent, CancellationToken ct)
    {
        using var channel = new ServerChannel(intent.Token.Server, intent.Token.Tls, settings.Current, paths, time);
        var credential = Base64Url.DecodeFromChars(intent.Credential);
        var answer = await new PatchServerClient(channel, null).EnrolAsync(
            new EnrolmentRequest
            {
                EnrolmentId = intent.EnrolmentId,
                Secret = intent.Token.Secret,
                CredentialSha256 = Convert.ToHexStringLower(SHA256.HashData(credential)),
                Machine = observer.Facts(AgentVersion),
            },
            ct);
        var catalogue = HostCertificates.Pinned(answer.CatalogueCertificates, intent.Token.Catalogue);
        var publishers = HostCertificates.Pinned(answer.PublisherCertificates, intent.Token.Publishers);
        // Fewer publishers than must sign could never bring a patch here.
        if (catalogue.Count == 0 || publishers.Count < intent.Token.Threshold)
            throw new ServerException(
                new Problem(ProblemCode.ServerCertificateMismatch, $"cannot enrol with {intent.Token.Server}: it does not have the certificates that the token pins", "make a new token on that server; if it happens again somebody is in the way"),
                inPassing: false);
        if (answer.MachineId.Length is 0 or > 128 || !answer.MachineId.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')) throw ServerFaults.Invalid(channel.Server, "it gave an impossible machine id");
        return new StepResult.Enrolled(new Enrolment
        {
            Server = intent.Token.Server,
            MachineId = answer.MachineId,
            Credential = intent.Credential,
            TlsPins = intent.Token.Tls,
            CatalogueCertificates = catalogue,
            PublisherCertificates = publishers,
            Threshold = intent.Token.Threshold,
            PinsVersion = intent.Token.PinsVersion,
            Since = time.GetUtcNow(),
        });
    }

    private async Task<StepResult> CheckInAsync(Step.CheckIn step, AgentState state, CancellationToken ct)
    {
        listener.Close();
        var answer = await Client(state).CheckInAsync(Request(step.Report, step.Outcomes, step.KnownTag), ct);
        return new StepResult.CheckedIn(WithOwnInterval(answer));
    }

    private StepResult.Done Listen(Step.Listen step, AgentState state)
    {
        listener.Open(Client(state), Request(step.Report, [], step.KnownTag), WithOwnInterval);
        return new StepResult.Done();
    }

    private async Task<StepResult> FetchCatalogueAsync(Step.FetchCatalogue step, AgentState state, HostSnapshot host, CancellationToken ct)
    {
        var envelope = await Client(state).GetCatalogueAsync(host.Architecture, host.KernelRelease, ct);
        var keys = Trust(state).Catalogue;
        var now = time.GetUtcNow();
        var verified = CatalogueVerifier.Verify(
            envelope, keys, host.Architecture, host.KernelRelease, step.Floor, now, step.Seen);
        return verified.TryGet(out var catalogue, out var problem)
            ? new StepResult.CatalogueRead(catalogue)
            : new StepResult.Failed(problem, InPassing: true); // a server can mend it
    }

    private async Task<StepResult> FetchPinsAsync(Step.FetchPins step, AgentState state, CancellationToken ct)
    {
        var envelope = await Client(state).GetPinsAsync(step.Version, ct);
        var enrolment = state.Enrolment!;
        return PinSetVerifier.Verify(envelope, HostCertificates.Pinners(enrolment), enrolment.Threshold, enrolment.PinsVersion).TryGet(out var pins, out var problem)
            ? new StepResult.PinsRead(pins)
            : new StepResult.Failed(problem, InPassing: true); // a server can mend it
    }

    private async Task<StepResult> FetchManifestAsync(Step.FetchManifest step, AgentState state, CancellationToken ct)
    {
        var envelope = await Client(state).GetManifestAsync(step.ManifestDigest, ct);
        var trust = Trust(state);
        var verified = ManifestVerifier.Verify(envelope, step.ManifestDigest, trust.Publishers, trust.Threshold);
        if (!verified.TryGet(out var manifest, out var problem)) return Distrusted(problem);
        store.SaveManifest(step.ManifestDigest, envelope);
        return new StepResult.ManifestRead(manifest);
    }

    private async Task<StepResult> FetchWithdrawalAsync(Step.FetchWithdrawal step, AgentState state, CancellationToken ct)
    {
        var envelope = await Client(state).GetWithdrawalAsync(step.Withdrawal, ct);
        var trust = Trust(state);
        return ManifestVerifier.VerifyWithdrawal(envelope, step.Withdrawal, trust.Publishers, trust.Threshold)
            .TryGet(out var withdrawal, out var problem)
            ? new StepResult.WithdrawalRead(withdrawal)
            : Distrusted(problem);
    }

    private async Task<StepResult> DownloadAsync(PatchRef patch, AgentState state, Action<DownloadProgress> progress, CancellationToken ct)
    {
        if (File.Exists(store.Module(patch.ModuleSha256))) return new StepResult.Done(); // whatever it is, Verify tells
        await using (var file = store.OpenPartial(patch.ModuleSha256))
        {
            if (store.Lacks(patch.ModuleSize - file.Length) is { } full) return new StepResult.Failed(full, InPassing: true);
            if (await Client(state).DownloadModuleAsync(patch.ModuleSha256, patch.ModuleSize, file, bytes => progress(new DownloadProgress(bytes, patch.ModuleSize)), ct)) _pieced = patch.ModuleSha256;
            file.Flush(flushToDisk: true);
        }

        store.Complete(patch.ModuleSha256);
        return new StepResult.Done();
    }

    private StepResult Verify(PatchRef patch, AgentState state, HostSnapshot host)
    {
        _opened?.Dispose();
        _opened = null;
        var (manifestFile, moduleFile) = (store.Manifest(patch.ManifestDigest), store.Module(patch.ModuleSha256));
        if (!File.Exists(manifestFile) || !File.Exists(moduleFile))
            return new StepResult.Failed(new Problem(ProblemCode.DiskError, $"cannot load {patch.Name}: its file is gone from {paths.StateFolder}", "it is fetched again"), InPassing: true);
        var trust = Trust(state);
        var envelope = File.ReadAllBytes(manifestFile);
        var verified = ManifestVerifier.Verify(envelope, patch.ManifestDigest, trust.Publishers, trust.Threshold);
        if (!verified.TryGet(out var manifest, out var problem)) return Distrusted(problem);
        if (VerifiedModuleFile.Open(moduleFile, manifest, trust.Publishers, host.KernelRelease, host.Architecture).TryGet(out var opened, out problem))
        {
            _opened = opened;
            return new StepResult.ModuleVerified(opened.Module);
        }

        var refused = Distrusted(problem);
        if (refused.InPassing) return refused;

        // What was refused is no use again. Of pieces that came at different times one may be foreign: in one piece it is tried once.
        store.Drop(patch.ModuleSha256);
        var anew = _pieced == patch.ModuleSha256 && _fetchedAnew != patch.ModuleSha256;
        (_pieced, _fetchedAnew) = (null, anew ? patch.ModuleSha256 : null);
        return new StepResult.Failed(problem, InPassing: anew) { Origin = RefusalOrigin.Signature };
    }

    private async Task<StepResult> LoadAsync(PatchRef patch, HostSnapshot host, CancellationToken ct)
    {
        using var module = _opened ?? throw new UnreachableException("nothing was verified");
        _opened = null;
        for (var attempt = 1; ; attempt++)
        {
            var errno = loader.Load(module);
            if (errno == 0) return new StepResult.Done();
            if (!LoadVerdict.InPassing(errno) || attempt == MaxBusyAttempts)
                return new StepResult.Failed(LoadVerdict.OfLoading(patch.Name, errno, host.Lockdown), LoadVerdict.InPassing(errno));
            await Task.Delay(BusyPause, time, ct);
        }
    }

    /// <summary>Another transition keeps the kernel busy for seconds as a rule.</summary>
    private const int MaxBusyAttempts = 5;
    private static readonly TimeSpan BusyPause = TimeSpan.FromSeconds(2);

    private StepResult Reverse(string name)
    {
        try
        {
            File.WriteAllText(Path.Combine(paths.Livepatch, name, "enabled"), "0");
            return new StepResult.Done();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new StepResult.Failed(new Problem(ProblemCode.KernelError, $"cannot reverse the transition of {name}: {e.Message.TrimEnd('.')}", "it is tried again later; the host runs on as it did"), InPassing: true);
        }
    }

    private StepResult Remove(string name)
    {
        var errno = loader.Remove(name);
        return errno is 0 or LoadVerdict.ENOENT
            ? new StepResult.Done()
            : new StepResult.Failed(new Problem(ProblemCode.KernelError, $"cannot remove module {name}: the kernel answered errno {errno}", "it does no harm; it goes with the next reboot"), InPassing: false);
    }

    private StepResult.Done Tidy(Step.Tidy step)
    {
        store.Tidy(step.Manifests, step.Modules);
        return new StepResult.Done();
    }

    private Assignment WithOwnInterval(Assignment answer) =>
        settings.Current.CheckInEvery is { } every ? answer with { CheckInSeconds = (int)every.TotalSeconds } : answer;

    private CheckInRequest Request(MachineReport report, IReadOnlyList<Outcome> outcomes, string? knownTag) =>
        new() { Machine = observer.Facts(AgentVersion), Report = report, Outcomes = outcomes, KnownTag = knownTag };

    private PatchServerClient Client(AgentState state)
    {
        var enrolment = state.Enrolment ?? throw new UnreachableException("not enrolled");
        var from = (enrolment.Server, enrolment.MachineId, string.Join(' ', enrolment.TlsPins), settings.Current);
        if (_channelFrom != from)
        {
            _channel?.Dispose();
            (_channel, _channelFrom) = (null, null);
            _channel = new ServerChannel(enrolment.Server, enrolment.TlsPins, settings.Current, paths, time);
            _channelFrom = from;
        }

        return new PatchServerClient(_channel!, $"{enrolment.MachineId}.{enrolment.Credential}");
    }

    /// <summary>What was wrong with files of trust.d, when it was last looked whom to trust.</summary>
    public IReadOnlyList<Problem> PassedOver => _certificates.PassedOver;

    /// <summary>
    /// The key that is missing may be in a file that was passed over: once that is mended, another try is worth it.
    /// </summary>
    private StepResult.Failed Distrusted(Problem problem)
    {
        var lacksAKey = problem.Code is ProblemCode.ManifestSignatureInvalid or ProblemCode.ModuleSignerUnknown;
        if (!lacksAKey || PassedOver is not [var fault, ..]) return new StepResult.Failed(problem, InPassing: false) { Origin = RefusalOrigin.Signature };
        return new StepResult.Failed(problem with { Cure = $"{fault}; otherwise {problem.Cure}" }, InPassing: true);
    }

    private HostTrust Trust(AgentState state) =>
        _certificates.Of(state.Enrolment ?? throw new UnreachableException("not enrolled"));
}
