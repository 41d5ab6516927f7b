using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>One boot of a kernel that can be live-patched: its modules, its transition, what brings it down.</summary>
internal sealed class Kernel(int boot, int release)
{
    private const int ENODEV = 19;
    private static readonly TimeSpan Never = TimeSpan.MaxValue;
    private static readonly string[] Ids = [.. Enumerable.Range(0, 4096).Select(i => $"boot-{i}")];
    private readonly List<Module> _modules = [];
    private IReadOnlyList<LoadedPatch>? _patches;
    private IReadOnlyDictionary<string, LoadedModule>? _files;

    /// <summary>A module of a livepatch that was loaded in this boot.</summary>
    internal sealed class Module(Patch patch)
    {
        public Patch Patch { get; } = patch;

        /// <summary>It has a folder in /sys/kernel/livepatch.</summary>
        public bool Listed { get; set; } = true;

        public bool Enabled { get; set; } = true;

        public bool Transition { get; set; } = true;

        /// <summary>Uptime at which the transition ends.</summary>
        public TimeSpan EndsAt { get; set; } = Never;

        /// <summary>Uptime at which the host goes down by it.</summary>
        public TimeSpan DiesAt { get; set; } = Never;

        /// <summary>Uptime at which its transition was complete.</summary>
        public TimeSpan? AppliedAt { get; set; }
    }

    public string BootId { get; } = Ids[boot % Ids.Length];

    public int Boot { get; } = boot;

    public int Release { get; } = release;

    public TimeSpan Uptime { get; private set; } = TimeSpan.FromSeconds(10);

    /// <summary>So many calls of finit_module are answered with EBUSY.</summary>
    public int Busy { get; set; }

    /// <summary>Every load is answered with this errno until the next boot; 0 for none.</summary>
    public int Errno { get; set; }

    /// <summary>Preflight refuses every patch until the next boot.</summary>
    public bool Unfit { get; set; }

    /// <summary>finit_module answers ENOMEM.</summary>
    public bool MemoryShort { get; set; }

    /// <summary>No transition ends by it any more: the faults are over.</summary>
    public bool IsCalm { get; set; }

    public IReadOnlyList<Module> Modules => _modules;

    public IReadOnlyList<LoadedPatch> Patches => _patches ??=
    [
        .. _modules.Where(m => m.Listed).Select(m => new LoadedPatch(
            m.Patch.Papers.Name, m.Enabled, m.Transition, Release == 0 ? true : null, [])),
    ];

    public IReadOnlyDictionary<string, LoadedModule> Files => _files ??= _modules.ToDictionary(
        m => m.Patch.Papers.Name,
        m => new LoadedModule(m.Patch.Papers.BuildId, m.Listed ? 1 : 0));

    public bool InTransition => _modules.Exists(m => m.Listed && m.Transition);

    public Module? Find(string name) => _modules.Find(m => m.Patch.Papers.Name == name);

    /// <summary>The patch that is enabled and complete, the newest of them.</summary>
    public Module? Applied => _modules.FindLast(m => m is { Listed: true, Enabled: true, Transition: false });

    /// <summary>finit_module. A patch that dies in it is the caller's to see.</summary>
    /// <returns>0 or an errno.</returns>
    public int Load(Patch patch)
    {
        if (Find(patch.Papers.Name) is not null) return LoadVerdict.EEXIST;
        if (Errno != 0) return Errno;
        if (MemoryShort) return LoadVerdict.ENOMEM;
        if (Busy > 0)
        {
            Busy--;
            return LoadVerdict.EBUSY;
        }

        if (Refusal(patch.Behaviour) is var errno and not 0) return errno;
        if (InTransition) return LoadVerdict.EBUSY;
        _modules.Add(new Module(patch) { EndsAt = EndOf(patch.Behaviour), DiesAt = DiesSwitching(patch) });
        Changed();
        return 0;
    }

    private TimeSpan DiesSwitching(Patch patch) =>
        patch.Behaviour == Behaviour.DiesSwitching ? Uptime + TimeSpan.FromMilliseconds(500) : Never;

