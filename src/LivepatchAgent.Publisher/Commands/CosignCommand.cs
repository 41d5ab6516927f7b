using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>
/// Adds a publisher's signature to a manifest or a pin set that others have signed, where hosts want more than one.
/// </summary>
internal sealed class CosignCommand
{
    private readonly Surroundings _surroundings;
    private readonly SigningKey _key;
    private readonly Argument<string> _file = new("FILE")
    {
        Description = "The manifest or pin set; read it with `show` or `pins show` before you sign",
    };

    private CosignCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _key = new SigningKey(surroundings);
    }

    public static Command Make(Surroundings surroundings)
    {
        var verb = new CosignCommand(surroundings);
        var command = new Command("cosign", "Add a signature to a manifest or a pin set") { verb._file };
        verb._key.AddTo(command);
        command.SetAction(parsed => surroundings.Report(verb.Run(parsed)));
        return command;
    }

    private Problem? Run(ParseResult parsed)
    {
        var path = parsed.GetRequiredValue(_file);
        if (!LocalFile.ReadEnvelope(path).TryGet(out var envelope, out var problem)) return problem;
        if (!_key.Load(parsed).TryGet(out var certificate, out problem)) return problem;
        using (certificate)
        {
            if (CmsEnvelope.Open(envelope, [certificate], path, ProblemCode.RequestInvalid).Problem is null)
                return new Problem(
                    ProblemCode.RequestInvalid,
                    $"cannot sign {path}: this key has signed it already",
                    "another publisher's signature is wanted");
            byte[] signed;
            int count;
            try
            {
                signed = CmsEnvelope.AddSignature(envelope, certificate);
                var cms = new SignedCms();
                cms.Decode(signed);
                count = cms.SignerInfos.Count;
            }
            catch (CryptographicException)
            {
                return new Problem(
                    ProblemCode.ManifestInvalid,
                    $"cannot sign {path}: it is not a CMS message",
                    "give what `manifest` or `pins create` wrote");
            }

            if (LocalFile.Write(path, signed, FileRights.ReadableByAll, replace: true) is { } fault) return fault;
            var digest = Convert.ToHexStringLower(SHA256.HashData(signed));
            _surroundings.Out.WriteLine(
                $"signed: {path} now has {count} signatures, the last by {certificate.Subject} (SHA-256 {digest})");
        }

        return null;
    }
}
