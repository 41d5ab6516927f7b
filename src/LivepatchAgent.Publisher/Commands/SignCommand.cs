using System.CommandLine;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>Appends the signature that the kernel checks.</summary>
internal sealed class SignCommand
{
    private readonly Surroundings _surroundings;
    private readonly SigningKey _key;
    private readonly Argument<string> _file = new("FILE.ko") { Description = "The module" };
    private readonly Option<string?> _out = new("--out")
    {
        Description = "Where the signed module goes (default: it takes the place of FILE.ko)",
        HelpName = "FILE",
    };
    private readonly Option<bool> _replace = new("--replace-signature")
    {
        Description = "Take an older signature off first",
    };

    private SignCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _key = new SigningKey(surroundings);
    }

    public static Command Make(Surroundings surroundings)
    {
        var verb = new SignCommand(surroundings);
        var command = new Command(
            "sign",
            "Sign a module for the kernel, as its scripts/sign-file does") { verb._file, verb._out, verb._replace };
        verb._key.AddTo(command);
        command.SetAction(parsed => surroundings.Report(verb.Run(parsed)));
        return command;
    }

    private Problem? Run(ParseResult parsed)
    {
        var path = parsed.GetRequiredValue(_file);
        if (!LocalFile.ReadModule(path).TryGet(out var file, out var problem)) return problem;
        if (!ModuleReader.Read(file).TryGet(out var facts, out problem))
            return problem with { Message = $"cannot sign {path}: {problem.Message}" };
        var content = file.AsSpan();
        if (facts.Signatures.Count > 0)
        {
            if (!parsed.GetValue(_replace))
                return new Problem(
                    ProblemCode.RequestInvalid,
                    $"cannot sign {path}: it is signed already",
                    "--replace-signature takes the old signature off first");
            // A file signed twice has two signatures to take off.
            content = content[..(int)facts.Signatures[^1].ContentLength];
        }

        if (!facts.IsLivepatch)
            _surroundings.Warn($"{path} is not a livepatch (its modinfo has no livepatch=Y); a host will not load it");
        else
            _surroundings.WarnOfFaults(path, facts);
        if (!_key.Load(parsed).TryGet(out var certificate, out problem)) return problem;
        using (certificate)
        {
            var target = parsed.GetValue(_out) ?? path;
            var signed = ModuleSigner.Sign(content, certificate);
            if (LocalFile.Write(target, signed, FileRights.ReadableByAll, replace: true) is { } fault) return fault;
            var module = $"{facts.Name}, for {facts.KernelRelease} {facts.Architecture}";
            _surroundings.Out.WriteLine($"signed: {target} ({module}), by {certificate.Subject}");
        }

        return null;
    }
}
