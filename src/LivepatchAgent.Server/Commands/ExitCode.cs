using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Shared.CommandLine;

namespace LivepatchAgent.Server.Commands;

/// <summary>The contract with scripts; docs/server.md names the same codes.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = ProgramArguments.UsageExitCode;
}

/// <summary>How a command ends badly: in one line on standard error.</summary>
internal static class Failure
{
    public static int Report(Problem problem) => Report(problem.ToString(), ExitCode.Failed);

    public static int Report(string line, int exitCode)
    {
        Console.Error.WriteLine($"livepatch-server: {PrintableText.Of(line)}");
        return exitCode;
    }
}
