using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Publisher.Files;

namespace LivepatchAgent.Publisher.PatchServer;

/// <summary>Which server, and by what it is known: a pinned key, a CA of one's own, or the system's CAs.</summary>
internal sealed record ServerAddress(Uri Uri, string? KeyPin, X509Certificate2Collection? Authorities);

/// <summary>The options <c>--server</c>, <c>--server-pin</c> and <c>--ca</c>.</summary>
internal sealed class ServerOptions
{
    private readonly Option<string> _server = new("--server")
    {
        Description = "The server, https://HOST[:PORT]",
        HelpName = "URL",
        Required = true,
    };
    private readonly Option<string?> _pin = new("--server-pin")
    {
        Description = "SHA-256 of the server's public key, in hex, from `livepatch-server pin`",
        HelpName = "SHA256",
    };
    private readonly Option<string?> _ca = new("--ca")
    {
        Description = "PEM file of the certificate authorities to trust, in place of the system's",
        HelpName = "FILE",
    };

    public ServerOptions()
    {
        _server.Require(text => TryAddress(text, out _), "is an address like https://patches.example.org");
        _pin.Require(text => Hex.IsSha256(text.ToLowerInvariant()), "is 64 hex digits");
    }

    public void AddTo(Command command)
    {
        command.Add(_server);
        command.Add(_pin);
        command.Add(_ca);
        command.Validators.Add(result =>
        {
            if (IsGiven(_pin) && IsGiven(_ca)) result.AddError("--server-pin and --ca exclude each other");

            bool IsGiven(Option option) => result.GetResult(option) is { Implicit: false };
        });
    }

    public Result<ServerAddress> Read(ParseResult parsed)
    {
        _ = TryAddress(parsed.GetRequiredValue(_server), out var uri);
        var pin = parsed.GetValue(_pin)?.ToLowerInvariant();
        if (parsed.GetValue(_ca) is not { } path) return new ServerAddress(uri!, pin, null);
        if (!LocalFile.ReadSmall(path).TryGet(out var pem, out var problem)) return problem;
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPem(System.Text.Encoding.ASCII.GetString(pem));
        }
        catch (CryptographicException)
        {
            authorities.Clear();
        }

        return authorities.Count > 0
            ? new ServerAddress(uri!, null, authorities)
            : new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use {path}: it holds no certificate in PEM",
                "give the CA's certificate");
    }

    private static bool TryAddress(string text, out Uri? uri) =>
        Uri.TryCreate(text, UriKind.Absolute, out uri)
        && uri is { Scheme: "https", UserInfo.Length: 0, Query.Length: 0, Fragment.Length: 0 };
}
