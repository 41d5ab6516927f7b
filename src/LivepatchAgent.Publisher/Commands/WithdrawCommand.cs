using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;
using LivepatchAgent.Publisher.PatchServer;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>Takes a published patch back: hosts that have not loaded it will not.</summary>
internal sealed class WithdrawCommand
{
    private readonly Surroundings _surroundings;
    private readonly ServerOptions _server = new();
    private readonly SigningKey _key;
    private readonly Argument<string> _what = new("FILE.manifest|DIGEST")
    {
        Description = "The manifest, or its SHA-256",
    };
    private readonly Option<string> _reason = Reason();

    private WithdrawCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _key = new SigningKey(surroundings);
    }

    public static Command Make(Surroundings surroundings)
    {
        var verb = new WithdrawCommand(surroundings);
        var command = new Command(
            "withdraw", "Sign and upload the withdrawal of a published patch") { verb._what, verb._reason };
        verb._key.AddTo(command);
        verb._server.AddTo(command);
        command.SetAction(async (parsed, ct) => surroundings.Report(await verb.RunAsync(parsed, ct)));
        return command;
    }

    public static Option<string> Reason()
    {
        var reason = new Option<string>("--reason")
        {
            Description = "Why, in one line, for those who run the hosts",
            HelpName = "TEXT",
            Required = true,
        };
        reason.OneLine(ManifestRules.MaxText);
        return reason;
    }

    /// <summary>Of a manifest that is named by its file or by its digest.</summary>
    public static Result<string> Digest(string what)
    {
        if (Hex.IsSha256(what)) return what;
        return ManifestFile.Read(what).TryGet(out var manifest, out var problem) ? manifest.Digest : problem;
    }

    private async Task<Problem?> RunAsync(ParseResult parsed, CancellationToken ct)
    {
        if (!Digest(parsed.GetRequiredValue(_what)).TryGet(out var digest, out var problem)
            || !_server.Read(parsed).TryGet(out var address, out problem))
            return problem;
        if (!_key.Load(parsed).TryGet(out var certificate, out problem)) return problem;
        byte[] envelope;
        using (certificate)
        {
            var withdrawal = new PatchWithdrawal
            {
                Schema = PatchWithdrawal.SchemaName,
                ManifestDigest = digest,
                Reason = parsed.GetRequiredValue(_reason),
            };
            envelope = CmsEnvelope.Sign(
                JsonSerializer.SerializeToUtf8Bytes(withdrawal, WireJson.Default.PatchWithdrawal), certificate);
        }

        using var client = new PatchServerClient(address, PublishCommand.Silence);
        var name = Convert.ToHexStringLower(SHA256.HashData(envelope));
        var answer = await client.PutAsync("withdrawals", name, envelope, PatchServerClient.EnvelopeType, _ => { }, ct);
        if (!answer.TryGet(out var taken, out problem)) return problem;
        var server = address.Uri.Authority;
        _surroundings.Out.WriteLine(taken == Taken.New
            ? $"withdrawn: {digest} on {server} (withdrawal {name})"
            : $"withdrawn before: {digest} on {server}; the first withdrawal stands, this one was not accepted");
        return null;
    }
}
