using System.CommandLine;
using System.Reflection;

namespace LivepatchAgent.Cli.Commands;

internal static class VersionCommand
{
    public static Command Make(Surroundings surroundings)
    {
        var command = new Command("version", "Show the version of this program");
        command.SetAction(_ =>
        {
            surroundings.Out.WriteLine($"livepatch-agent {Version()}");
            return ExitCode.Ok;
        });
        return command;
    }

    private static string Version() =>
        typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
