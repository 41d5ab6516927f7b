using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;
using LivepatchAgent.Publisher.PatchServer;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>
/// `withdrawal create|publish`: what `withdraw` does at once, in two steps, with the signatures of others in between.
/// </summary>
internal sealed class WithdrawalCommand
{
    private readonly Surroundings _surroundings;
    private readonly SigningKey _key;
    private readonly ServerOptions _server = new();
    private readonly Argument<string> _what = new("FILE.manifest|DIGEST")
    {
        Description = "The manifest, or its SHA-256",
    };
    private readonly Argument<string> _file = new("FILE") { Description = "The withdrawal" };
    private readonly Option<string> _reason = WithdrawCommand.Reason();
    private readonly Option<string> _out = new("--out")
    {
        Description = "Where the withdrawal goes",
        HelpName = "FILE",
        Required = true,
    };

    private WithdrawalCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _key = new SigningKey(surroundings);
    }

    public static Command Make(Surroundings surroundings)
    {
        var verb = new WithdrawalCommand(surroundings);
        var create = new Command(
            "create", "Write and sign a withdrawal, for others to `cosign`") { verb._what, verb._reason, verb._out };
        verb._key.AddTo(create);
        create.SetAction(parsed => surroundings.Report(verb.Create(parsed)));
        var publish = new Command("publish", "Upload a withdrawal that enough have signed") { verb._file };
        verb._server.AddTo(publish);
        publish.SetAction(async (parsed, ct) => surroundings.Report(await verb.PublishAsync(parsed, ct)));
        return new Command(
            "withdrawal", "Withdraw a patch where hosts want more than one signature") { create, publish };
    }

    private Problem? Create(ParseResult parsed)
    {
        if (!WithdrawCommand.Digest(parsed.GetRequiredValue(_what)).TryGet(out var digest, out var problem)
            || !_key.Load(parsed).TryGet(out var certificate, out problem))
            return problem;
        using (certificate)
        {
            var withdrawal = new PatchWithdrawal
            {
                Schema = PatchWithdrawal.SchemaName,
                ManifestDigest = digest,
                Reason = parsed.GetRequiredValue(_reason),
            };
            var path = parsed.GetRequiredValue(_out);
            var content = JsonSerializer.SerializeToUtf8Bytes(withdrawal, WireJson.Default.PatchWithdrawal);
            var envelope = CmsEnvelope.Sign(content, certificate);
            if (LocalFile.Write(path, envelope, FileRights.ReadableByAll, replace: false) is { } fault) return fault;
            _surroundings.Out.WriteLine($"withdrawal of {digest} written to: {path}");
        }

        return null;
    }

    private async Task<Problem?> PublishAsync(ParseResult parsed, CancellationToken ct)
    {
        if (!LocalFile.ReadEnvelope(parsed.GetRequiredValue(_file)).TryGet(out var envelope, out var problem)
            || !_server.Read(parsed).TryGet(out var address, out problem))
            return problem;
        using var client = new PatchServerClient(address, PublishCommand.Silence);
        var name = Convert.ToHexStringLower(SHA256.HashData(envelope));
        var answer = await client.PutAsync("withdrawals", name, envelope, PatchServerClient.EnvelopeType, _ => { }, ct);
        if (!answer.TryGet(out var taken, out problem)) return problem;
        var server = address.Uri.Authority;
        _surroundings.Out.WriteLine(taken == Taken.New
            ? $"published: withdrawal {name} is on {server}"
            : $"withdrawn before: {server} keeps its withdrawal of this patch; withdrawal {name} changed nothing");
        return null;
    }
}
