using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Model;

/// <summary>What is on the disk, save by save.</summary>
internal sealed partial class Oracle
{
    private readonly HashSet<string> _quarantined = [];
    private readonly HashSet<string> _withdrawn = [];
    private readonly HashSet<string> _everWithdrawn = [];
    private readonly List<string> _read = [];
    private readonly HashSet<string> _delivered = [];
    private readonly Dictionary<string, long>[] _ran = [[], []];
    private bool _isFresh;

    /// <summary>
    /// A save was lost with a damaged journal: which of its patches the host ran last, nobody can know.
    /// </summary>
    private bool _hasGoneBack;

    /// <summary>What the lost save may have called survived or stopped, and nobody can know either.</summary>
    private readonly HashSet<string> _unsure = [];

    /// <summary>The publisher's word was read and verified; it counts once it is on the disk.</summary>
    public void ReadsWithdrawal(string manifest) => _read.Add(manifest);

    /// <summary>The daemon stops: what it was just doing is not on the disk.</summary>
    public void Stops() => _read.Clear();

    /// <summary>A daemon begins with this. The disk has been read back, or the daemon would not be there.</summary>
    public void Starts(AgentState state)
    {
        _read.Clear();
        _asked = null;
        if (!_world.Disk.WentBack) return;
        // One save is lost with the damaged file, and nobody can know what was in it.
        _quarantined.Clear();
        foreach (var quarantined in Beliefs.Quarantine(state)) _quarantined.Add(quarantined.ManifestDigest);
        _withdrawn.Clear();
        foreach (var ran in _ran) ran.Clear();
        _proven.Clear();
        if (Beliefs.LastGood(state) is { } good) _proven.Add(good);
        _crashes.Clear();
        _hasGoneBack = true;
        _unsure.Clear();
        if (Beliefs.Running(state) is { } running) _unsure.Add(running.Manifest);
        if (Beliefs.Switching(state) is { } switching) _unsure.Add(switching.Patch.ManifestDigest);
        IsHeld = Beliefs.IsHeld(state);
        if (IsHeld) Keep(state);
    }

    public void Saves(AgentState? before, AgentState after)
    {
        Refill();
        if (--_writes < 0) Fail(Invariant.Pace, "writes", $"more than {2 * PerHour} journal writes an hour");
        before ??= new AgentState();
        CompareQuarantine(before, after);
        CompareHold(before, after);
        CompareOutcomes(before, after);
        CompareFloors(before, after);
        var (was, now) = (Beliefs.History(before).Count, Beliefs.History(after).Count);
        if (now < was && !_world.Disk.WentBack)
            Fail(Invariant.NothingLost, "history", $"the history goes back from {was} to {now}");
        foreach (var manifest in _read)
        {
            _withdrawn.Add(manifest);
            _everWithdrawn.Add(manifest);
            foreach (var ran in _ran) ran.Remove(manifest);
        }

        _read.Clear();
        _isFresh = Beliefs.Enrolment(after) is null || Beliefs.IsEnrolling(after);
        Learn(before, after);
    }

    private void CompareQuarantine(AgentState before, AgentState after)
    {
        var (was, now) = (Beliefs.Quarantine(before), Beliefs.Quarantine(after));
        if (ReferenceEquals(was, now)) return;
        foreach (var old in was)
        {
            if (now.Any(q => q.ManifestDigest == old.ManifestDigest)) continue;
            if (IsAskedToRelease(old.ManifestDigest)) Releases(old.ManifestDigest);
            else Fail(Invariant.QuarantineKept, null, $"the quarantine of {old.Version} is gone");
        }

        foreach (var quarantined in now)
        {
            if (_quarantined.Add(quarantined.ManifestDigest)) Judges(quarantined, before);
        }
    }

    private void CompareOutcomes(AgentState before, AgentState after)
    {
        var (was, now) = (Beliefs.Outcomes(before), Beliefs.Outcomes(after));
        if (ReferenceEquals(was, now) || now.Count >= Cadence.MaxOutcomes) return;
        // Another enrolment has nothing to report of the one before.
        if (_isFresh || Beliefs.Enrolment(after) is null) return;
        foreach (var outcome in was)
        {
            if (!_delivered.Contains(outcome.Id) && !now.Any(o => o.Id == outcome.Id))
                Fail(Invariant.NothingLost, "outcome", $"the outcome {outcome.Kind} was not delivered and is gone");
        }
    }

    private void CompareFloors(AgentState before, AgentState after)
    {
        var (was, now) = (Beliefs.Floors(before), Beliefs.Floors(after));
        if (ReferenceEquals(was, now) || Beliefs.Enrolment(after) is null) return;
        foreach (var (release, old) in was)
        {
            var floor = now.GetValueOrDefault(release);
            var patch = floor?.Lowest ?? 0;
            if (patch < old.Lowest && _read.Count == 0)
                Fail(Invariant.NothingLost, "floor", $"the floor of {release} goes down from {old.Lowest} to {patch}");
            if ((floor?.Catalogue ?? 0) < old.Catalogue)
                Fail(Invariant.NothingLost, "catalogue", $"the catalogue's floor of {release} goes down");
        }
    }

    /// <summary>What the disk has now, and what follows from it for later.</summary>
    private void Learn(AgentState before, AgentState after)
    {
        // From the intent on: whether the kernel took it before its boot ended, nobody can know afterwards.
        if (Beliefs.LoadIntent(after) is { } meant) Begins(meant.Manifest);
        var good = Beliefs.LastGood(after);
        if (good != Beliefs.LastGood(before))
        {
            // One patch at a time is what a host falls back to: another has taken its place, or nothing has.
            // What took the host down while it counted as proven is one strike of three, and not its first as a new
            // one.
            foreach (var former in _proven) _crashes.Remove(former);
            _proven.Clear();
            if (good is not null && HasRunLongEnough(good)) _proven.Add(good);
        }

        if (Beliefs.Running(after) is not { } running) return;
        _ranLast = running.Manifest;
        if (Beliefs.HasSurvived(after) && HasRunLongEnough(running.Manifest)) _survived.Add(running.Manifest);
        if (running == Beliefs.Running(before)) return;
        if (_world.Server.Find(running.Manifest) is { } patch && !_withdrawn.Contains(running.Manifest))
            _ran[patch.Papers.Release][running.Manifest] = patch.Papers.Number;
    }
}
