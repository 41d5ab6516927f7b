using System.Globalization;
using System.Runtime.InteropServices;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>One look at the kernel and the host. Decides nothing.</summary>
internal sealed class HostObserver(HostPaths paths, TimeProvider time)
{
    private const string Unknown = "unknown";

    /// <summary>As many lines as packaging/agent/clean-end writes.</summary>
    private const int MaxCleanEnds = 13;

    private readonly BlockingTasks _tasks = new(paths);

    private readonly IReadOnlyList<string> _cleanEnds = CleanEnds(SmallFile.Read(paths.CleanEnd) ?? "");

    // These do not change while the kernel runs; /proc/cmdline least of all, though a livepatch may change what it
    // shows.
    private string? _bootId, _release;
    private KillSwitch? _commandLine;

    public static string Architecture => RuntimeInformation.ProcessArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
        System.Runtime.InteropServices.Architecture.S390x => "s390x",
        var other => other.ToString().ToLowerInvariant(),
    };

    /// <summary>
    /// What is there and cannot be read is unknown: taken for missing, it would be believed gone. Then there is no
    /// snapshot, and somebody has to look again.
    /// </summary>
    public Result<HostSnapshot> Observe(AgentState state, ListenState listen)
    {
        try
        {
            return Look(state, listen);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new Problem(
                ProblemCode.KernelError,
                $"cannot see what the kernel runs: {e.Message.TrimEnd('.')}",
                "look at the kernel's log; the host keeps what it runs, and it is tried again");
        }
    }

    /// <summary>The host without a look at its patches: for the time before the first look.</summary>
    public HostSnapshot Outline() => new()
    {
        At = time.GetUtcNow(),
        Uptime = time.GetElapsedTime(0), // the origin of the monotonic clock is the boot
        BootId = _bootId ?? Unknown,
        CleanEnds = _cleanEnds,
        KernelRelease = _release ?? Unknown,
        Architecture = Architecture,
        LivepatchSupported = Directory.Exists(paths.Livepatch),
        Lockdown = KernelTexts.Lockdown(SmallFile.Read(paths.Lockdown) ?? ""),
        Taint = Number(paths.Tainted),
    };

    private HostSnapshot Look(AgentState state, ListenState listen)
    {
        _bootId ??= SmallFile.ReadIfThere(paths.BootId) ?? Unknown;
        _release ??= SmallFile.ReadIfThere(paths.OsRelease) ?? Unknown;
        _commandLine ??= KernelTexts.CommandLineSwitch(SmallFile.ReadIfThere(paths.CommandLine) ?? "");
        var host = Outline();
        var patches = PatchesInSysfs();
        var moving = patches.FirstOrDefault(p => p.Transition);
        // The tasks are many to look through; a transition that goes as it should is over before they matter.
        var age = state.Phase is Phase.Transitioning t ? t.Age(host.Uptime, host.At) : TimeSpan.Zero;
        var slow = moving is not null && age > TimeSpan.FromSeconds(1);
        var (blocking, count) = slow ? _tasks.Find(moving!.Enabled ? 1 : 0) : ([], 0);
        return host with
        {
            KillSwitch = Stronger(_commandLine.Value, Mode()),
            Patches = patches,
            Modules = Modules(Interesting(state)),
            BlockingTasks = blocking,
            BlockingTaskCount = count,
            Listen = listen,
            Jitter = Random.Shared.NextDouble(),
        };
    }

    public MachineFacts Facts(string agentVersion) => new()
    {
        Hostname = SmallFile.Read(paths.Hostname) ?? "unknown",
        KernelRelease = _release ?? Unknown,
        Architecture = Architecture,
        OperatingSystem = KernelTexts.PrettyName(SmallFile.Read(paths.OsReleaseFile) ?? "") ?? "unknown",
        AgentVersion = agentVersion,
        BootId = _bootId ?? Unknown,
    };

    /// <summary>One boot id a line; 36 dashes stand for no boot. Older versions wrote one line.</summary>
    private static string[] CleanEnds(string mark)
    {
        var boots = mark.Split('\n').Take(MaxCleanEnds).Where(IsBootId);
        return [.. boots];
    }

    private static bool IsBootId(string line) => Guid.TryParseExact(line, "D", out _);

    /// <summary>
    /// Somebody put something there to hold the agent back. If it cannot be read, it says the strongest thing it could.
    /// </summary>
    private KillSwitch Mode()
    {
        try
        {
            if (SmallFile.ReadIfThere(paths.Mode) is { } word) return KernelTexts.Mode(word);
            var isLinkToNothing = new FileInfo(paths.Mode).LinkTarget is not null;
            return isLinkToNothing ? KillSwitch.Off : KillSwitch.None;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return KillSwitch.Off;
        }
    }

    private static long Number(string path)
    {
        var text = SmallFile.Read(path);
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
    }

    private static KillSwitch Stronger(KillSwitch a, KillSwitch b) => a > b ? a : b;

    private static IEnumerable<string> Interesting(AgentState state)
    {
        if (state.Phase.Target is { } target) yield return target.Name;
        if (state.Kernel.Running is { } running) yield return running.Patch.Name;
        foreach (var name in state.Kernel.Leftovers) yield return name;
    }

    /// <summary>For preflight, which asks of a host that was just looked at; what cannot be read is left out.</summary>
    public List<LoadedPatch> Patches()
    {
        try
        {
            return PatchesInSysfs();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private List<LoadedPatch> PatchesInSysfs()
    {
        var patches = new List<LoadedPatch>();
        if (!Directory.Exists(paths.Livepatch)) return patches;
        foreach (var folder in Directory.EnumerateDirectories(paths.Livepatch))
        {
            // A patch may vanish while it is looked at: without its attributes it is no longer one.
            if (SmallFile.ReadIfThere(Path.Combine(folder, "enabled")) is not { } enabled) continue;
            if (SmallFile.ReadIfThere(Path.Combine(folder, "transition")) is not { } transition) continue;
            var replace = SmallFile.Read(Path.Combine(folder, "replace"));
            patches.Add(new LoadedPatch(
                Path.GetFileName(folder),
                KernelTexts.Flag(enabled),
                KernelTexts.Flag(transition),
                replace is null ? null : KernelTexts.Flag(replace),
                Functions(folder)));
        }

        patches.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return patches;
    }

    private static List<PatchedFunction> Functions(string patch)
    {
        var functions = new List<PatchedFunction>();
        try
        {
            foreach (var objectFolder in Directory.EnumerateDirectories(patch))
            {
                foreach (var function in Directory.EnumerateDirectories(objectFolder))
                    functions.Add(KernelTexts.Function(Path.GetFileName(objectFolder), Path.GetFileName(function)));
            }
        }
        catch (IOException)
        {
            // gone meanwhile
        }

        functions.Sort((a, b) => string.CompareOrdinal(a.Object + a.Name, b.Object + b.Name));
        return functions;
    }

    private Dictionary<string, LoadedModule> Modules(IEnumerable<string> names)
    {
        var modules = new Dictionary<string, LoadedModule>();
        foreach (var name in names)
        {
            var folder = paths.Module(name);
            if (!Directory.Exists(folder)) continue;
            var note = SmallFile.ReadBytesIfThere(Path.Combine(folder, "notes/.note.gnu.build-id"));
            var references = SmallFile.ReadIfThere(Path.Combine(folder, "refcnt"));
            _ = int.TryParse(references, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var count);
            modules[name] = new LoadedModule(note is null ? null : KernelTexts.BuildId(note), count);
        }

        return modules;
    }
}
