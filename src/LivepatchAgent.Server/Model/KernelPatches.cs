using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Server.Model;

/// <summary>The kernel that a patch is built for.</summary>
/// <param name="Release">As uname(2) says it.</param>
internal sealed record KernelKey(string Architecture, string Release)
{
    public static KernelKey Of(MachineFacts machine) => new(machine.Architecture, machine.KernelRelease);
}

/// <summary>What is published for one kernel.</summary>
/// <param name="Sequence">Of the catalogue; 0 when nothing was ever published.</param>
/// <param name="Entries">In rising order of the manifests' sequence, withdrawn ones among them.</param>
internal sealed record KernelPatches(KernelKey Kernel, long Sequence, IReadOnlyList<CatalogueEntry> Entries)
{
    public static KernelPatches None(KernelKey kernel) => new(kernel, 0, []);
}
