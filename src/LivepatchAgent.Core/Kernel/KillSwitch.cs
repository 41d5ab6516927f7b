namespace LivepatchAgent.Core.Kernel;

/// <summary>livepatch_agent= on the kernel command line, or /etc/livepatch-agent/mode.</summary>
public enum KillSwitch
{
    None,

    /// <summary>Check in and report, load nothing.</summary>
    Observe,

    /// <summary>Do nothing at all.</summary>
    Off,
}
