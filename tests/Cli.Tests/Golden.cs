using System.Runtime.CompilerServices;

namespace LivepatchAgent.Cli.Tests;

/// <summary>Plain text beside the tests; UPDATE_GOLDENS=1 rewrites it, and the diff is reviewed.</summary>
internal static class Golden
{
    public static void Verify(string name, string actual, [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, "goldens", name + ".txt");
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDENS") == "1") File.WriteAllText(path, actual);
        var how = "run the tests with UPDATE_GOLDENS=1 and look at what they wrote";
        Assert.True(File.Exists(path), $"{path} is missing: {how}");
        Assert.Equal(File.ReadAllText(path), actual);
    }
}
