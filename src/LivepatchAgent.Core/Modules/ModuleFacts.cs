using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a module's file says of itself. Nothing of it is believed before the signatures are.</summary>
public sealed record ModuleFacts
{
    /// <summary>modinfo <c>name</c>.</summary>
    public required string Name { get; init; }

    /// <summary>modinfo <c>vermagic</c>, e.g. <c>6.12.117+deb12-cloud-amd64 SMP preempt mod_unload modversions </c>.</summary>
    public required string Vermagic { get; init; }

    /// <summary>As <c>uname -m</c> names the machine the file is for.</summary>
    public required string Architecture { get; init; }

    /// <summary>modinfo <c>livepatch=Y</c>: the kernel loads it as a livepatch.</summary>
    public required bool IsLivepatch { get; init; }

    /// <summary>All of .modinfo, in its order; a key can stand more than once.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Modinfo { get; init; }

    /// <summary>Null where the file does not show it.</summary>
    public bool? Replace { get; init; }

    /// <summary>The functions it redirects, as far as the file shows them.</summary>
    public IReadOnlyList<PatchedFunction> Functions { get; init; } = [];

    /// <summary>Hex of its .note.gnu.build-id, or null.</summary>
    public string? BuildId { get; init; }

    /// <summary>Null when the file is unsigned.</summary>
    public ModuleSignature? Signature { get; init; }

    /// <summary>The kernel release in the vermagic: its first word.</summary>
    public string KernelRelease => Vermagic.Split(' ', 2)[0];
}
