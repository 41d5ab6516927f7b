using System.Diagnostics;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.PatchServer;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>Does one step, and decides nothing. Expected failure is a value; what escapes is a bug.</summary>
internal sealed class Performer(
    HostPaths paths, PatchStore store, HostCertificates certificates, ServerSteps server, KernelSteps kernel)
    : IDisposable
{
    /// <summary>What was wrong with files of trust.d, when it was last looked whom to trust.</summary>
    public IReadOnlyList<Problem> PassedOver => certificates.PassedOver;

    public async Task<StepResult> PerformAsync(
        Step step, AgentState state, HostSnapshot host, Action<DownloadProgress> progress, CancellationToken ct)
    {
        try
        {
            return step switch
            {
                Step.Enrol s => await server.EnrolAsync(s.Intent, ct),
                Step.CheckIn s => await server.CheckInAsync(s, state, ct),
                Step.Listen s => server.Listen(s, state),
                Step.FetchCatalogue s => await server.FetchCatalogueAsync(s, state, host, ct),
                Step.FetchPins s => await server.FetchPinsAsync(s, state, ct),
                Step.FetchManifest s => await server.FetchManifestAsync(s, state, ct),
                Step.FetchWithdrawal s => await server.FetchWithdrawalAsync(s, state, ct),
                Step.Download s => await server.DownloadAsync(s.Patch, state, progress, ct),
                Step.Verify s => kernel.Verify(s.Patch, state.Enrolment!, host),
                Step.Preflight => kernel.Preflight(),
                Step.Load s => kernel.Load(s.Patch, host),
                Step.Reverse s => kernel.Reverse(s.Name),
                Step.RemoveModule s => kernel.Remove(s.Name),
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
            var problem = DiskFault.Explain((IOException)e.InnerException!, "store the module");
            return new StepResult.Failed(problem, InPassing: true);
        }
        catch (IOException e)
        {
            // What the disk cannot read back is fetched again.
            if (step is Step.Verify verify) store.TryDrop(verify.Patch.ModuleSha256);
            return new StepResult.Failed(DiskFault.Explain(e, "use " + paths.StateFolder), InPassing: true);
        }
        catch (UnauthorizedAccessException e)
        {
            return new StepResult.Failed(NotPermitted(e), InPassing: true);
        }
    }

    /// <summary>Files in trust.d that keep a key trusted which this set revokes.</summary>
    public IReadOnlyList<string> StillTrusting(AgentState state, VerifiedPinSet next) =>
        state.Enrolment is { } enrolment ? certificates.StillTrusting(enrolment, next.Content) : [];

    public void Dispose() => kernel.Dispose();

    private StepResult.Done Tidy(Step.Tidy step)
    {
        store.Tidy(step.Manifests, step.Modules);
        return new StepResult.Done();
    }

    private Problem NotPermitted(UnauthorizedAccessException e) => new(
        ProblemCode.DiskError,
        $"cannot use {paths.StateFolder}: {e.Message.TrimEnd('.')}",
        "check its owner and mode; the daemon runs as root");
}
