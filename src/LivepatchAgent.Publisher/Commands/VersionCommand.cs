using System.CommandLine;
using System.Reflection;

namespace LivepatchAgent.Publisher.Commands;

internal static class VersionCommand
{
    public static Command Make(Surroundings surroundings)
    {
        var command = new Command("version", "Show the version of this program");
        command.SetAction(_ =>
        {
            surroundings.Out.WriteLine($"livepatch-publisher {Version}");
            return ExitCode.Ok;
        });
        return command;
    }

    internal static string Version { get; } =
        typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
