namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>Where things are: the checkout with its published programs, and the cache beside the lab's.</summary>
internal static class Checkout
{
    public static string Root { get; } = FindRoot();

    public static string Lab => At("tests/lab/lab");

    public static string Publisher => Published("publisher", "livepatch-publisher");

    public static string Server => Published("server", "livepatch-server");

    /// <summary>
    /// Keys and built modules outlive a run: a new key would be a new Secure Boot fixture, 20 to 50 s each time.
    /// </summary>
    public static string Cache { get; } = FindCache();

    public static string At(string path) => Path.Combine(Root, path);

    public static string Package(string name) =>
        Directory.EnumerateFiles(At("out/deb"), $"{name}_*_amd64.deb").MaxBy(File.GetLastWriteTimeUtc)
        ?? throw new FileNotFoundException($"no package {name} in out/deb; run `make deb`");

    private static string Published(string folder, string program)
    {
        var path = At($"out/publish/{folder}/{program}");
        if (File.Exists(path)) return path;
        throw new FileNotFoundException($"no published {program} in out/publish; run `make publish`");
    }

    private static string FindRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "LivepatchAgent.sln"))) return folder;
        }

        throw new DirectoryNotFoundException("the tests run inside a checkout: no LivepatchAgent.sln above them");
    }

    private static string FindCache()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var labs = Environment.GetEnvironmentVariable("LIVEPATCH_LAB_CACHE")
            ?? Path.Combine(home, ".cache/livepatch-agent-lab");
        return Directory.CreateDirectory(labs.TrimEnd('/') + "-tests").FullName;
    }
}
