using System.Globalization;
using System.Text;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using Names = System.Collections.Generic.IReadOnlyDictionary<
    string, System.Collections.Generic.IReadOnlyDictionary<string, int>>;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>What preflight asks of this host: reads, and changes nothing. What cannot be read is left out.</summary>
internal sealed class HostFactsCollector(HostPaths paths, HostObserver observer)
{
    private const int MaxHooks = 10_000;

    /// <summary>How the kernel shows a text that was never set.</summary>
    private const string Nothing = "(null)";

    /// <param name="questions">What is of interest for one module; null for all that there is.</param>
    /// <param name="objects">
    /// Modules whose installed files are of interest although no module is asked about: all files would be too many.
    /// </param>
    /// <param name="stored">Modules that the agent keeps.</param>
    public HostFacts Collect(
        HostQuestions? questions,
        IReadOnlyCollection<string>? objects = null,
        IReadOnlyList<StoredModule>? stored = null)
    {
        var release = Release();
        var loaded = LoadedModules();
        var collector = new SymbolCollector(questions, loaded);
        using var memory = KernelMemory.Open(paths.KernelMemory);
        var (symbols, traceable) = Functions(collector, memory);
        var patches = observer.Patches();
        var wanted = questions?.Objects.Concat(patches.Select(p => p.Name)).ToHashSet();
        var installed = new InstalledModules(paths.InstalledModules(release), wanted);
        var unloaded = (questions?.Objects ?? objects ?? Enumerable.Empty<string>()).Except(loaded ?? []);
        var files = installed.Symbols(unloaded);
        var exports = symbols is null ? null : memory;
        return Settings(release) with
        {
            Vermagic = KernelVermagic.Read(memory, collector.Addresses, installed, release),
            Keys = new KernelKeys(paths).Read(questions?.Signers ?? []),
            Patches = patches,
            PatchStates = patches.Count == 0
                ? null
                : PatchList.Read(memory, collector.Addresses, patches)
                    ?? new PatchFiles(paths, installed, stored ?? []).States(patches),
            PatchVersions = Versions(patches),
            Modules = ModuleNames(),
            LoadedModules = loaded,
            InstalledModules = installed.Names,
            BuiltInModules = installed.BuiltIn,
            Symbols = symbols,
            InstalledSymbols = files.Count == 0 ? null : files.ToDictionary(f => f.Key, f => f.Value.Names),
            InstalledTraceable = files.Count == 0 ? null : files.ToDictionary(f => f.Key, f => f.Value.Traceable),
            Traceable = traceable,
            TraceableInOrder = collector.TraceableInOrder,
            Hooks = FromTracing("enabled_functions", path => Hooks(path, questions)),
            Probes = Probes(questions),
            SymbolVersions = exports is null ? null : ExportTable.Crcs(exports, collector.Addresses),
            SymbolNamespaces = exports is null ? null : ExportTable.Namespaces(exports, collector.Addresses),
            MemoryAvailable = MemoryAvailable(),
            GoingDown = GoingDown(),
        };
    }

    /// <summary>What the kernel is and how it is set: the same whatever is asked.</summary>
    private HostFacts Settings(string release) => new()
    {
        KernelRelease = release,
        KernelVersion = SmallFile.Read(paths.KernelVersion),
        Architecture = HostObserver.Architecture,
        Config = KernelOptions.Read(paths, release),
        Livepatch = Directory.Exists(paths.Livepatch),
        ModulesDisabled = Flag(paths.ModulesDisabled),
        BlockedModules = BlockedModules(),
        Lockdown = KernelTexts.Lockdown(SmallFile.Read(paths.Lockdown) ?? ""),
        SignaturesEnforced = Flag(paths.SignaturesEnforced),
        Taint = Number(SmallFile.Read(paths.Tainted)) ?? 0,
        FtraceEnabled = Flag(paths.FtraceEnabled),
    };

    /// <summary>It becomes part of paths.</summary>
    private string Release()
    {
        const string unknown = "unknown";
        if (SmallFile.Read(paths.OsRelease) is not { Length: > 0 and <= 64 } text) return unknown;
        return text.Any(c => c == '/' || char.IsControl(c)) ? unknown : text;
    }

