using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>Binds a signed module to its kernel and to what it fixes, and signs that.</summary>
internal sealed class ManifestCommand
{
    private const string SameKey =
        "a host would refuse it for the same reason: sign the module with this key (--replace-signature)";

    private readonly Surroundings _surroundings;
    private readonly SigningKey _key;
    private readonly ManifestOptions _options = new();
    private readonly Argument<string> _file = new("FILE.ko") { Description = "The signed module" };
    private readonly Option<string?> _out = new("--out")
    {
        Description = "Where the manifest goes (default: beside the module, FILE.manifest)",
        HelpName = "FILE",
    };

    private ManifestCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _key = new SigningKey(surroundings);
    }

    public static Command Make(Surroundings surroundings)
    {
        var verb = new ManifestCommand(surroundings);
        var command = new Command("manifest", "Write and sign the manifest of a signed module") { verb._file };
        verb._options.AddTo(command);
        command.Add(verb._out);
        verb._key.AddTo(command);
        command.SetAction(parsed => surroundings.Report(verb.Run(parsed)));
        return command;
    }

    /// <summary>Where publish and withdraw look for it.</summary>
    public static string PathBeside(string module) => Path.ChangeExtension(module, ".manifest");

    private Problem? Run(ParseResult parsed)
    {
        var path = parsed.GetRequiredValue(_file);
        if (!LocalFile.ReadModule(path).TryGet(out var file, out var problem)) return problem;
        if (!ModuleReader.Read(file).TryGet(out var facts, out problem))
            return problem with { Message = $"{path}: {problem.Message}" };
        if (!facts.IsLivepatch)
            return new Problem(
                ProblemCode.ModuleNotLivepatch,
                $"cannot make a manifest: {path} is not a livepatch (its modinfo has no livepatch=Y)",
                "add MODULE_INFO(livepatch, \"Y\") to its source");
        if (facts.Signature is null)
            return new Problem(
                ProblemCode.ModuleUnsigned,
                $"cannot make a manifest: {path} is not signed",
                $"livepatch-publisher sign {path}");
        _surroundings.WarnOfFaults(path, facts);
        var manifest = _options.Make(parsed, facts, file.Length, Convert.ToHexStringLower(SHA256.HashData(file)));
        if (ManifestRules.Fault(manifest) is { } fault)
            return new Problem(
                ProblemCode.ManifestInvalid,
                $"cannot make a manifest: {fault}",
                "change the option that says so");
        if (manifest.CoveredUntil < DateOnly.FromDateTime(_surroundings.Clock.GetUtcNow().UtcDateTime))
            _surroundings.Warn($"the coverage of this kernel ended on {manifest.CoveredUntil:yyyy-MM-dd}");
        if (!_key.Load(parsed).TryGet(out var certificate, out problem)) return problem;
        using (certificate)
        {
            var envelope = CmsEnvelope.Sign(
                JsonSerializer.SerializeToUtf8Bytes(manifest, WireJson.Readable.PatchManifest), certificate);
            if (!Rehearse(envelope, file, facts, certificate).TryGet(out var verified, out problem))
                return problem with { Cure = SameKey };
            var target = parsed.GetValue(_out) ?? PathBeside(path);
            if (LocalFile.Write(target, envelope, FileRights.ReadableByAll, replace: true) is { } notWritten)
                return notWritten;
            _surroundings.Out.Write(ManifestText.Of(verified.Content, verified.Digest));
            _surroundings.Out.WriteLine($"{"written to:",-14} {target}");
        }

        return null;
    }

    /// <summary>What a host will check, checked before the patch leaves the house.</summary>
    private static Result<VerifiedManifest> Rehearse(
        byte[] envelope, byte[] file, ModuleFacts facts, X509Certificate2 certificate)
    {
        if (!ManifestVerifier.Verify(envelope, null, [certificate]).TryGet(out var manifest, out var problem))
            return problem;
        if (!ModuleVerifier.Begin(manifest, [certificate], file.Length, file).TryGet(out var verifier, out problem))
            return problem;
        using (verifier)
        {
            verifier.Append(file);
            return verifier.Finish(facts, facts.KernelRelease, facts.Architecture).TryGet(out _, out problem)
                ? manifest
                : problem;
        }
    }
}
