using System.Text;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Modules of the running kernel's own folder below /lib/modules, by name: what is installed, what is built in, and the
/// symbols of what is not loaded.
/// </summary>
internal sealed class InstalledModules
{
    private readonly string _folder;
    private readonly Dictionary<string, string> _files = [];
    private readonly HashSet<string> _builtIn = [];
    private readonly bool _isKnown;
    private string? _firstOfKernel;

    /// <param name="wanted">Null for all.</param>
    public InstalledModules(string folder, IReadOnlySet<string>? wanted)
        : this(folder, wanted, (list, each) => LongFile.Read(Path.Combine(folder, list), each))
    {
    }

    /// <param name="lines">Of a list; false when it cannot be read.</param>
    internal InstalledModules(string folder, IReadOnlySet<string>? wanted, Func<string, LongFile.Line, bool> lines)
    {
        _folder = folder;
        _isKnown = lines("modules.dep", line =>
        {
            // "kernel/fs/overlayfs/overlay.ko.xz: kernel/…"
            var colon = line.IndexOf((byte)':');
            if (colon > 0 && _firstOfKernel is null) _firstOfKernel = OfKernel(line[..colon]);
            if (colon > 0 && Wanted(line[..colon], wanted, out var file) is { } name) _files.TryAdd(name, file);
        });
        lines("modules.builtin", line =>
        {
            if (Wanted(line, wanted, out _) is { } name && !_files.ContainsKey(name)) _builtIn.Add(name);
        });
    }

    /// <summary>Those built in among them; null when the folder has no list.</summary>
    public IReadOnlyList<string>? Names =>
        _isKnown ? [.. _files.Keys.Concat(_builtIn).Order(StringComparer.Ordinal)] : null;

    public IReadOnlyList<string>? BuiltIn => _isKnown ? [.. _builtIn.Order(StringComparer.Ordinal)] : null;

    /// <summary>Symbols of those modules whose file can be read.</summary>
    public IReadOnlyDictionary<string, ModuleSymbols> Symbols(IEnumerable<string> names)
    {
        var found = new Dictionary<string, ModuleSymbols>();
        foreach (var name in names)
        {
            if (File(name) is { } bytes && ModuleSymbols.Read(bytes) is { } symbols) found[name] = symbols;
        }

        return found;
    }

    /// <summary>A module's file, unpacked; null when it is not installed or cannot be read.</summary>
    public byte[]? File(string name) =>
        _files.TryGetValue(name, out var file) ? CompressedModule.Read(Path.Combine(_folder, file)) : null;

    /// <summary>Some module that came with the kernel, unpacked; null when none can be read.</summary>
    public byte[]? FirstOfKernel() =>
        _firstOfKernel is null ? null : CompressedModule.Read(Path.Combine(_folder, _firstOfKernel));

    /// <summary>Its path, where it is below the folder for the kernel's own; null elsewhere.</summary>
    private static string? OfKernel(ReadOnlySpan<byte> path) =>
        path.StartsWith("kernel/"u8) && Wanted(path, null, out var file) is not null ? file : null;

    private static string? Wanted(ReadOnlySpan<byte> line, IReadOnlySet<string>? wanted, out string file)
    {
        file = Encoding.UTF8.GetString(line);
        var start = file.LastIndexOf('/') + 1;
        var end = file.IndexOf(".ko", start, StringComparison.Ordinal);
        if (end < 0 || file.Contains('\0')) return null; // no path has a zero in it
        var name = file[start..end].Replace('-', '_');
        return wanted?.Contains(name) != false ? name : null;
    }
}
