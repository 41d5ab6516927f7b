using System.Globalization;
using System.Text;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>A manifest for people, as lines.</summary>
internal static class ManifestText
{
    public static string Of(PatchManifest manifest, string digest)
    {
        var text = new StringBuilder();
        void Line(string name, string value) => text.Append(CultureInfo.InvariantCulture, $"{name + ":",-14} {PrintableText.Of(value)}\n");
        Line("manifest", digest);
        Line("version", $"{manifest.Version} (sequence {manifest.Sequence}, notice {manifest.Notice})");
        Line("kernel", $"{manifest.KernelRelease} {manifest.Architecture}");
        Line("module", $"{manifest.Module.Name} ({manifest.Module.Size} bytes, SHA-256 {manifest.Module.Sha256})");
        Line("replace", manifest.Module.Replace switch { true => "yes, takes the place of all older patches", false => "no", null => "not visible in the file" });
        Line("functions", manifest.Module.Functions.Count == 0 ? "not visible in the file" : string.Join(", ", manifest.Module.Functions.Select(f => $"{f.Object}:{f.Name}{(f.Position > 0 ? $",{f.Position}" : "")}")));
        Line("fixes", manifest.Fixes.Count == 0 ? "none named" : string.Join(", ", manifest.Fixes));
        Line("covered until", manifest.CoveredUntil.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        Line("force allowed", manifest.ForceAllowed ? "yes" : "no");
        return text.ToString();
    }
}
