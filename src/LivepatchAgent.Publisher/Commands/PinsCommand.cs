using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;
using LivepatchAgent.Publisher.PatchServer;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>`pins create|show|publish`: whom hosts trust from now on. `cosign` adds further signatures.</summary>
internal sealed class PinsCommand
{
    private readonly Surroundings _surroundings;
    private readonly SigningKey _key;
    private readonly ServerOptions _server = new();
    private readonly Option<long> _version = new("--version")
    {
        Description = "One more than the set in force; the first is 1",
        HelpName = "N",
        Required = true,
    };
    private readonly Option<int> _threshold = new("--threshold")
    {
        Description = "How many of the publishers must sign a patch, and the next set",
        HelpName = "M",
        DefaultValueFactory = _ => 1,
    };
    private readonly Option<string[]> _publishers = Certificates(
        "--publisher", "A publisher's certificate; once for each");
    private readonly Option<string[]> _catalogues = Certificates(
        "--catalogue", "The server's catalogue certificate; twice while one key takes over from another");
    private readonly Option<string[]> _tls = new("--tls")
    {
        Description = "Pin of the server's TLS key, from `livepatch-server pin`; without it, hosts ask their CAs",
        HelpName = "SHA256",
    };
    private readonly Option<string> _out = new("--out")
    {
        Description = "Where the set goes",
        HelpName = "FILE",
        Required = true,
    };
    private readonly Argument<string> _file = new("FILE") { Description = "The pin set" };

    private PinsCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _key = new SigningKey(surroundings);
        _version.FromOne();
    }

    public static Command Make(Surroundings surroundings)
    {
        var verb = new PinsCommand(surroundings);
        var create = new Command("create", "Write and sign a set with a key of the set in force")
        {
            verb._version, verb._threshold, verb._publishers, verb._catalogues, verb._tls, verb._out,
        };
        verb._key.AddTo(create);
        create.SetAction(parsed => surroundings.Report(verb.Create(parsed)));
        var show = new Command("show", "Show what a set says, and how many have signed it") { verb._file };
        show.SetAction(parsed => surroundings.Report(verb.Show(parsed)));
        var publish = new Command("publish", "Upload a set that enough have signed; hosts follow at once")
        {
            verb._file,
        };
        verb._server.AddTo(publish);
        publish.SetAction(async (parsed, ct) => surroundings.Report(await verb.PublishAsync(parsed, ct)));
        return new Command("pins", "Change whom hosts trust: publishers, how many must sign, catalogue and TLS keys")
        {
            create, show, publish,
        };
    }

    private Problem? Create(ParseResult parsed)
    {
        if (!Load(parsed.GetRequiredValue(_publishers)).TryGet(out var publishers, out var problem)
            || !Load(parsed.GetRequiredValue(_catalogues)).TryGet(out var catalogues, out problem))
            return problem;
        var pins = new PinSet
        {
            Schema = PinSet.SchemaName,
            Version = parsed.GetValue(_version),
            Threshold = parsed.GetValue(_threshold),
            Publishers = publishers,
            Catalogue = catalogues,
            Tls = [.. (parsed.GetValue(_tls) ?? []).Select(p => p.ToLowerInvariant())],
        };
        var content = JsonSerializer.SerializeToUtf8Bytes(pins, WireJson.Readable.PinSet);
        if (PinSetVerifier.Read(content).Problem is { } fault)
            return fault with
            {
                Message = fault.Message.Replace("accept", "make", StringComparison.Ordinal),
                Cure = "change the option that says so",
            };
        if (!_key.Load(parsed).TryGet(out var certificate, out problem)) return problem;
        using (certificate)
        {
            var path = parsed.GetRequiredValue(_out);
            var envelope = CmsEnvelope.Sign(content, certificate);
            var notWritten = LocalFile.Write(path, envelope, FileRights.ReadableByAll, replace: false);
            if (notWritten is not null) return notWritten;
            Print(pins, signatures: 1);
            _surroundings.Out.WriteLine($"{"written to:",-14} {path}");
        }

        return null;
    }

    private Problem? Show(ParseResult parsed)
    {
        if (!Read(parsed.GetRequiredValue(_file)).TryGet(out var file, out var problem)) return problem;
        Print(file.Pins, file.Signatures);
        return null;
    }

    private async Task<Problem?> PublishAsync(ParseResult parsed, CancellationToken ct)
    {
        if (!Read(parsed.GetRequiredValue(_file)).TryGet(out var file, out var problem)
            || !_server.Read(parsed).TryGet(out var address, out problem))
            return problem;
        using var client = new PatchServerClient(address, PublishCommand.Silence);
        var version = file.Pins.Version.ToString(CultureInfo.InvariantCulture);
        const string type = PatchServerClient.EnvelopeType;
        var answer = await client.PutAsync("pins", version, file.Envelope, type, _ => { }, ct);
        if (!answer.TryGet(out var taken, out problem)) return problem;
        _surroundings.Out.WriteLine(
            $"published: pin set {version} {(taken == Taken.New ? "is" : "was already")} on {address.Uri.Authority}");
        return null;
    }

    private sealed record PinsFile(byte[] Envelope, PinSet Pins, int Signatures);

    private static Result<PinsFile> Read(string path)
    {
        if (!LocalFile.ReadEnvelope(path).TryGet(out var envelope, out var problem)) return problem;
        try
        {
            var cms = new SignedCms();
            cms.Decode(envelope);
            return PinSetVerifier.Read(cms.ContentInfo.Content).TryGet(out var pins, out problem)
                ? new PinsFile(envelope, pins, cms.SignerInfos.Count)
                : problem;
        }
        catch (Exception e) when (e is CryptographicException or System.Formats.Asn1.AsnContentException)
        {
            return new Problem(
                ProblemCode.PinsInvalid,
                $"cannot use {path} as a pin set: it is not a CMS message",
                "make one with `livepatch-publisher pins create`");
        }
    }

    private void Print(PinSet pins, int signatures)
    {
        void Line(string name, string value) => _surroundings.Out.WriteLine($"{name,-14} {value}");
        Line("pin set:", pins.Version.ToString(CultureInfo.InvariantCulture));
        Line("threshold:", $"{pins.Threshold} of {pins.Publishers.Count} publishers");
        foreach (var certificate in PinSetVerifier.Certificates(pins.Publishers))
            Line("publisher:", Named(certificate));
        foreach (var certificate in PinSetVerifier.Certificates(pins.Catalogue)) Line("catalogue:", Named(certificate));
        foreach (var pin in pins.Tls) Line("TLS key:", pin);
        if (pins.Tls.Count == 0) Line("TLS key:", "not pinned, hosts ask their CAs");
        Line("signatures:", $"{signatures} (not checked)");
    }

    private static string Named(X509Certificate2 certificate) =>
        $"{Core.Trust.Certificates.Fingerprint(certificate)} ({Core.Modules.PrintableText.Of(certificate.Subject)})";

    private static Result<List<string>> Load(string[] paths)
    {
        var loaded = new List<string>();
        foreach (var path in paths)
        {
            if (!SigningKey.LoadCertificate(path).TryGet(out var certificate, out var problem)) return problem;
            using (certificate) loaded.Add(Convert.ToBase64String(certificate.RawData));
        }

        return loaded;
    }

    private static Option<string[]> Certificates(string name, string description) =>
        new(name) { Description = description, HelpName = "FILE", Required = true };
}
