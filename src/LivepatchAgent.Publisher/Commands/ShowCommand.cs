using System.CommandLine;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>Prints a manifest; with a certificate, only one that it signed.</summary>
internal static class ShowCommand
{
    public static Command Make(Surroundings surroundings)
    {
        var file = new Argument<string>("FILE.manifest") { Description = "The manifest" };
        var cert = new Option<string?>("--cert")
        {
            Description = "Check the signature against this certificate",
            HelpName = "FILE",
        };
        var command = new Command("show", "Show what a manifest says") { file, cert };
        command.SetAction(
            parsed => surroundings.Report(Run(surroundings, parsed.GetRequiredValue(file), parsed.GetValue(cert))));
        return command;
    }

    private static Problem? Run(Surroundings surroundings, string path, string? certPath)
    {
        if (!ManifestFile.Read(path).TryGet(out var manifest, out var problem)) return problem;
        var signature = "not checked (give --cert)";
        if (certPath is not null)
        {
            if (!SigningKey.LoadCertificate(certPath).TryGet(out var certificate, out problem)) return problem;
            using (certificate)
            {
                if (!ManifestVerifier.Verify(manifest.Envelope, null, [certificate]).TryGet(out _, out problem))
                    return problem with { Cure = "it is not what the owner of this certificate signed" };
                signature = $"good, by {certificate.Subject}";
            }
        }

        surroundings.Out.Write(ManifestText.Of(manifest.Content, manifest.Digest));
        surroundings.Out.WriteLine($"{"signature:",-14} {Core.Modules.PrintableText.Of(signature)}");
        return null;
    }
}
