using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;

namespace LivepatchAgent.Server.Rollout;

/// <summary>What one machine should run.</summary>
internal sealed record Assigned(string Tag, string? ManifestDigest, long? PinsVersion = null);

/// <summary>Who gets what: pure, so that every rule of a rollout can be read and tested as a table.</summary>
internal static class RolloutDecision
{
    /// <summary>Every machine gets the newest patch for its kernel that was not withdrawn.</summary>
    public static Assigned Decide(MachineFacts machine, KernelPatches patches, long? pinsVersion = null)
    {
        var manifest = KernelKey.Of(machine) == patches.Kernel
            ? patches.Entries.LastOrDefault(e => e.Withdrawal is null)?.ManifestDigest
            : null;
        return new Assigned(Tag(patches, manifest, pinsVersion), manifest, pinsVersion);
    }

    /// <summary>
    /// Changes with the assignment and with the catalogue behind it, so a host that holds it knows whether to look
    /// again.
    /// </summary>
    private static string Tag(KernelPatches patches, string? manifest, long? pinsVersion)
    {
        var (kernel, pins) = (patches.Kernel, pinsVersion is null ? "" : $"\n{pinsVersion}");
        var text = string.Join('\n', kernel.Architecture, kernel.Release, patches.Sequence, manifest) + pins;
        return Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 12));
    }
}
