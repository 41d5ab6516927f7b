using System.Text;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>Modules of the running kernel's own folder below /lib/modules, by name: what is installed, and the symbols of what is not loaded.</summary>
internal sealed class InstalledModules
{
    private readonly string _folder;
    private readonly Dictionary<string, string> _files = [];
    private readonly bool _isKnown;

    /// <param name="wanted">Null for all.</param>
    public InstalledModules(string folder, IReadOnlySet<string>? wanted)
    {
        _folder = folder;
        _isKnown = LongFile.Read(Path.Combine(folder, "modules.dep"), line =>
        {
            // "kernel/fs/overlayfs/overlay.ko.xz: kernel/…"
            var colon = line.IndexOf((byte)':');
            if (colon > 0) Add(Encoding.UTF8.GetString(line[..colon]), wanted);
        });
        LongFile.Read(Path.Combine(folder, "modules.builtin"), line => Add(Encoding.UTF8.GetString(line), wanted));
    }

    /// <summary>Null when the folder has no list.</summary>
    public IReadOnlyList<string>? Names => _isKnown ? [.. _files.Keys.Order(StringComparer.Ordinal)] : null;

    /// <summary>Symbols of those modules whose file can be read.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? Symbols(IEnumerable<string> names)
    {
        var found = new Dictionary<string, IReadOnlyDictionary<string, int>>();
        foreach (var name in names)
        {
            if (!_files.TryGetValue(name, out var file) || CompressedModule.Read(Path.Combine(_folder, file)) is not { } bytes) continue;
            if (ModuleSymbols.Read(bytes) is { } symbols) found[name] = symbols;
        }

        return found.Count > 0 ? found : null;
    }

    private void Add(string file, IReadOnlySet<string>? wanted)
    {
        var start = file.LastIndexOf('/') + 1;
        var end = file.IndexOf(".ko", start, StringComparison.Ordinal);
        if (end < 0) return;
        var name = file[start..end].Replace('-', '_');
        if (wanted?.Contains(name) != false) _files.TryAdd(name, file);
    }
}
