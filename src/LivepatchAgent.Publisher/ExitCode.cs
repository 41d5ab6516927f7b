using LivepatchAgent.Shared.CommandLine;

namespace LivepatchAgent.Publisher;

/// <summary>The contract with scripts; docs/publisher.md shows the same table.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = ProgramArguments.UsageExitCode;
}
