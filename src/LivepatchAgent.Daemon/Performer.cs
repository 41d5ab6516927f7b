using System.Buffers.Text;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
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
    private ServerChannel? _channel;
    private (string Server, string MachineId, AgentSettings Settings)? _channelFrom;
    private VerifiedModuleFile? _opened;

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
                Step.FetchManifest s => await FetchManifestAsync(s, state, ct),
                Step.FetchWithdrawal s => await FetchWithdrawalAsync(s, state, ct),
                Step.Download s => await DownloadAsync(s.Patch, state, progress, ct),
                Step.Verify s => Verify(s.Patch, state, host),
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
            return new StepResult.Failed(e.Problem, e.InPassing);
        }
        catch (DiskException e)
        {
            return new StepResult.Failed(AtomicFile.Explain((IOException)e.InnerException!, "store the module"), InPassing: true);
        }
        catch (IOException e)
        {
            return new StepResult.Failed(AtomicFile.Explain(e, "use " + paths.StateFolder), InPassing: true);
        }
        catch (UnauthorizedAccessException e)
        {
            return new StepResult.Failed(new Problem(ProblemCode.DiskError, $"cannot use {paths.StateFolder}: {e.Message.TrimEnd('.')}", "check its owner and mode; the daemon runs as root"), InPassing: true);
        }
    }

    public void Dispose()
    {
        listener.Close();
        _opened?.Dispose();
        _channel?.Dispose();
    }

    private async Task<StepResult> EnrolAsync(EnrolmentIntent intent, CancellationToken ct)
    {
        using var channel = new ServerChannel(intent.Token.Server, intent.Token.Tls, settings.Current);
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
        var catalogue = Pinned(answer.CatalogueCertificates, intent.Token.Catalogue);
        var publishers = Pinned(answer.PublisherCertificates, intent.Token.Publishers);
        if (catalogue.Count == 0 || publishers.Count == 0)
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
        listener.Open(Client(state), Request(step.Report, [], step.KnownTag));
        return new StepResult.Done();
    }

    private async Task<StepResult> FetchCatalogueAsync(Step.FetchCatalogue step, AgentState state, HostSnapshot host, CancellationToken ct)
    {
        var envelope = await Client(state).GetCatalogueAsync(host.Architecture, host.KernelRelease, ct);
        return CatalogueVerifier.Verify(envelope, Trust(state).Catalogue, host.Architecture, host.KernelRelease, step.Floor, time.GetUtcNow()).TryGet(out var catalogue, out var problem)
            ? new StepResult.CatalogueRead(catalogue)
            : new StepResult.Failed(problem, InPassing: true); // a server can mend it
    }

    private async Task<StepResult> FetchManifestAsync(Step.FetchManifest step, AgentState state, CancellationToken ct)
    {
        var envelope = await Client(state).GetManifestAsync(step.Manifest, ct);
        if (!ManifestVerifier.Verify(envelope, step.Manifest, Trust(state).Publishers).TryGet(out var manifest, out var problem))
            return new StepResult.Failed(problem, InPassing: false);
        store.SaveManifest(step.Manifest, envelope);
        return new StepResult.ManifestRead(manifest);
    }

    private async Task<StepResult> FetchWithdrawalAsync(Step.FetchWithdrawal step, AgentState state, CancellationToken ct)
    {
        var envelope = await Client(state).GetWithdrawalAsync(step.Withdrawal, ct);
        return ManifestVerifier.VerifyWithdrawal(envelope, step.Withdrawal, Trust(state).Publishers).TryGet(out var withdrawal, out var problem)
            ? new StepResult.WithdrawalRead(withdrawal)
            : new StepResult.Failed(problem, InPassing: false);
    }

    private async Task<StepResult> DownloadAsync(PatchRef patch, AgentState state, Action<DownloadProgress> progress, CancellationToken ct)
    {
        if (File.Exists(store.Module(patch.ModuleSha256))) return new StepResult.Done(); // whatever it is, Verify tells
        await using (var file = store.OpenPartial(patch.ModuleSha256))
        {
            await Client(state).DownloadModuleAsync(patch.ModuleSha256, patch.ModuleSize, file, bytes => progress(new DownloadProgress(bytes, patch.ModuleSize)), ct);
            file.Flush(flushToDisk: true);
        }

        store.Complete(patch.ModuleSha256);
        return new StepResult.Done();
    }

    private StepResult Verify(PatchRef patch, AgentState state, HostSnapshot host)
    {
        _opened?.Dispose();
        _opened = null;
        var (manifestFile, moduleFile) = (store.Manifest(patch.Manifest), store.Module(patch.ModuleSha256));
        if (!File.Exists(manifestFile) || !File.Exists(moduleFile))
            return new StepResult.Failed(new Problem(ProblemCode.DiskError, $"cannot load {patch.Name}: its file is gone from {paths.StateFolder}", "it is fetched again"), InPassing: true);
        var publishers = Trust(state).Publishers;
        if (!ManifestVerifier.Verify(File.ReadAllBytes(manifestFile), patch.Manifest, publishers).TryGet(out var manifest, out var problem))
            return new StepResult.Failed(problem, InPassing: false);
        if (VerifiedModuleFile.Open(moduleFile, manifest, publishers, host.KernelRelease, host.Architecture).TryGet(out var opened, out problem))
        {
            _opened = opened;
            return new StepResult.ModuleVerified(opened.Module);
        }

        // What was refused is no use again; if it was damaged on the way, asking anew fetches it anew.
        store.Drop(patch.ModuleSha256);
        return new StepResult.Failed(problem, InPassing: false);
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
                return new StepResult.Failed(LoadVerdict.OfLoading(patch.Name, errno, host.Lockdown), InPassing: false);
            await Task.Delay(BusyPause, time, ct);
        }
    }

    /// <summary>Another transition keeps the kernel busy for seconds as a rule.</summary>
    private const int MaxBusyAttempts = 5;
    private static readonly TimeSpan BusyPause = TimeSpan.FromSeconds(2);

    private StepResult.Done Reverse(string name)
    {
        File.WriteAllText(Path.Combine(paths.Livepatch, name, "enabled"), "0");
        return new StepResult.Done();
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

    private CheckInRequest Request(MachineReport report, IReadOnlyList<Happening> outcomes, string? knownTag) =>
        new() { Machine = observer.Facts(AgentVersion), Report = report, Outcomes = outcomes, KnownTag = knownTag };

    private PatchServerClient Client(AgentState state)
    {
        var enrolment = state.Enrolment ?? throw new UnreachableException("not enrolled");
        var from = (enrolment.Server, enrolment.MachineId, settings.Current);
        if (_channelFrom != from)
        {
            _channel?.Dispose();
            _channel = new ServerChannel(enrolment.Server, enrolment.TlsPins, settings.Current);
            _channelFrom = from;
        }

        return new PatchServerClient(_channel!, $"{enrolment.MachineId}.{enrolment.Credential}");
    }

    /// <summary>The certificates this host pins: those of its enrolment, and an administrator's own in trust.d.</summary>
    private HostTrust Trust(AgentState state)
    {
        var enrolment = state.Enrolment ?? throw new UnreachableException("not enrolled");
        var publishers = Loaded(enrolment.PublisherCertificates);
        if (Directory.Exists(paths.TrustFolder))
        {
            foreach (var file in Directory.EnumerateFiles(paths.TrustFolder, "*.pem").Order(StringComparer.Ordinal))
            {
                var collection = new X509Certificate2Collection();
                collection.ImportFromPemFile(file);
                publishers.AddRange(collection.Where(Certificates.KeyIsStrong));
            }
        }

        return new HostTrust(publishers, Loaded(enrolment.CatalogueCertificates));
    }

    private static List<X509Certificate2> Loaded(IReadOnlyList<string> certificates)
    {
        var loaded = new List<X509Certificate2>();
        foreach (var certificate in certificates)
        {
            if (Certificates.TryLoad(Convert.FromBase64String(certificate), out var one)) loaded.Add(one);
        }

        return loaded;
    }

    /// <summary>Of what the server sends, those that the token names by fingerprint.</summary>
    private static List<string> Pinned(IReadOnlyList<string> offered, IReadOnlyList<string> pins)
    {
        var pinned = new List<string>();
        foreach (var text in offered.Take(32))
        {
            var der = new byte[text.Length];
            if (Convert.TryFromBase64String(text, der, out var length) && Certificates.TryLoad(der.AsSpan(0, length), out var certificate) && pins.Contains(Certificates.Fingerprint(certificate)))
                pinned.Add(text);
        }

        return pinned;
    }
}
