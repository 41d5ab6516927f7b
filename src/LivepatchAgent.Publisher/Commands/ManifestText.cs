using System.Globalization;
using System.Text;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>A manifest for people, as lines.</summary>
internal static class ManifestText
{
    private const string Invisible = "not visible in the file";

    public static string Of(PatchManifest manifest, string digest)
    {
        var text = new StringBuilder();
        var module = manifest.Module;
        Line("manifest", digest);
        Line("version", $"{manifest.Version} (sequence {manifest.Sequence}, notice {manifest.Notice})");
        Line("kernel", $"{manifest.KernelRelease} {manifest.Architecture}");
        Line("module", $"{module.Name} ({module.Size} bytes, SHA-256 {module.Sha256})");
        Line("replace", Replace(module.Replace));
        Line("functions", Functions(module.Functions));
        Line("fixes", manifest.Fixes.Count == 0 ? "none named" : string.Join(", ", manifest.Fixes));
        Line("covered until", manifest.CoveredUntil.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        Line("force allowed", manifest.ForceAllowed ? "yes" : "no");
        return text.ToString();

        void Line(string name, string value) =>
            text.Append(CultureInfo.InvariantCulture, $"{name + ":",-14} {PrintableText.Of(value)}\n");
    }

    private static string Replace(bool? replace) => replace switch
    {
        true => "yes, takes the place of all older patches",
        false => "no",
        null => Invisible,
    };

    private static string Functions(IReadOnlyList<PatchedFunction> functions) =>
        functions.Count == 0 ? Invisible : string.Join(", ", functions.Select(Function));

    private static string Function(PatchedFunction function)
    {
        var position = function.Position > 0 ? $",{function.Position}" : "";
        return $"{function.Object}:{function.Name}{position}";
    }
}
