using System.Diagnostics;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// The steps between the stored file and the kernel. The file that was verified is held open until the kernel was asked
/// to take it: what is loaded is what was verified.
/// </summary>
internal sealed class KernelSteps(
    HostPaths paths, PatchStore store, HostCertificates certificates, PreflightRunner preflight, ModuleLoader loader)
    : IDisposable
{
    private VerifiedModuleFile? _opened;

    public StepResult Verify(PatchRef patch, Enrolment enrolment, HostSnapshot host)
    {
        Dispose();
        var (manifestFile, moduleFile) = (store.Manifest(patch.ManifestDigest), store.Module(patch.ModuleSha256));
        var isGone = !File.Exists(manifestFile) || !File.Exists(moduleFile);
        if (isGone) return new StepResult.Failed(Gone(patch), InPassing: true);
        var trust = certificates.Of(enrolment);
        var envelope = File.ReadAllBytes(manifestFile);
        var verified = ManifestVerifier.Verify(envelope, patch.ManifestDigest, trust.Publishers, trust.Threshold);
        if (!verified.TryGet(out var manifest, out var problem))
            return TrustFailure.Of(problem, certificates.PassedOver);
        var (release, architecture) = (host.KernelRelease, host.Architecture);
        var opened = VerifiedModuleFile.Open(moduleFile, manifest, trust.Publishers, release, architecture);
        if (opened.TryGet(out _opened, out problem)) return new StepResult.ModuleVerified(_opened.Module);

        var refused = TrustFailure.Of(problem, certificates.PassedOver);
        if (refused.InPassing) return refused;
        store.Drop(patch.ModuleSha256); // what was refused is no use again
        return refused with { IsFileDropped = true };
    }

    public StepResult Preflight() => new StepResult.Preflighted(preflight.Of(Opened.Module));

    public StepResult Load(PatchRef patch, HostSnapshot host)
    {
        var errno = loader.Load(Opened);
        Dispose();
        if (errno == 0) return new StepResult.Done();
        var problem = LoadVerdict.OfLoading(patch.Name, errno, host.Lockdown);
        return new StepResult.Failed(problem, LoadVerdict.InPassing(errno));
    }

    public StepResult Reverse(string name)
    {
        try
        {
            File.WriteAllText(Path.Combine(paths.Livepatch, name, "enabled"), "0");
            return new StepResult.Done();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var problem = new Problem(
                ProblemCode.KernelError,
                $"cannot reverse the transition of {name}: {e.Message.TrimEnd('.')}",
                "it is tried again later; the host runs as before");
            return new StepResult.Failed(problem, InPassing: true);
        }
    }

    public StepResult Remove(string name)
    {
        var errno = loader.Remove(name);
        if (errno is 0 or LoadVerdict.ENOENT) return new StepResult.Done();
        var problem = new Problem(
            ProblemCode.KernelError,
            $"cannot remove module {name}: the kernel answered errno {errno}",
            "it does no harm; it goes with the next reboot");
        return new StepResult.Failed(problem, InPassing: false);
    }

    public void Dispose()
    {
        _opened?.Dispose();
        _opened = null;
    }

    private VerifiedModuleFile Opened => _opened ?? throw new UnreachableException("nothing was verified");

    private Problem Gone(PatchRef patch) => new(
        ProblemCode.DiskError,
        $"cannot load {patch.Name}: its file is gone from {paths.StateFolder}",
        "it is fetched again");
}
