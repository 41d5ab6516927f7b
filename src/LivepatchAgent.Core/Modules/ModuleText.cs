using System.Globalization;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a module's file says, for people, as lines.</summary>
public static class ModuleText
{
    private const string NotVisible = "not visible in the file";

    public static string Of(ModuleFacts facts)
    {
        var text = new StringBuilder();
        void Line(string name, string value) => text.Append(CultureInfo.InvariantCulture, $"{name + ":",-14} {PrintableText.Of(value)}\n");
        Line("name", facts.Name);
        Line("kernel", $"{facts.KernelRelease} {facts.Architecture}");
        Line("vermagic", facts.Vermagic.TrimEnd());
        Line("livepatch", facts.IsLivepatch ? "yes" : "no");
        if (facts.IsLivepatch)
        {
            Line("replace", facts.Replace switch { true => "yes, takes the place of all older patches", false => "no", null => NotVisible });
            if (facts.Functions.Count == 0) Line("functions", NotVisible);
            foreach (var function in facts.Functions) Line("function", $"{function.Object}:{function.Name}{(function.Position > 0 ? $",{function.Position}" : "")}");
        }

        foreach (var entry in facts.Modinfo)
        {
            if (entry.Key is not ("name" or "vermagic" or "livepatch")) Line("modinfo", $"{entry.Key}={entry.Value}");
        }

        Line("signature", facts.Signature is { } signature ? $"PKCS#7 of {signature.Pkcs7Length} bytes over {signature.ContentLength} bytes" : "none");
        return text.ToString();
    }
}
