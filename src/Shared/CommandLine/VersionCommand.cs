using System.CommandLine;
using System.Reflection;

namespace LivepatchAgent.Shared.CommandLine;

/// <summary>`version`. Compiled into each program that has verbs.</summary>
internal static class VersionCommand
{
    public static Command Make(string program)
    {
        var command = new Command("version", "Show the version of this program");
        command.SetAction(parsed => parsed.InvocationConfiguration.Output.WriteLine($"{program} {Version}"));
        return command;
    }

    internal static string Version { get; } =
        Attribute?.InformationalVersion ?? "unknown";

    private static AssemblyInformationalVersionAttribute? Attribute =>
        typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>();
}
