using System.Runtime.CompilerServices;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>Texts beside the tests; UPDATE_GOLDENS=1 rewrites them.</summary>
internal static class Golden
{
    public static void AssertSame(string name, string text, [CallerFilePath] string test = "")
    {
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDENS") == "1")
        {
            var folder = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(test)!, "goldens"));
            File.WriteAllText(Path.Combine(folder.FullName, name), text);
            return;
        }

        Assert.Equal(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "goldens", name)), text);
    }
}
