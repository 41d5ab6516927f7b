using System.Text.Json;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Fuzz;

/// <summary>
/// Preflight of a description of a host that a stranger wrote, and of a module that a stranger built.
/// </summary>
internal static class HostTargets
{
    public static HostFacts AnyHost { get; } = new()
    {
        KernelRelease = "6.12.0",
        Architecture = "x86_64",
        KernelVersion = "#1 SMP",
        Livepatch = true,
        Config = new Dictionary<string, string> { ["LIVEPATCH"] = "y", ["MODVERSIONS"] = "y" },
        BlockedModules = ["evil"],
        Lockdown = "none",
        SignaturesEnforced = true,
        Keys = new KeyringFacts(
            [new KernelKey("Debian: 00ff", ".builtin_trusted_keys")],
            new Dictionary<string, string> { ["key id 00ff"] = ".builtin_trusted_keys" },
            true),
        FtraceEnabled = true,
        Patches = [new LoadedPatch("older", true, false, true, [new("vmlinux", "do_exit")])],
        PatchStates = new Dictionary<string, IReadOnlyList<SystemState>> { ["older"] = [new(7, 2)] },
        Modules = ["ext4"],
        LoadedModules = ["ext4"],
        InstalledModules = ["xfs"],
        Symbols = Names("vmlinux", "do_exit"),
        BuiltInModules = ["fuse"],
        InstalledSymbols = Names("xfs", "xfs_iget"),
        InstalledTraceable = Names("xfs", "xfs_iget"),
        Traceable = Names("vmlinux", "do_exit"),
        Hooks = [new FunctionHook("vmlinux", "do_exit", "RI", ["klp_ftrace_handler"])],
        Probes = [new KernelProbe("vmlinux", "do_exit", 0, false)],
        SymbolVersions = new Dictionary<string, uint> { ["kfree"] = 7 },
        MemoryAvailable = 1 << 30,
    };

    private static readonly ModuleFacts AnyModule = new()
    {
        Name = "test_patch",
        Vermagic = "6.12.0 SMP mod_unload ",
        Architecture = "x86_64",
        IsLivepatch = true,
        Modinfo = [KeyValuePair.Create("license", "GPL"), KeyValuePair.Create("depends", "ext4,xfs")],
        Replace = true,
        Tables = PatchTables.KlpPatch,
        Functions = [new("vmlinux", "do_exit", 1), new("ext4", "ext4_iget"), new("xfs", "xfs_iget")],
        States = [new(7, 1)],
        NeededSymbols = ["kfree", "klp_enable_patch"],
        SymbolVersions = [new("kfree", 7), new("module_layout", 8)],
        LivepatchSymbols = [new("vmlinux", "do_exit", 0, true), new("xfs", "xfs_iget", 2, true)],
        LivepatchRelocations = [new("vmlinux", ".text", 1, true, true)],
        Signature = new ModuleSignature(10, 10),
        Signatures = [new()
        {
            ContentLength = 10,
            Length = 10,
            Type = "PKCS#7",
            Signers = [new() { KeyId = "00ff", Digest = "sha512", Algorithm = "rsa" }],
        }],
    };

    public static void Host(ReadOnlySpan<byte> input)
    {
        if (!PreflightJson.ReadFacts(input, "host.json").TryGet(out var host, out _)) return;
        _ = JsonSerializer.SerializeToUtf8Bytes(host, PreflightJson.Default.HostFacts);
        _ = JsonSerializer.SerializeToUtf8Bytes(Preflight.Run(AnyModule, host), PreflightJson.Default.PreflightReport);
    }

    private static Dictionary<string, IReadOnlyDictionary<string, int>> Names(string holder, string name) =>
        new() { [holder] = new Dictionary<string, int> { [name] = 1 } };
}