    private TimeSpan EndOf(Behaviour behaviour) => behaviour switch
    {
        Behaviour.Stalls when !IsCalm => Never,
        Behaviour.Slow or Behaviour.Stalls => Uptime + TimeSpan.FromSeconds(30),
        _ => Uptime + TimeSpan.FromSeconds(1.5),
    };

    private static int Refusal(Behaviour behaviour) => behaviour switch
    {
        Behaviour.NoKey => LoadVerdict.EKEYREJECTED,
        Behaviour.BadFormat => LoadVerdict.ENOEXEC,
        Behaviour.NoSymbol => LoadVerdict.ENOENT,
        Behaviour.Invalid => LoadVerdict.EINVAL,
        Behaviour.KernelError => ENODEV,
        _ => 0,
    };

    /// <summary>Another tool loads its livepatch, which replaces ours.</summary>
    public void LoadForeign()
    {
        if (!InTransition && Find(Papers.Foreign.Name) is null) Load(new Patch(Papers.Foreign, Behaviour.Ok));
    }

    /// <summary>What somebody would switch off: the patch in transition, or the one that is applied.</summary>
    public Module? Current => _modules.Find(m => m is { Listed: true, Enabled: true, Transition: true }) ?? Applied;

    /// <summary>Writes 0 to <c>enabled</c>. False where the kernel would not.</summary>
    public bool SwitchOff(string name)
    {
        if (Find(name) is not { Listed: true, Enabled: true } module) return false;
        // Another transition has to end first; one of its own is turned round.
        if (InTransition && !module.Transition) return false;
        module.Enabled = false;
        module.Transition = true;
        module.EndsAt = Uptime + TimeSpan.FromSeconds(2);
        Changed();
        return true;
    }

    /// <summary>delete_module: 0, or why not.</summary>
    public int Remove(string name)
    {
        if (Find(name) is not { } module) return LoadVerdict.ENOENT;
        if (module.Listed) return LoadVerdict.EAGAIN;
        _modules.Remove(module);
        Changed();
        return 0;
    }

    /// <summary>Stalled transitions come to their end.</summary>
    public void Calm()
    {
        IsCalm = true;
        foreach (var module in _modules)
        {
            if (module.Transition && module.EndsAt == Never) module.EndsAt = Uptime + TimeSpan.FromSeconds(5);
            if (module.Patch.Behaviour == Behaviour.DiesLate) module.DiesAt = Never;
        }
    }

    /// <summary>Uptime of the next thing that happens here without anybody's doing.</summary>
    public TimeSpan Next
    {
        get
        {
            var next = Never;
            foreach (var module in _modules)
            {
                if (!module.Listed) continue;
                if (module.Transition && module.EndsAt < next) next = module.EndsAt;
                if (module.DiesAt < next) next = module.DiesAt;
            }

            return next;
        }
    }

    /// <summary>Time passes, no further than to <see cref="Next"/>.</summary>
    /// <returns>The patch that took the host down, or null.</returns>
    public Patch? PassTo(TimeSpan uptime)
    {
        if (uptime > Uptime) Uptime = uptime;
        foreach (var module in _modules)
        {
            if (!module.Listed) continue;
            if (module.DiesAt <= Uptime) return module.Patch;
            if (module.Transition && module.EndsAt <= Uptime) End(module);
        }

        return null;
    }

    private void End(Module module)
    {
        module.Transition = false;
        module.EndsAt = Never;
        module.Listed = module.Enabled;
        Changed();
        if (!module.Enabled) return;
        module.AppliedAt = Uptime;
        foreach (var other in _modules)
        {
            if (other != module) other.Listed = false; // every patch replaces all others
        }

        module.DiesAt = module.Patch.Behaviour switch
        {
            Behaviour.DiesSoon => Uptime + TimeSpan.FromMinutes(3),
            Behaviour.DiesLate when !IsCalm => Uptime + TimeSpan.FromMinutes(20),
            _ => Never,
        };
    }

    private void Changed() => (_patches, _files) = (null, null);
}
