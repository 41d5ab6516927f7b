using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Model;

/// <summary>What the kernel is given, and how its boots end.</summary>
internal sealed partial class Oracle
{
    private static readonly TimeSpan Probation = new AgentPolicy().Probation;
    private readonly HashSet<string> _proven = [];
    private readonly HashSet<string> _survived = [];
    private readonly HashSet<string> _touched = [];
    private readonly Dictionary<string, int> _strikes = [];
    private readonly Dictionary<string, int> _crashes = [];

    /// <summary>finit_module is about to be called.</summary>
    /// <param name="wanted">What the step names.</param>
    /// <param name="opened">What the daemon holds open.</param>
    /// <param name="host">What the step was decided from.</param>
    public void Loads(PatchRef wanted, Patch? opened, HostSnapshot host)
    {
        LoadCalls++;
        _touched.Add(wanted.ManifestDigest);
        _survived.Remove(wanted.ManifestDigest); // its probation begins again
        var (name, manifest) = (wanted.Name, wanted.ManifestDigest);
        if (_quarantined.Contains(manifest)) Fail(Invariant.QuarantinedLoad, null, $"{name} is quarantined");
        if (_withdrawn.Contains(manifest)) Fail(Invariant.WithdrawnLoad, null, $"{name} was withdrawn");
        if (IsHeld && !IsKept(manifest)) Fail(Invariant.HeldLoad, null, $"{name} is new, and the host is held");
        if (opened?.Manifest != manifest)
            Fail(Invariant.UnverifiedLoad, null, $"{name} is loaded; verified was {opened?.Papers.Name ?? "nothing"}");
        var floor = _ran[_world.Kernel.Release].Values.DefaultIfEmpty(0).Max();
        if (wanted.Sequence < floor && !_proven.Contains(wanted.ManifestDigest))
            Fail(Invariant.Floor, null, $"{wanted.Name} is loaded below {floor}");
        foreach (var other in host.Patches)
        {
            if (other is { Enabled: true, Transition: true } && other.Name != Papers.Foreign.Name)
                Fail(Invariant.OneAtATime, null, $"{other.Name} is in transition");
        }

        var journal = _world.Disk.Journal!;
        if (Beliefs.LoadIntent(journal) != (wanted.ManifestDigest, host.BootId) || Beliefs.StoppedCleanly(journal))
            Fail(Invariant.IntentFirst, null, $"the journal does not say that {wanted.Name} is about to be loaded");
        if (host.KillSwitch != KillSwitch.None || Beliefs.Enrolment(journal) is null)
            Fail(Invariant.HandsOff, null, $"{wanted.Name} is loaded, mode {host.KillSwitch}");
    }

    /// <param name="orderly">Reboot or power-off; else the host went down.</param>
    /// <param name="killer">The patch that took it down, or null.</param>
    public void BootEnds(bool orderly, Patch? killer)
    {
        HashSet<string> there = [.. _world.Kernel.Modules.Where(m => m.Listed).Select(m => m.Patch.Manifest)];
        // Whether a load whose intent was saved had begun, nobody can know afterwards.
        var journal = _world.Disk.Journal;
        if (journal is not null && Beliefs.Switching(journal) is { } meant && meant.BootId == _world.Kernel.BootId)
            there.Add(meant.Patch.ManifestDigest);
        if (killer is not null) Blame(killer);
        _touched.UnionWith(there);
        foreach (var manifest in _touched) Count(manifest, orderly, there.Contains(manifest));

        _touched.Clear();
        _survived.Clear();
    }

    /// <summary>An end with the patch in the kernel: a strike, or the end of a row of them.</summary>
    private void Count(string manifest, bool orderly, bool isThere)
    {
        if (!orderly && !_survived.Contains(manifest))
        {
            _strikes[manifest] = _strikes.GetValueOrDefault(manifest) + 1;
            return;
        }

        // A boot that the patch did not get into says nothing of it.
        if (!isThere && !_survived.Contains(manifest)) return;
        _strikes[manifest] = 0;
        _crashes.Remove(manifest);
    }

    /// <summary>The host is right never to load it: quarantined or withdrawn here.</summary>
    public bool IsBarred(Patch patch) =>
        _quarantined.Contains(patch.Manifest) || _everWithdrawn.Contains(patch.Manifest);

    /// <summary>The last patch that survived its probation on this host.</summary>
    public string? Proven => _proven.FirstOrDefault();

    private void Blame(Patch killer)
    {
        // After its probation a patch is not what a crash is put down to.
        if (_survived.Contains(killer.Manifest)) return;
        var journal = _world.Disk.Journal!;
        // Documented limits: the disk took no journal, or another patch was being loaded and is blamed.
        if (Beliefs.StoppedCleanly(journal)) return;
        if (Beliefs.Switching(journal) is { } switching && switching.Patch.ManifestDigest != killer.Manifest) return;
        if (_hasGoneBack && !IsNamed(journal, killer)) return;
        var crashes = _crashes[killer.Manifest] = _crashes.GetValueOrDefault(killer.Manifest) + 1;
        var bound = _proven.Contains(killer.Manifest) ? Cadence.MaxCrashes : 1;
        if (crashes > bound)
            Fail(Invariant.CrashBound, null, $"{killer.Papers.Name} takes the host down for the {crashes}. time");
    }

    private static bool IsNamed(AgentState journal, Patch patch) =>
        Beliefs.Running(journal)?.Manifest == patch.Manifest
        || Beliefs.Switching(journal)?.Patch.ManifestDigest == patch.Manifest;

    /// <summary>A patch was put into quarantine, for good reason or not.</summary>
    private void Judges(Quarantined quarantined, AgentState before)
    {
        if (_unsure.Remove(quarantined.ManifestDigest)) return;
        var strikes = _strikes.GetValueOrDefault(quarantined.ManifestDigest);
        var what = $"{quarantined.Version} is quarantined";
        if (strikes == 0)
            Fail(Invariant.OrderlyEnd, Way(before), $"{what} and no boot ended uncleanly with it");
        else if (strikes < Cadence.MaxCrashes && _proven.Contains(quarantined.ManifestDigest))
            Fail(Invariant.ThreeStrikes, Way(before), $"{what} after {strikes} of 3 strikes, and had survived before");
    }

    /// <summary>The kernel has run it for a probation's time in this boot.</summary>
    private bool HasRunLongEnough(string manifest)
    {
        foreach (var module in _world.Kernel.Modules)
        {
            if (module.Patch.Manifest == manifest && module.AppliedAt is { } at)
                return _world.Kernel.Uptime - at >= Probation;
        }

        return false;
    }

    /// <summary>Where the patch stood.</summary>
    private static string Way(AgentState before) =>
        Beliefs.Switching(before) is null ? "running" : Beliefs.PhaseWord(before);
}
