using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>What each incident does.</summary>
internal sealed partial class World
{
    private static readonly EnrolmentIntent Intent = new(
        "enrolment-1",
        new TokenContent { Server = PatchServer.Address, Secret = "secret", Tls = [], Catalogue = [], Publishers = [] },
        "credential");

    private static readonly Command Enable = new Command.Enable(Intent);
    private static readonly Command Disable = new Command.Disable();
    private static readonly Command Refresh = new Command.Refresh();
    private static readonly Command NetworkUp = new Command.NetworkUp();
    private static readonly Command Hold = new Command.Hold(null);
    private static readonly Command Unhold = new Command.Unhold();

    private void Befall(Incident incident)
    {
        IsMeddledWith |= Meddles(incident.Kind);
        switch (incident.Kind)
        {
            case >= IncidentKind.Kill and <= IncidentKind.RebootOther:
                BefallDaemon(incident.Kind);
                break;
            case >= IncidentKind.DiskFull and <= IncidentKind.ModuleRotten:
                BefallDisk(incident.Kind);
                break;
            case >= IncidentKind.Publish and <= IncidentKind.Pins:
                BefallServer(incident);
                break;
            case >= IncidentKind.SwitchOff and <= IncidentKind.ReverseStalls:
                BefallKernel(incident);
                break;
            case >= IncidentKind.ClockAhead and <= IncidentKind.ClockRight:
                ClockError = incident.Kind switch
                {
                    IncidentKind.ClockAhead => TimeSpan.FromDays(3),
                    IncidentKind.ClockBack => TimeSpan.FromHours(-30),
                    _ => TimeSpan.Zero,
                };
                break;
            default:
                Commands.Enqueue(Command(incident.Kind));
                break;
        }
    }

    private static bool Meddles(IncidentKind kind) => kind is IncidentKind.SwitchOff or IncidentKind.OtherTool
        or IncidentKind.MemoryShort or IncidentKind.KeyMissing or IncidentKind.ModulesDisabled or IncidentKind.HostUnfit
        or IncidentKind.ModeObserve or IncidentKind.ModeOff or IncidentKind.ReverseStalls or IncidentKind.Disable
        or IncidentKind.RebootOther or IncidentKind.ModuleRotten or IncidentKind.JournalDamaged;

    private Command Command(IncidentKind kind) => kind switch
    {
        IncidentKind.Refresh => Refresh,
        IncidentKind.NetworkUp => NetworkUp,
        IncidentKind.Disable => Disable,
        IncidentKind.Hold => Hold,
        IncidentKind.Unhold => Unhold,
        IncidentKind.Release => Release(),
        _ => Enable,
    };

    /// <summary>Of the patch that was quarantined last; without one, of a patch that nobody knows.</summary>
    private Command.ReleaseQuarantine Release()
    {
        var quarantine = Disk.Journal is { } journal ? Beliefs.Quarantine(journal) : [];
        return new Command.ReleaseQuarantine(quarantine is [.., var last] ? last.ManifestDigest : "nothing");
    }

    private void BefallDaemon(IncidentKind kind)
    {
        switch (kind)
        {
            case IncidentKind.Kill:
                Daemon = null;
                break;
            case IncidentKind.Restart:
                Daemon?.Stop();
                Daemon = null;
                break;
            case IncidentKind.Power:
                GoDown(null);
                break;
            case IncidentKind.Reboot:
                Reboot(Kernel.Release);
                break;
            default:
                Reboot(1 - Kernel.Release);
                break;
        }
    }

    private void BefallDisk(IncidentKind kind)
    {
        switch (kind)
        {
            case IncidentKind.DiskFull:
                Disk.Full = true;
                break;
            case IncidentKind.DiskFailing:
                Disk.Failing = true;
                break;
            case IncidentKind.DiskRoom:
                (Disk.Full, Disk.Failing) = (false, false);
                break;
            case IncidentKind.DiskUnreadable:
                Disk.Unreadable = 3;
                Daemon = null; // it is read at a start
                break;
            case IncidentKind.JournalDamaged when Disk.Older is not null:
                Disk.Damaged = true;
                Daemon = null;
                break;
            case IncidentKind.ModuleRotten:
                Disk.Rot();
                break;
            default:
                break;
        }
    }

