using System.Text;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>`quarantine list` for people.</summary>
internal static class QuarantineView
{
    private const int ShortDigest = 12;

    public static string Render(IReadOnlyList<QuarantinedPatch> quarantine, Style style)
    {
        if (quarantine.Count == 0) return "no patch is quarantined on this host\n";
        var text = new StringBuilder();
        foreach (var patch in quarantine)
        {
            var digest = patch.ManifestDigest;
            var manifest = digest.Length > ShortDigest ? digest[..ShortDigest] : digest;
            var name = patch.Name is null ? "" : style.Clean(patch.Name) + " ";
            text.Append($"{name}{style.Clean(patch.Version)} (manifest {style.Clean(manifest)})\n");
            text.Append($"  since {Words.Instant(patch.At)}: {style.Clean(patch.Reason)}\n");
        }

        text.Append("to let one be loaded again: `sudo livepatch-agent quarantine release NAME`\n");
        return text.ToString();
    }
}
