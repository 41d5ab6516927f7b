using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>What somebody asks of the daemon, and what follows from it.</summary>
internal sealed partial class Oracle
{
    private readonly HashSet<string> _kept = [];

    /// <summary>The patch that was in force last, and may be on its way back.</summary>
    private string? _ranLast;

    /// <summary>Every patch whose load began.</summary>
    private readonly HashSet<string> _everBegun = [];

    /// <summary>The patch whose load began last, on each kernel.</summary>
    private readonly Dictionary<int, string> _begun = [];
    private Command? _asked;

    public bool IsHeld { get; private set; }

    /// <summary>The daemon is about to save what the command changes.</summary>
    public void Asks(Command command) => _asked = command;

    /// <param name="isSaved">What it changes is on the disk; else nothing has changed.</param>
    public void Answers(bool isSaved)
    {
        var command = _asked;
        _asked = null;
        if (!isSaved) return;
        switch (command)
        {
            case Command.Disable:
                foreach (var ran in _ran) ran.Clear();
                break;
            case Command.Hold:
                IsHeld = true;
                Keep(_world.Disk.Journal!);
                break;
            case Command.Unhold:
                IsHeld = false;
                _kept.Clear();
                break;
            default:
                break;
        }
    }

    /// <summary>The hold and the quarantine as people see them.</summary>
    private void ShowsCommands(AgentStatus status)
    {
        if ((status.Hold is not null) != IsHeld)
            Fail(Invariant.Truth, "hold", IsHeld ? "the host is held and it is not shown" : "a hold is shown");
        if (status.Hold?.Available?.ManifestDigest is { } kept && kept == status.Patch?.ManifestDigest)
            Fail(Invariant.Truth, "available", "what runs is said to be kept out");
        if (status.Problem?.Code != ProblemCode.PatchQuarantined) return;
        var refused = Beliefs.Refusal(_world.Daemon!.State)?.Manifest;
        if (refused is not null && !status.Quarantine.Any(q => q.ManifestDigest == refused))
            Fail(Invariant.Truth, "released", "a patch is said to be quarantined, and is not");
    }

    /// <summary>What a host has when it is held: the patch that runs, or else those that did or began to.</summary>
    private void Keep(AgentState state)
    {
        if (Beliefs.Running(state) is { } running) _kept.Add(running.Manifest);
        else _kept.UnionWith(_ranLast is null ? _begun.Values : [.. _begun.Values, _ranLast]);
    }

    private void Begins(string manifest)
    {
        _begun[_world.Kernel.Release] = manifest;
        _everBegun.Add(manifest);
    }

    /// <summary>A held host may load it.</summary>
    private bool IsKept(string manifest)
    {
        if (_kept.Contains(manifest) || _proven.Contains(manifest)) return true;
        if (_hasGoneBack) return _everBegun.Contains(manifest);
        var ran = _ran[_world.Kernel.Release];
        return ran.TryGetValue(manifest, out var number) && number == ran.Values.Max();
    }

    private void CompareHold(AgentState before, AgentState after)
    {
        var (was, now) = (Beliefs.IsHeld(before), Beliefs.IsHeld(after));
        if (was && !now && _asked is not Command.Unhold) Fail(Invariant.HoldKept, null, "the hold is gone");
        if (now && !was && _asked is not Command.Hold) Fail(Invariant.HoldKept, "unasked", "nobody asked for the hold");
    }

    private bool IsAskedToRelease(string manifest) =>
        _asked is Command.ReleaseQuarantine release && release.Name == manifest;

    /// <summary>It may be loaded again, and is judged as a patch that this host has never had.</summary>
    private void Releases(string manifest)
    {
        _quarantined.Remove(manifest);
        _crashes.Remove(manifest);
        _strikes.Remove(manifest);
    }
}