    private string[] BlockedModules()
    {
        if (SmallFile.Read(paths.BlockedModules) is not { } names || names == Nothing) return [];
        return names.Split(',', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Of the first of tracefs's folders whose file can be read.</summary>
    private T? FromTracing<T>(string file, Func<string, T?> read)
        where T : class =>
        paths.Tracing.Select(folder => read(Path.Combine(folder, file))).FirstOrDefault(facts => facts is not null);

    /// <summary>By the kernel's memory where that is understood, else by its texts.</summary>
    private (Names? Symbols, Names? Traceable) Functions(SymbolCollector collector, KernelMemory? memory)
    {
        var symbols = memory is null ? null : collector.SymbolsOf(memory, AddressOf);
        var isByMemory = symbols is not null;
        symbols ??= collector.Symbols(paths.Symbols);
        if (memory is not null && symbols is not null && TraceTotal() is { } total)
        {
            if (collector.TraceableOf(memory, total) is { } traceable) return (symbols, traceable);
        }

        // Only the text of the symbols shows which names share an address.
        if (isByMemory) symbols = collector.Symbols(paths.Symbols);
        return (symbols, FromTracing("available_filter_functions", collector.Traceable));
    }

    private ulong? AddressOf(string module)
    {
        if (SmallFile.Read(paths.ModuleAddress(module)) is not { } text) return null;
        const NumberStyles style = NumberStyles.AllowHexSpecifier;
        var digits = text.AsSpan().TrimStart("0x");
        var isNumber = ulong.TryParse(digits, style, CultureInfo.InvariantCulture, out var address);
        return isNumber && address != 0 ? address : null;
    }

    /// <summary>dyn_ftrace_total_info: <c>41399 pages:187 groups: 28</c>.</summary>
    private long? TraceTotal()
    {
        foreach (var folder in paths.Tracing)
        {
            var text = SmallFile.Read(Path.Combine(folder, "dyn_ftrace_total_info"));
            if (Number(text?.Split(' ')[0]) is { } total) return total;
        }

        return null;
    }

    private List<string>? LoadedModules()
    {
        var names = new List<string>();
        return LongFile.Read(paths.LoadedModules, line =>
        {
            var space = line.IndexOf((byte)' ');
            if (space > 0) names.Add(Encoding.UTF8.GetString(line[..space]));
        }) ? names : null;
    }

    private Dictionary<string, string>? Versions(List<LoadedPatch> patches)
    {
        Dictionary<string, string>? versions = null;
        foreach (var patch in patches)
        {
            var version = SmallFile.Read(Path.Combine(paths.Module(patch.Name), "version"));
            if (string.IsNullOrEmpty(version)) continue;
            versions ??= [];
            versions[patch.Name] = version;
        }

        return versions;
    }

    private List<string>? ModuleNames()
    {
        try
        {
            var names = Directory.EnumerateDirectories(paths.Modules).Select(d => Path.GetFileName(d)!);
            return [.. names.Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static List<FunctionHook>? Hooks(string path, HostQuestions? questions)
    {
        var hooks = new List<FunctionHook>();
        var isWanted = false;
        return LongFile.Read(path, line =>
        {
            var text = Encoding.UTF8.GetString(line);
            if (SymbolTexts.DirectTarget(text) is { } target)
            {
                if (isWanted) hooks[^1] = hooks[^1] with { DirectTarget = target };
                return;
            }

            var hook = hooks.Count < MaxHooks ? SymbolTexts.Hook(text) : null;
            isWanted = hook is not null && questions?.Functions.Contains(hook.Name) != false;
            if (isWanted) hooks.Add(hook!);
        }) ? hooks : null;
    }

    private List<KernelProbe>? Probes(HostQuestions? questions)
    {
        var probes = new List<KernelProbe>();
        return LongFile.Read(paths.Probes, line =>
        {
            if (probes.Count == MaxHooks || SymbolTexts.Probe(Encoding.UTF8.GetString(line)) is not { } probe) return;
            if (questions?.Functions.Contains(probe.Name) != false) probes.Add(probe);
        }) ? probes : null;
    }

    private long? MemoryAvailable()
    {
        long? bytes = null;
        LongFile.Read(paths.MemoryInfo, line =>
        {
            if (!line.StartsWith("MemAvailable:"u8)) return;
            var words = Encoding.UTF8.GetString(line).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && Number(words[1]) is { } kib) bytes = kib * 1024;
        });
        return bytes;
    }

    /// <summary>
    /// systemd-logind's schedule, and pam_nologin's file, which systemd makes as it begins to go down.
    /// </summary>
    private string? GoingDown()
    {
        if (File.Exists(paths.ScheduledShutdown)) return "a shutdown is scheduled (`shutdown -c` cancels it)";
        var reason = SmallFile.Read(paths.NoLogin) ?? "";
        return reason.Contains("down", StringComparison.OrdinalIgnoreCase) ? "it takes no more logins" : null;
    }

    private static long? Number(string? text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static bool? Flag(string path) => SmallFile.Read(path) switch
    {
        "1" or "Y" => true,
        "0" or "N" => false,
        _ => null,
    };
}
