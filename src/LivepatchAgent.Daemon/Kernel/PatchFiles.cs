using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The system states of loaded livepatches out of the files they were loaded from, where the kernel's own list cannot be
/// read: a file of the agent's store or of those installed for this kernel, when its name and build id are the loaded one's.
/// </summary>
internal static class PatchFiles
{
    public static IReadOnlyDictionary<string, IReadOnlyList<SystemState>> States(HostPaths paths, InstalledModules installed, IReadOnlyList<LoadedPatch> loaded)
    {
        var state = new StateStore(paths.StateFolder).Peek();
        var store = new PatchStore(paths.StateFolder);
        PatchRef?[] held = [state.Kernel.Running?.Patch, state.Record.LastGood, state.Phase.Target];
        var found = new Dictionary<string, IReadOnlyList<SystemState>>();
        foreach (var patch in loaded)
        {
            if (SmallFile.ReadBytes(Path.Combine(paths.Module(patch.Name), "notes/.note.gnu.build-id")) is not { } note || KernelTexts.BuildId(note) is not { } buildId) continue;
            var files = held.Where(h => h?.Name == patch.Name).Select(h => CompressedModule.Read(store.Module(h!.ModuleSha256))).Append(installed.File(patch.Name));
            if (files.Select(file => Of(file, patch.Name, buildId)).FirstOrDefault(states => states is not null) is { } states) found[patch.Name] = states;
        }

        return found;
    }

    private static IReadOnlyList<SystemState>? Of(byte[]? file, string name, string buildId) =>
        file is not null && ModuleReader.Read(file).TryGet(out var module, out _) && module.Name == name && module.BuildId == buildId ? module.States : null;
}
