using System.Runtime.CompilerServices;

namespace LivepatchAgent.Cli.Tests;

/// <summary>Where the sources and pages are that tests compare with.</summary>
internal static class Repository
{
    public static string Root => Path.GetFullPath(Path.Combine(Here(), "..", ".."));

    public static string Cli => Path.Combine(Root, "src", "LivepatchAgent.Cli");

    public static string Page(string name) => File.ReadAllText(Path.Combine(Root, "docs", name));

    private static string Here([CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
