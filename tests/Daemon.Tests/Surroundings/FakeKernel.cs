using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Daemon.Kernel;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>
/// The kernel's side of a fake root: answers finit_module and delete_module and shows in sysfs what came of it.
/// </summary>
internal sealed class FakeKernel(string root) : ModuleLoader
{
    private readonly string _livepatch = Path.Combine(root, "sys/kernel/livepatch");
    private readonly string _modules = Path.Combine(root, "sys/module");

    /// <summary>What finit_module answers; 0 takes the module.</summary>
    public Func<int, int> LoadAnswer { get; set; } = _ => 0;

    public int RemoveAnswer { get; set; }

    /// <summary>False leaves a transition running until <see cref="Complete"/>.</summary>
    public bool CompletesAtOnce { get; set; } = true;

    /// <summary>Dies here, with the kernel's work done and its answer not heard.</summary>
    public Action AfterLoading { get; set; } = () => { };

    /// <summary>/dev/kmsg said something.</summary>
    public Action Said { get; set; } = () => { };

    public List<string> Loaded { get; } = [];

    public List<string> Removed { get; } = [];

    public string[] Patches => Folders(_livepatch);

    public string[] Modules => Folders(_modules);

    public override int Load(VerifiedModuleFile module)
    {
        var facts = module.Module.Facts;
        Loaded.Add(facts.Name);
        var errno = LoadAnswer(Loaded.Count);
        if (errno != 0) return errno;
        if (Directory.Exists(Path.Combine(_modules, facts.Name))) return LoadVerdict.EEXIST;
        Take(facts.Name, facts.BuildId);
        AfterLoading();
        if (CompletesAtOnce) Complete(facts.Name);
        return 0;
    }

    public override int Remove(string name)
    {
        Removed.Add(name);
        if (RemoveAnswer != 0) return RemoveAnswer;
        if (!Directory.Exists(Path.Combine(_modules, name))) return LoadVerdict.ENOENT;
        Directory.Delete(Path.Combine(_modules, name), recursive: true);
        return 0;
    }

    /// <summary>A livepatch is there: enabled, in transition.</summary>
    public void Take(string name, string? buildId)
    {
        var module = Directory.CreateDirectory(Path.Combine(_modules, name, "notes")).Parent!.FullName;
        if (buildId is not null)
        {
            byte[] note = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, .. "GNU\0"u8, .. Convert.FromHexString(buildId)];
            File.WriteAllBytes(Path.Combine(module, "notes/.note.gnu.build-id"), note);
        }

        File.WriteAllText(Path.Combine(module, "refcnt"), "1\n");
        var patch = Path.Combine(_livepatch, name);
        Directory.CreateDirectory(Path.Combine(patch, "vmlinux", "cmdline_proc_show,1"));
        Write(patch, "replace", "1");
        Write(patch, "transition", "1");
        Write(patch, "enabled", "1");
    }

    /// <summary>Every task has switched over; older patches are replaced.</summary>
    public void Complete(string name)
    {
        Write(Path.Combine(_livepatch, name), "transition", "0");
        foreach (var other in Patches.Where(p => p != name)) LetGo(other);
        Said();
    }

    /// <summary>The patch is out of force; its module stays, unused.</summary>
    public void LetGo(string name)
    {
        Directory.Delete(Path.Combine(_livepatch, name), recursive: true);
        Write(Path.Combine(_modules, name), "refcnt", "0");
        Said();
    }

    public string Enabled(string name) => File.ReadAllText(Path.Combine(_livepatch, name, "enabled")).Trim();

    public void Reboot()
    {
        foreach (var name in Patches) Directory.Delete(Path.Combine(_livepatch, name), recursive: true);
        foreach (var name in Modules) Directory.Delete(Path.Combine(_modules, name), recursive: true);
    }

    private static string[] Folders(string parent) =>
        [.. Directory.EnumerateDirectories(parent).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    private static void Write(string folder, string file, string value)
    {
        // A reader sees the old or the new, as in sysfs.
        var beside = Path.Combine(Path.GetDirectoryName(folder)!, "..", $".{file}");
        File.WriteAllText(beside, value + "\n");
        File.Move(beside, Path.Combine(folder, file), overwrite: true);
    }
}
