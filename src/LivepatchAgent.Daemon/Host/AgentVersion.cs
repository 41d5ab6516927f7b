namespace LivepatchAgent.Daemon.Host;

/// <summary>This program's version, as users know it.</summary>
internal static class AgentVersion
{
    public static string Text { get; } = typeof(AgentVersion).Assembly.GetName().Version?.ToString(3) ?? "0";
}
