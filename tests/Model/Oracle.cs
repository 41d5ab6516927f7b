using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>
/// Holds one run against the invariants. It keeps its own record of what happened, made of what is on the disk and of
/// what the kernel does, and asks nothing of the agent's reasoning.
/// </summary>
internal sealed partial class Oracle
{
    private const double PerHour = 60;
    private const double PerStir = 40;
    private readonly List<Violation> _violations = [];
    private World _world = null!;
    private double _effects = PerHour + PerStir;
    private double _writes = PerHour + PerStir;
    private TimeSpan _paceAt;

    public IReadOnlyList<Violation> Violations => _violations;

    /// <summary>Incidents of the turn under way, for the story.</summary>
    public List<Incident> Befallen { get; } = [];

    /// <summary>How often a step was performed.</summary>
    public int Steps { get; private set; }

    /// <summary>How often finit_module was called.</summary>
    public int LoadCalls { get; private set; }

    public AgentStatus? Status { get; private set; }

    public void Begin(World world) => _world = world;

    public void Fail(Invariant invariant, string? way, string what)
    {
        var kind = way is null ? invariant.Name : $"{invariant.Name}/{way}";
        if (_violations.Exists(v => v.Kind == kind)) return;
        _violations.Add(new Violation(invariant, kind, _world.Turn, what));
    }

    public void Befalls(Incident incident)
    {
        Befallen.Add(incident);
        Stirs();
    }

    /// <summary>Something happened that the agent may answer with work.</summary>
    public void Stirs()
    {
        _effects = Math.Min(_effects + PerStir, 10 * PerStir);
        _writes = Math.Min(_writes + (2 * PerStir), 20 * PerStir);
    }

    public void Performs()
    {
        Steps++;
        Refill();
        if (--_effects < 0) Fail(Invariant.Pace, "effects", $"more than {PerHour} effects an hour");
    }

    public void Rests(TimeSpan rest)
    {
        if (rest > TimeSpan.Zero) return;
        Refill();
        if (--_effects < 0) Fail(Invariant.Pace, "rests", "it rests without resting, again and again");
    }

    private void Refill()
    {
        var hours = (_world.Elapsed - _paceAt).TotalHours;
        _paceAt = _world.Elapsed;
        _effects = Math.Min(_effects + (PerHour * hours), Math.Max(_effects, PerHour + PerStir));
        _writes = Math.Min(_writes + (2 * PerHour * hours), Math.Max(_writes, 2 * (PerHour + PerStir)));
    }

    /// <summary>What people and monitoring would see now, against what was seen of the kernel.</summary>
    /// <param name="status">What they would see.</param>
    /// <param name="host">What was seen.</param>
    /// <param name="step">What is decided; a belief that is about to change the status says so in a moment.</param>
    public void Shows(AgentStatus status, HostSnapshot host, Step step)
    {
        Status = status;
        var sighting = status.Patch is { } patch ? host.Sight(patch.Name) : PatchSighting.Absent;
        var word = Sequence.Word(sighting);
        if (status.State == PatchState.Applied && sighting != PatchSighting.Running)
            Fail(Invariant.Truth, "applied-" + word, $"applied, and the kernel shows it {word}");
        if (status is { State: PatchState.Applied, Patch: { } named }
            && _world.Kernel.Find(named.Name)?.Patch.Manifest is { } has && has != named.ManifestDigest)
            Fail(Invariant.Truth, "namesake", $"{named.Name} is another patch in the kernel");
        var isGone = sighting is PatchSighting.Absent or PatchSighting.Lingering;
        // What is being taken back or was just now is still shown as on its way.
        if (status is { Patch: { } shown, Activity: null } && isGone)
            Fail(Invariant.Truth, "patch-absent", $"{shown.Name} is shown, and the kernel does not have it");
        ShowsCommands(status);
        if (step is Step.CheckIn checkIn) Compare(checkIn.Report, status);
        if (status.State == PatchState.Stalled && step is not Step.Believe && !host.Patches.Any(p => p.Transition))
            Fail(Invariant.Truth, "stalled", "stalled, and the kernel has no transition");
    }

    /// <summary>The server has these.</summary>
    public void Delivers(IReadOnlyList<Outcome> outcomes)
    {
        foreach (var outcome in outcomes) _delivered.Add(outcome.Id);
    }

    /// <summary>What the server is about to be told is what people see.</summary>
    private void Compare(MachineReport report, AgentStatus status)
    {
        if (report.State != status.State)
            Fail(Invariant.Truth, "report", $"reported {report.State}, shown {status.State}");
        if ((report.Held ?? false) != (status.Hold is not null))
            Fail(Invariant.Truth, "report-held", "report and status differ about the hold");
    }
}
