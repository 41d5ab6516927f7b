using System.Diagnostics;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>Does one step to the simulated world, with the results that the daemon's performer gives.</summary>
internal sealed partial class Effects(World world, Daemon daemon)
{
    public static readonly Problem Unreachable = new(
        ProblemCode.ServerUnreachable, "cannot reach the server: it is away", "");

    private static readonly StepResult Done = new StepResult.Done();
    private static readonly StepResult Away = new StepResult.Failed(Unreachable, InPassing: true);
    private static readonly StepResult NoRoom = Fails(ProblemCode.DiskFull, inPassing: true);
    private const int MaxBusyAttempts = 5;

    /// <summary>The module that this run of the daemon has verified and holds open.</summary>
    private Patch? _opened;

    /// <summary>Null when the host went down in it.</summary>
    public StepResult? Perform(Step step, HostSnapshot host)
    {
        if (world.Pass(TimeOf(step))) return null;
        return step switch
        {
            Step.Load s => Load(s.Patch, host),
            Step.Verify s => Verify(s.Patch),
            Step.Preflight s => Preflight(s.Patch),
            Step.Reverse s => Reverse(s.Name),
            Step.RemoveModule s => Remove(s.Name),
            Step.Tidy s => Tidy(s),
            Step.Listen s => Listen(s),
            Step.Download s when world.Disk.HasModule(s.Patch.ModuleSha256) => Done,
            _ => AskServer(step, host),
        };
    }

    private static TimeSpan TimeOf(Step step) => step switch
    {
        Step.Listen or Step.Tidy or Step.RemoveModule or Step.Reverse => TimeSpan.FromMilliseconds(5),
        Step.Load or Step.Verify => TimeSpan.FromMilliseconds(50),
        _ => TimeSpan.FromMilliseconds(300),
    };

    private StepResult? Load(PatchRef wanted, HostSnapshot host)
    {
        world.Oracle.Loads(wanted, _opened, host);
        if (_opened is not { } patch) return Fails(ProblemCode.InternalError, inPassing: false);
        _opened = null;
        for (var attempt = 1; ; attempt++)
        {
            if (patch.Behaviour == Behaviour.DiesLoading && CanLoad(patch))
            {
                world.GoDown(patch);
                return null;
            }

            var errno = world.Kernel.Load(patch);
            if (errno == 0) return Done;
            var passes = LoadVerdict.InPassing(errno);
            if (!passes || attempt == MaxBusyAttempts)
                return new StepResult.Failed(LoadVerdict.OfLoading(wanted.Name, errno, host.Lockdown), passes);
            if (world.Pass(TimeSpan.FromSeconds(2))) return null;
        }
    }

    private bool CanLoad(Patch patch) => world.Kernel is { Errno: 0, MemoryShort: false, Busy: 0, InTransition: false }
        && world.Kernel.Find(patch.Papers.Name) is null;

    private StepResult Verify(PatchRef wanted)
    {
        _opened = null;
        var disk = world.Disk;
        if (!disk.HasManifest(wanted.ManifestDigest) || !disk.HasModule(wanted.ModuleSha256))
            return Fails(ProblemCode.DiskError, inPassing: true);
        var patch = world.Server.Find(wanted.ManifestDigest) ?? throw new UnreachableException("nobody published it");
        if (patch.Behaviour == Behaviour.BadManifest)
            return Fails(ProblemCode.ManifestSignatureInvalid, inPassing: false);
        if (patch.Behaviour == Behaviour.Unsigned || disk.IsRotten(wanted.ModuleSha256))
        {
            var rotten = disk.IsRotten(wanted.ModuleSha256);
            disk.Drop(wanted.ModuleSha256);
            return Fails(rotten ? ProblemCode.ModuleDigestMismatch : ProblemCode.ModuleUnsigned, inPassing: false);
        }

        if (patch.Papers.Release != world.Kernel.Release)
            return Fails(ProblemCode.ModuleKernelMismatch, inPassing: false);
        _opened = patch;
        return new StepResult.ModuleVerified(patch.Papers.Proven);
    }

    private StepResult Preflight(PatchRef wanted)
    {
        if (_opened is not { } patch) return Fails(ProblemCode.InternalError, inPassing: false);
        var checks = new List<CheckFinding>();
        if (patch.Behaviour == Behaviour.Unfit || world.Kernel.Unfit) checks.Add(Against("vermagic"));
        if (world.Kernel.Find(wanted.Name) is not null) checks.Add(Against("module-name"));
        if (world.Kernel.InTransition) checks.Add(Against("transition-running"));
        return new StepResult.Preflighted(new PreflightReport { Module = wanted.Name, Checks = checks });
    }

    private static CheckFinding Against(string check) => new(check, CheckOutcome.Refused, "it does not fit", "");

    private StepResult Reverse(string name) =>
        world.Kernel.SwitchOff(name) ? Done : Fails(ProblemCode.KernelError, inPassing: true);

    private StepResult Remove(string name) =>
        world.Kernel.Remove(name) is 0 or LoadVerdict.ENOENT ? Done : Fails(ProblemCode.KernelError, inPassing: false);

    private StepResult Tidy(Step.Tidy step)
    {
        world.Disk.Tidy(step.Manifests, step.Modules);
        return Done;
    }

    private StepResult Listen(Step.Listen step)
    {
        daemon.Held.Begin(step.KnownTag);
        return Done;
    }

    private static StepResult Fails(ProblemCode code, bool inPassing) =>
        new StepResult.Failed(new Problem(code, $"cannot go on: {Sequence.Word(code)}", ""), inPassing);
}
