using LivepatchAgent.Daemon.Host;
using System.IO.Compression;
using System.Text;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The running kernel's build options, those that matter: /proc/config.gz, else /boot/config-RELEASE.
/// </summary>
internal static class KernelOptions
{
    private const int MaxLine = 4096;

    /// <summary>A kernel's list has some 300 KiB.</summary>
    private const int MaxText = 16 << 20;

    private static readonly NameSet Asked = new(
    [
        "LIVEPATCH", "MODULES", "SYSFS", "KALLSYMS_ALL", "DYNAMIC_FTRACE", "HAVE_LIVEPATCH",
        "SMP", "PREEMPT_BUILD", "PREEMPT_RT", "MODULE_UNLOAD", "MODVERSIONS", "RANDSTRUCT", "GCC_PLUGIN_RANDSTRUCT",
        "MODULE_SIG", "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS", "HAVE_RELIABLE_STACKTRACE",
        "FTRACE_MCOUNT_USE_CC", "FTRACE_MCOUNT_USE_OBJTOOL", "HAVE_OBJTOOL_NOP_MCOUNT",
    ]);

    public static IReadOnlyDictionary<string, string>? Read(HostPaths paths, string release)
    {
        foreach (var (path, isCompressed) in new[] { (paths.ConfigInKernel, true), (paths.ConfigOf(release), false) })
        {
            if (!File.Exists(path)) continue;
            try
            {
                using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
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

    /// <summary>Of some 10,000 lines a few are made strings of.</summary>
    private static Dictionary<string, string> Options(Stream text)
    {
        var options = new Dictionary<string, string>();
        LongFile.Read(text, MaxText, line =>
        {
            if (line.Length >= MaxLine || !line.StartsWith("CONFIG_"u8)) return;
            var option = line["CONFIG_".Length..];
            var equals = option.IndexOf((byte)'=');
            if (equals < 0 || !Asked.TryGet(option[..equals], out var name)) return;
            options[name] = Encoding.UTF8.GetString(option[(equals + 1)..]).Trim('"');
        });
        return options;
    }
}
