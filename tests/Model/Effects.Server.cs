using System.Diagnostics;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>Calls of the server.</summary>
internal sealed partial class Effects
{
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    private StepResult AskServer(Step step, HostSnapshot host)
    {
        if (step is Step.CheckIn) daemon.Held.Close();
        if (world.Server.Away) return Away;
        var result = Answered(step, host);
        if (world.Server.LosesAnswer)
        {
            world.Server.LosesAnswer = false;
            return Away;
        }

        if (result is StepResult.WithdrawalRead read) world.Oracle.ReadsWithdrawal(read.Withdrawal.ManifestDigest);
        return result;
    }

    private StepResult Answered(Step step, HostSnapshot host) => step switch
    {
        Step.Enrol s => new StepResult.Enrolled(Enrolled(s.Intent)),
        Step.CheckIn s => CheckIn(s),
        Step.FetchCatalogue s => FetchCatalogue(s),
        Step.FetchPins s => FetchPins(s),
        Step.FetchManifest s => FetchManifest(s),
        Step.FetchWithdrawal s => FetchWithdrawal(s),
        Step.Download s => Download(s.Patch),
        _ => throw new UnreachableException($"step {step.GetType().Name}, {host.BootId}"),
    };

    private Enrolment Enrolled(EnrolmentIntent intent) => new()
    {
        Server = intent.Token.Server,
        MachineId = "machine-1",
        Credential = intent.Credential,
        TlsPins = [],
        CatalogueCertificates = [],
        PublisherCertificates = [],
        PinsVersion = world.Server.Pins,
        Since = world.Now,
    };

    private StepResult CheckIn(Step.CheckIn step)
    {
        world.Oracle.Delivers(step.Outcomes);
        return new StepResult.CheckedIn(world.Server.Answer(world.Kernel.Release, world.Time));
    }

    /// <summary>The rules of time and sequence as CatalogueVerifier has them, without the signatures.</summary>
    private StepResult FetchCatalogue(Step.FetchCatalogue step)
    {
        var catalogue = world.Server.Catalogue(world.Kernel.Release, world.Time);
        var now = world.Now;
        if (catalogue.Sequence < step.Floor) return Fails(ProblemCode.CatalogueRolledBack, inPassing: true);
        if (now - ClockTolerance > catalogue.ExpiresAt) return Fails(ProblemCode.CatalogueExpired, inPassing: true);
        if (now + ClockTolerance < catalogue.IssuedAt) return Fails(ProblemCode.ClockWrong, inPassing: true);
        var isNewer = step.Floor > 0 && catalogue.Sequence > step.Floor;
        if (step.Seen is { } seen && seen - ClockTolerance > catalogue.ExpiresAt && !isNewer)
            return Fails(ProblemCode.CatalogueExpired, inPassing: true);
        return new StepResult.CatalogueRead(Papers.Signed(catalogue));
    }

    private StepResult FetchPins(Step.FetchPins step) => step.Version > world.Server.Pins
        ? Fails(ProblemCode.NotFound, inPassing: false)
        : new StepResult.PinsRead(Papers.Signed(new PinSet
        {
            Schema = PinSet.SchemaName,
            Version = step.Version,
            Threshold = 1,
            Publishers = [],
            Catalogue = [],
            Tls = [],
        }));

    private StepResult FetchManifest(Step.FetchManifest step)
    {
        if (world.Server.Find(step.ManifestDigest) is not { } patch)
            return Fails(ProblemCode.NotFound, inPassing: false);
        if (patch.Behaviour == Behaviour.BadManifest)
            return Fails(ProblemCode.ManifestSignatureInvalid, inPassing: false);
        if (world.Disk.IsShut) return NoRoom;
        world.Disk.StoreManifest(step.ManifestDigest);
        return new StepResult.ManifestRead(patch.Papers.Verified);
    }

    private StepResult FetchWithdrawal(Step.FetchWithdrawal step)
    {
        if (world.Server.ByWithdrawal(step.Withdrawal) is not { } patch)
            return Fails(ProblemCode.NotFound, inPassing: false);
        return new StepResult.WithdrawalRead(patch.Papers.Taken);
    }

    private StepResult Download(PatchRef patch)
    {
        if (world.Disk.IsShut) return NoRoom;
        world.Disk.StoreModule(patch.ModuleSha256);
        return Done;
    }
}
