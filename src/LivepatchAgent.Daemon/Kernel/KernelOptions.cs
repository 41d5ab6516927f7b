using System.IO.Compression;
using System.Text;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>The running kernel's build options, those that matter: /proc/config.gz, else /boot/config-RELEASE.</summary>
internal static class KernelOptions
{
    private const int MaxLine = 4096;
    private const int MaxLines = 100_000;

    private static readonly HashSet<string> Asked =
    [
        "LIVEPATCH", "MODULES", "SYSFS", "KALLSYMS_ALL", "DYNAMIC_FTRACE", "HAVE_LIVEPATCH",
        "SMP", "PREEMPT_BUILD", "PREEMPT_RT", "MODULE_UNLOAD", "MODVERSIONS", "RANDSTRUCT", "GCC_PLUGIN_RANDSTRUCT",
        "MODULE_SIG", "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS", "HAVE_RELIABLE_STACKTRACE",
    ];

    public static IReadOnlyDictionary<string, string>? Read(HostPaths paths, string release)
    {
        foreach (var (path, isCompressed) in new[] { (paths.ConfigInKernel, true), (paths.ConfigOf(release), false) })
        {
            if (!File.Exists(path)) continue;
            try
            {
                using var file = File.OpenRead(path);
                using Stream text = isCompressed ? new GZipStream(file, CompressionMode.Decompress) : file;
                var options = Options(text);
                // A kernel with modules at all has these two; anything else is no such file.
                if (options.ContainsKey("MODULES")) return options;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
            {
                // the next one, or none
            }
        }

        return null;
    }

    private static Dictionary<string, string> Options(Stream stream)
    {
        var options = new Dictionary<string, string>();
        using var text = new StreamReader(stream, Encoding.UTF8);
        for (var n = 0; n < MaxLines && text.ReadLine() is { Length: < MaxLine } line; n++)
        {
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || !line.StartsWith("CONFIG_", StringComparison.Ordinal)) continue;
            var name = line["CONFIG_".Length..equals];
            if (Asked.Contains(name)) options[name] = line[(equals + 1)..].Trim('"');
        }

        return options;
    }
}
