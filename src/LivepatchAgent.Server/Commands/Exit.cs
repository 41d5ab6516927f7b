using LivepatchAgent.Core;

namespace LivepatchAgent.Server.Commands;

/// <summary>Exit codes and how a command ends badly: one line on standard error.</summary>
internal static class Exit
{
    public const int Ok = 0;
    public const int Failed = 1;

    /// <summary>EX_USAGE of sysexits.h.</summary>
    public const int Usage = 64;

    public static int Fail(Problem problem)
    {
        Console.Error.WriteLine($"livepatch-server: {problem}");
        return Failed;
    }
}
