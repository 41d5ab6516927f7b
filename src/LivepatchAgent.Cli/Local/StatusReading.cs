using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Local;

/// <summary>A status as far as this program understands it.</summary>
internal sealed record StatusReading(AgentStatus Status, UnknownWords Unknown);

/// <summary>Words that a newer daemon used and this program has not learnt; each is shown as it stands.</summary>
internal sealed record UnknownWords(
    string? State = null, string? Coverage = null, string? CheckIn = null, string? Activity = null)
{
    public static readonly UnknownWords None = new();
}
