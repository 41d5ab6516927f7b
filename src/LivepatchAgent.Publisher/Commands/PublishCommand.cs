using System.CommandLine;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.PatchServer;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>
/// Uploads a manifest and its module, in this order: the server takes only modules that a manifest names.
/// </summary>
internal sealed class PublishCommand
{
    internal static readonly TimeSpan Silence = TimeSpan.FromSeconds(60);

    private readonly Surroundings _surroundings;
    private readonly ServerOptions _server = new();
    private readonly Argument<string> _module = new("FILE.ko") { Description = "The signed module" };
    private readonly Argument<string?> _manifest = new("FILE.manifest")
    {
        Description = "Its manifest (default: the file of this name beside it)",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private PublishCommand(Surroundings surroundings) => _surroundings = surroundings;

    public static Command Make(Surroundings surroundings)
    {
        var verb = new PublishCommand(surroundings);
        var command = new Command(
            "publish", "Upload a signed manifest and its module to a server") { verb._module, verb._manifest };
        verb._server.AddTo(command);
        command.SetAction(async (parsed, ct) => surroundings.Report(await verb.RunAsync(parsed, ct)));
        return command;
    }

    private async Task<Problem?> RunAsync(ParseResult parsed, CancellationToken ct)
    {
        var modulePath = parsed.GetRequiredValue(_module);
        var manifestPath = parsed.GetValue(_manifest) ?? ManifestCommand.PathBeside(modulePath);
        if (!LocalFile.ReadModule(modulePath).TryGet(out var module, out var problem)) return problem;
        if (!ManifestFile.Read(manifestPath).TryGet(out var manifest, out problem)) return problem;
        var (sha256, named) = (Convert.ToHexStringLower(SHA256.HashData(module)), manifest.Content.Module.Sha256);
        if (sha256 != named)
            return new Problem(
                ProblemCode.ManifestMismatch,
                $"cannot publish: {manifestPath} is not the manifest of {modulePath} (it names {named[..12]}…)",
                "make the manifest again after the last change of the module");
        if (!_server.Read(parsed).TryGet(out var address, out problem)) return problem;

        using var client = new PatchServerClient(address, Silence);
        return await UploadAsync(
            client, "manifests", manifest.Digest, manifest.Envelope, PatchServerClient.EnvelopeType, "manifest", ct)
            ?? await UploadAsync(client, "modules", sha256, module, PatchServerClient.ModuleType, "module", ct)
            ?? Done(manifest, address);
    }

    private async Task<Problem?> UploadAsync(
        PatchServerClient client,
        string kind,
        string digest,
        byte[] body,
        string mediaType,
        string what,
        CancellationToken ct)
    {
        var progress = new UploadProgress(_surroundings, what, body.Length);
        var answer = await client.PutAsync(kind, digest, body, mediaType, progress.Sent, ct);
        progress.End();
        if (!answer.TryGet(out var taken, out var problem)) return problem;
        _surroundings.Out.WriteLine($"{what}: {digest} {(taken == Taken.New ? "uploaded" : "was there already")}");
        return null;
    }

    private Problem? Done(ManifestFile manifest, ServerAddress server)
    {
        var content = manifest.Content;
        var patch = $"{content.Module.Name} {content.Version} (sequence {content.Sequence})";
        var kernel = $"{content.KernelRelease} {content.Architecture}";
        _surroundings.Out.WriteLine($"published: {patch} for {kernel} is on {server.Uri.Authority}");
        return null;
    }
}
