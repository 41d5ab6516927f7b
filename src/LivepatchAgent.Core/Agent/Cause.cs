using LivepatchAgent.Core.History;

namespace LivepatchAgent.Core.Agent;

/// <summary>Why the state changed.</summary>
public abstract record Cause
{
    private Cause()
    {
    }

    public sealed record Started(string AgentVersion, string KernelRelease) : Cause;

    public sealed record Stopped : Cause;

    /// <summary>Somebody asked, and the command was taken.</summary>
    public sealed record Asked(Command Command, HistoryBy? By) : Cause;

    /// <summary>About to be done.</summary>
    public sealed record Begun(Step Step) : Cause;

    public sealed record Performed(Step Step, StepResult Result) : Cause;
}
