using System.Globalization;
using System.Runtime.InteropServices;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>One look at the kernel and the host. Decides nothing.</summary>
internal sealed class HostObserver(HostPaths paths, TimeProvider time)
{
    private readonly BlockingTasks _tasks = new(paths);

    // These do not change while the kernel runs; /proc/cmdline least of all, though a livepatch may change what it shows.
    private readonly string _bootId = SmallFile.Read(paths.BootId) ?? "unknown";
    private readonly string _release = SmallFile.Read(paths.OsRelease) ?? "unknown";
    private readonly string? _cleanEnd = CleanEnd(SmallFile.Read(paths.CleanEnd));
    private readonly KillSwitch _commandLine = KernelTexts.CommandLineSwitch(SmallFile.Read(paths.CommandLine) ?? "");

    public static string Architecture => RuntimeInformation.ProcessArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
        System.Runtime.InteropServices.Architecture.S390x => "s390x",
        var other => other.ToString().ToLowerInvariant(),
    };

    public HostSnapshot Observe(AgentState state, ListenState listen)
    {
        var (now, uptime) = (time.GetUtcNow(), time.GetElapsedTime(0)); // the origin of the monotonic clock is the boot
        var patches = Patches();
        var moving = patches.FirstOrDefault(p => p.Transition);
        // The tasks are many to look through; a transition that goes as it should is over before they matter.
        var slow = moving is not null && state.Phase is Phase.Transitioning t && t.Age(uptime, now) > TimeSpan.FromSeconds(1);
        var (blocking, count) = slow ? _tasks.Find(moving!.Enabled ? 1 : 0) : ([], 0);
        return new HostSnapshot
        {
            At = now,
            Uptime = uptime,
            BootId = _bootId,
            CleanEnd = _cleanEnd,
            KernelRelease = _release,
            Architecture = Architecture,
            LivepatchSupported = Directory.Exists(paths.Livepatch),
            Lockdown = KernelTexts.Lockdown(SmallFile.Read(paths.Lockdown) ?? ""),
            Taint = long.TryParse(SmallFile.Read(paths.Tainted), NumberStyles.None, CultureInfo.InvariantCulture, out var taint) ? taint : 0,
            KillSwitch = Stronger(_commandLine, KernelTexts.Mode(SmallFile.Read(paths.Mode) ?? "")),
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
        KernelRelease = _release,
        Architecture = Architecture,
        OperatingSystem = KernelTexts.PrettyName(SmallFile.Read(paths.OsReleaseFile) ?? "") ?? "unknown",
        AgentVersion = agentVersion,
        BootId = _bootId,
    };

    /// <summary>36 dashes stand for no boot. Whatever else is not a boot id is equal to none.</summary>
    private static string? CleanEnd(string? mark) => mark is { Length: > 0 and <= 64 } && mark.Any(char.IsAsciiLetterOrDigit) ? mark : null;

    private static KillSwitch Stronger(KillSwitch a, KillSwitch b) => a > b ? a : b;

    private static IEnumerable<string> Interesting(AgentState state)
    {
        if (state.Phase.Target is { } target) yield return target.Name;
        if (state.Running is { } running) yield return running.Patch.Name;
        foreach (var name in state.Leftovers) yield return name;
    }

    public List<LoadedPatch> Patches()
    {
        var patches = new List<LoadedPatch>();
        if (!Directory.Exists(paths.Livepatch)) return patches;
        foreach (var folder in Directory.EnumerateDirectories(paths.Livepatch))
        {
            // A patch may vanish while it is looked at: without its attributes it is no longer one.
            if (SmallFile.Read(Path.Combine(folder, "enabled")) is not { } enabled || SmallFile.Read(Path.Combine(folder, "transition")) is not { } transition) continue;
            var replace = SmallFile.Read(Path.Combine(folder, "replace"));
            patches.Add(new LoadedPatch(Path.GetFileName(folder), KernelTexts.Flag(enabled), KernelTexts.Flag(transition), replace is null ? null : KernelTexts.Flag(replace), Functions(folder)));
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
            var note = SmallFile.ReadBytes(Path.Combine(folder, "notes/.note.gnu.build-id"));
            _ = int.TryParse(SmallFile.Read(Path.Combine(folder, "refcnt")), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var references);
            modules[name] = new LoadedModule(note is null ? null : KernelTexts.BuildId(note), references);
        }

        return modules;
    }
}
