using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>A host and its agent as they are on most days; each test changes what it is about.</summary>
internal static class Given
{
    public const string Boot = "boot-1";
    public const string Release = "6.12.117+deb12-cloud-amd64";
    public static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    public static readonly AgentPolicy Policy = new();

    public static PatchRef Patch(int number) => new()
    {
        ManifestDigest = new string((char)('a' + number), 64),
        Name = $"livepatch_{number}",
        Version = $"{number}.0",
        Notice = $"LPN-000{number}",
        Fixes = [$"CVE-2026-000{number}"],
        Sequence = number,
        CoveredUntil = new DateOnly(2027, 6, 30),
        KernelRelease = Release,
        ModuleSha256 = new string((char)('0' + number), 64),
        ModuleSize = 1000 * number,
    };

    public static Enrolment Enrolment { get; } = new()
    {
        Server = "https://patches.example",
        MachineId = "m1",
        Credential = "secret",
        TlsPins = [],
        CatalogueCertificates = [],
        PublisherCertificates = [],
        Since = Now.AddDays(-1),
    };

    public static HostSnapshot Host(params (string Name, PatchSighting Sighting, string? BuildId)[] patches) => new()
    {
        At = Now,
        BootId = Boot,
        KernelRelease = Release,
        Architecture = "x86_64",
        LivepatchSupported = true,
        Jitter = 0.5,
        Patches = [.. patches.Where(
            p => p.Sighting is not (PatchSighting.Absent or PatchSighting.Lingering)).Select(p => new LoadedPatch(
            p.Name,
            p.Sighting is PatchSighting.Switching or PatchSighting.Running,
            p.Sighting is PatchSighting.Switching or PatchSighting.Reverting,
            true,
            []))],
        Modules = patches.Where(p => p.Sighting != PatchSighting.Absent).ToDictionary(
            p => p.Name, p => new LoadedModule(p.BuildId, 0)),
    };

    /// <summary>Enrolled, heard, told, and nothing due for hours.</summary>
    public static AgentState Enrolled(Phase phase, string? assigned) => new()
    {
        Conversation = new Conversation
        {
            Enrolment = Enrolment,
            Assignment = new AssignmentRef("tag-1", assigned, Confirmed: true, 3600),
            CheckIn = new CheckInRecord
            {
                LastSuccess = Now.AddMinutes(-1),
                LastAttempt = Now.AddMinutes(-1),
                Next = Now.AddHours(5),
            },
            Catalogue = new CatalogueRecord { VerifiedAt = Now.AddMinutes(-1) },
        },
        Pursuit = new Pursuit(phase),
        Kernel = new KernelBelief { StoppedCleanly = false },
    };

    /// <summary>The server knows what there is to know, so that no check-in is due for its sake.</summary>
    public static AgentState AfterReport(this AgentState state, HostSnapshot host) =>
        state.With(checkIn: c => c with { LastReport = Projection.Report(state, host) });

    public static StepResult.CatalogueRead CatalogueOf(long sequence, params CatalogueEntry[] entries) =>
        new(new Trust.VerifiedCatalogue(new Catalogue
        {
            Schema = Catalogue.SchemaName,
            Architecture = "x86_64",
            KernelRelease = Release,
            Sequence = sequence,
            IssuedAt = Now,
            ExpiresAt = Now.AddDays(7),
            Patches = entries,
        }));

    public static StepResult.ManifestRead ManifestOf(PatchRef patch) =>
        new(new Trust.VerifiedManifest(
            new PatchManifest
            {
                Schema = PatchManifest.SchemaName,
                Version = patch.Version,
                Sequence = patch.Sequence,
                Notice = patch.Notice,
                KernelRelease = patch.KernelRelease,
                Architecture = "x86_64",
                Module = new ManifestModule { Name = patch.Name, Sha256 = patch.ModuleSha256, Size = patch.ModuleSize },
                Fixes = patch.Fixes,
                CoveredUntil = patch.CoveredUntil,
            },
            patch.ManifestDigest));

    /// <summary>A refusal of this boot, by whoever says so with such a code.</summary>
    public static Phase.Refused Refused(string manifest, PatchRef? patch, Problem problem, string boot = Boot) =>
        new(manifest, patch, problem, RefusalOrigins.OfVersion1(problem.Code), boot);

    /// <summary>A step in a word or two, for tables.</summary>
    public static string Word(Step step) => step switch
    {
        Step.Believe b => "believe " + Kind(b.After.Phase),
        _ => Hyphened(step.GetType().Name),
    };

    public static string Kind(Phase phase) => Hyphened(phase.GetType().Name);

    public static string Hyphened(string name) => System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(name);
}
