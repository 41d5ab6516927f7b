namespace LivepatchAgent.Model;

/// <summary>Where in a turn of the loop something happens.</summary>
internal enum Point
{
    /// <summary>Before the host is looked at.</summary>
    Look,

    /// <summary>The step is decided and its intent is not saved yet.</summary>
    Decided,

    /// <summary>The intent is saved and the effect has not begun.</summary>
    Saved,

    /// <summary>The effect is over, or a rest is half over, and nothing of it is saved.</summary>
    Done,

    /// <summary>What came of it is saved.</summary>
    End,
}

/// <summary>What a patch does to a host that loads it.</summary>
internal enum Behaviour
{
    Ok,

    /// <summary>Its module has the name of the one before it.</summary>
    Namesake,

    /// <summary>Its transition takes 30 s.</summary>
    Slow,

    /// <summary>Its transition does not end until the faults do.</summary>
    Stalls,

    /// <summary>The kernel has no key for it, in any boot.</summary>
    NoKey,

    /// <summary>ENOEXEC.</summary>
    BadFormat,

    /// <summary>ENOENT.</summary>
    NoSymbol,

    /// <summary>EINVAL.</summary>
    Invalid,

    /// <summary>ENODEV, which has no word of its own.</summary>
    KernelError,

    /// <summary>Preflight refuses it.</summary>
    Unfit,

    /// <summary>Its module is not signed.</summary>
    Unsigned,

    /// <summary>Its manifest is signed by nobody this host trusts.</summary>
    BadManifest,

    /// <summary>The host goes down in finit_module.</summary>
    DiesLoading,

    /// <summary>The host goes down in the transition.</summary>
    DiesSwitching,

    /// <summary>The host goes down within the probation.</summary>
    DiesSoon,

    /// <summary>The host goes down after the probation, until the faults stop.</summary>
    DiesLate,
}

/// <summary>What happens to the host, its daemon, its server.</summary>
internal enum IncidentKind
{
    // the daemon and the host's boots
    Kill,
    Restart,
    Power,
    Reboot,
    RebootOther,

    // the disk
    DiskFull,
    DiskFailing,
    DiskRoom,
    DiskUnreadable,
    JournalDamaged,
    ModuleRotten,

    // the server and its publisher
    Publish,
    PublishOther,
    WithdrawNewest,
    WithdrawOldest,
    Forget,
    Backup,
    OfferOldest,
    OfferNewest,
    Stranger,
    AnswerLost,
    ServerAway,
    ServerBack,
    Pins,

    // the kernel and the administrator
    SwitchOff,
    OtherTool,
    Remove,
    Busy,
    MemoryShort,
    MemoryBack,
    KeyMissing,
    ModulesDisabled,
    HostUnfit,
    Spoil,
    ModeObserve,
    ModeOff,
    ModeNormal,
    ReverseStalls,

    // the clock
    ClockAhead,
    ClockBack,
    ClockRight,

    // commands
    Refresh,
    NetworkUp,
    Disable,
    Enable,
    Hold,
    Unhold,
    Release,
}

/// <param name="Turn">From 0.</param>
/// <param name="Behaviour">Of what is published or spoiled; Ok with all else.</param>
internal readonly record struct Incident(int Turn, Point Point, IncidentKind Kind, Behaviour Behaviour = Behaviour.Ok)
{
    public static bool HasBehaviour(IncidentKind kind) =>
        kind is IncidentKind.Publish or IncidentKind.PublishOther or IncidentKind.Spoil;
}