    private void BefallServer(Incident incident)
    {
        var release = Kernel.Release;
        switch (incident.Kind)
        {
            case IncidentKind.Publish:
                Server.Publish(release, incident.Behaviour);
                break;
            case IncidentKind.PublishOther:
                Server.Publish(1 - release, incident.Behaviour);
                break;
            case IncidentKind.WithdrawNewest or IncidentKind.WithdrawOldest:
                Server.Withdraw(release, incident.Kind == IncidentKind.WithdrawNewest);
                break;
            case IncidentKind.Forget:
                Server.Forget();
                break;
            case IncidentKind.Backup:
                Server.GoBack();
                break;
            case IncidentKind.OfferOldest or IncidentKind.OfferNewest:
                Server.Offer(incident.Kind == IncidentKind.OfferOldest);
                break;
            case IncidentKind.Stranger:
                Server.Stranger = true;
                break;
            case IncidentKind.AnswerLost:
                Server.LosesAnswer = true;
                break;
            case IncidentKind.ServerAway or IncidentKind.ServerBack:
                Server.Away = incident.Kind == IncidentKind.ServerAway;
                break;
            default:
                Server.RaisePins();
                break;
        }
    }

    private void BefallKernel(Incident incident)
    {
        switch (incident.Kind)
        {
            case IncidentKind.SwitchOff when Kernel.Current is { } current:
                Kernel.SwitchOff(current.Patch.Papers.Name);
                break;
            case IncidentKind.OtherTool:
                Kernel.LoadForeign();
                break;
            case IncidentKind.Remove:
                foreach (var module in Kernel.Modules.ToList()) Kernel.Remove(module.Patch.Papers.Name);
                break;
            case IncidentKind.Busy:
                Kernel.Busy += 3;
                break;
            case IncidentKind.MemoryShort or IncidentKind.MemoryBack:
                Kernel.MemoryShort = incident.Kind == IncidentKind.MemoryShort;
                break;
            case IncidentKind.KeyMissing:
                Kernel.Errno = LoadVerdict.EKEYREJECTED;
                break;
            case IncidentKind.ModulesDisabled:
                Kernel.Errno = LoadVerdict.EPERM;
                break;
            case IncidentKind.HostUnfit:
                Kernel.Unfit = true;
                break;
            case IncidentKind.Spoil:
                if (Server.Of(Kernel.Release) is [.., var newest]) newest.Behaviour = incident.Behaviour;
                break;
            case >= IncidentKind.ModeObserve and <= IncidentKind.ModeNormal:
                Mode = ModeOf(incident.Kind);
                break;
            case IncidentKind.ReverseStalls:
                Policy = ReferenceEquals(Policy, Patient) ? Impatient : Patient;
                break;
            default:
                break;
        }
    }

    private static KillSwitch ModeOf(IncidentKind kind) => kind switch
    {
        IncidentKind.ModeObserve => KillSwitch.Observe,
        IncidentKind.ModeOff => KillSwitch.Off,
        _ => KillSwitch.None,
    };

    /// <summary>The faults stop, and what somebody would put right is right. What a reboot cures stays.</summary>
    public void Calm()
    {
        _next = _sequence.Incidents.Count;
        Commands.Clear();
        (Server.Away, Server.LosesAnswer, Server.Stranger) = (false, false, false);
        Server.Offer(oldest: false);
        Server.CatchUp();
        (Disk.Full, Disk.Failing, Disk.Unreadable) = (false, false, 0);
        (Kernel.Busy, Kernel.MemoryShort) = (0, false);
        (Mode, ClockError, Policy) = (KillSwitch.None, TimeSpan.Zero, Patient);
        Kernel.Calm();
        Oracle.Stirs();
    }

    /// <summary>The host is not in anybody's care any more, and somebody changes that.</summary>
    public void Enrol()
    {
        if (Commands.Count == 0) Commands.Enqueue(Enable);
    }

    public void EndHold()
    {
        if (Commands.Count == 0) Commands.Enqueue(Unhold);
    }

    public void RebootInOrder() => Reboot(Kernel.Release);
}
