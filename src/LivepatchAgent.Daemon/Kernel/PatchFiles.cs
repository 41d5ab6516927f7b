using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>A module that the agent keeps.</summary>
/// <param name="Name">The module's name.</param>
/// <param name="File">Its path; there may be no such file yet.</param>
internal sealed record StoredModule(string Name, string File);

/// <summary>
/// The system states of loaded livepatches out of the files they were loaded from, where the kernel's own list cannot
/// be read: a file of the agent's store or of those installed for this kernel, when its name and build id are the
/// loaded one's.
/// </summary>
internal sealed class PatchFiles(HostPaths paths, InstalledModules installed, IReadOnlyList<StoredModule> stored)
{
    public IReadOnlyDictionary<string, IReadOnlyList<SystemState>> States(IReadOnlyList<LoadedPatch> loaded)
    {
        var found = new Dictionary<string, IReadOnlyList<SystemState>>();
        foreach (var patch in loaded)
        {
            if (BuildId(patch.Name) is not { } buildId) continue;
            var states = Files(patch.Name).Select(file => StatesOf(file, patch.Name, buildId));
            if (states.FirstOrDefault(s => s is not null) is { } known) found[patch.Name] = known;
        }

        return found;
    }

    /// <summary>Of the module as the kernel has it.</summary>
    private string? BuildId(string name)
    {
        var note = SmallFile.ReadBytes(Path.Combine(paths.Module(name), "notes/.note.gnu.build-id"));
        return note is null ? null : KernelTexts.BuildId(note);
    }

    private IEnumerable<byte[]?> Files(string name) =>
        stored.Where(s => s.Name == name).Select(s => CompressedModule.Read(s.File)).Append(installed.File(name));

    private static IReadOnlyList<SystemState>? StatesOf(byte[]? file, string name, string buildId)
    {
        if (file is null || !ModuleReader.Read(file).TryGet(out var module, out _)) return null;
        return module.Name == name && module.BuildId == buildId ? module.States : null;
    }
}
