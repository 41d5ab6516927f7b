using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Cli.Commands;

/// <summary>Would this kernel take this module? Asked of the daemon, or answered here from a host's facts.</summary>
internal static class CheckCommand
{
    private const int MaxFacts = 64 << 20;
    private const int RoomForPipe = 8 << 20;

    public static System.CommandLine.Command Make(SharedOptions options)
    {
        var patch = new Argument<string?>("patch")
        {
            HelpName = "FILE|VERSION",
            Description = "A module's file, or the version of a patch on this host; without, the assigned patch",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var host = new Option<string?>("--host")
        {
            HelpName = "file",
            Description = "Answer for the host that this file describes (`livepatch-agent facts`), without a daemon",
        };
        const string description = "Ask whether the kernel would take a patch, and if not, why and what to do";
        var command = new System.CommandLine.Command("check", description) { patch, host, options.Format };
        command.SetAction(parsed => Run(options, parsed, parsed.GetValue(patch), parsed.GetValue(host)));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed, string? patch, string? host)
    {
        byte[]? module = null;
        if (patch is not null && (host is not null || IsFile(patch)))
            if (!ModuleFile.Read(patch).TryGet(out module, out var problem))
                return Failure.Show(options.Surroundings, problem);
        if (host is not null) return Here(options, parsed, patch, module, host);
        var client = options.Client(parsed);
        var answer = module is not null ? client.Check(module) : client.Check(patch);
        if (answer is ApiAnswer.Reply { Success: true } reply) return Show(options, parsed, reply.Body);
        return Failure.Show(options.Surroundings, answer, client.SocketPath);
    }

    private static int Here(SharedOptions options, ParseResult parsed, string? patch, byte[]? module, string host)
    {
        var surroundings = options.Surroundings;
        if (module is null)
        {
            surroundings.Error.WriteLine("cannot check: --host answers for a module's file; name one");
            return ExitCode.Usage;
        }

        if (!Facts(host).TryGet(out var facts, out var problem)) return Failure.Show(surroundings, problem);
        var report = ModuleReader.Read(module).TryGet(out var read, out var unreadable)
            ? Preflight.Run(read with { FileDigest = Convert.ToHexStringLower(SHA256.HashData(module)) }, facts)
            : Preflight.Unreadable(Path.GetFileName(patch)!, unreadable);
        var json = JsonSerializer.SerializeToUtf8Bytes(report, PreflightJson.Readable.PreflightReport);
        return Show(options, parsed, json);
    }

    private static Result<HostFacts> Facts(string path)
    {
        if (BoundedFile.TryRead(path, Room(path)) is { } bytes) return PreflightJson.ReadFacts(bytes, path);
        var why = $"it cannot be read, or has more than {MaxFacts >> 20} MiB";
        return new Problem(ProblemCode.DiskError, $"cannot use {path}: {why}", "make it with `livepatch-agent facts`");
    }

    private static int Show(SharedOptions options, ParseResult parsed, byte[] json)
    {
        if (Read(json) is not { } report)
        {
            const string line = "cannot read what livepatch-agentd answered; install the same version of both";
            options.Surroundings.Error.WriteLine(line);
            return ExitCode.DaemonAway;
        }

        options.Surroundings.Out.Write(parsed.GetValue(options.Format) switch
        {
            "json" => Documents.Json(json),
            "yaml" => Documents.Yaml(json),
            _ => CheckView.Render(report, options.Surroundings.Style),
        });
        return report.Verdict == CheckOutcome.Refused ? ExitCode.Failed : ExitCode.Ok;
    }

    private static PreflightReport? Read(byte[] json)
    {
        try
        {
            var report = JsonSerializer.Deserialize(json, PreflightJson.Default.PreflightReport);
            return report is null || report.Checks.Contains(null!) ? null : report;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>As much room as the file needs; what has no size of its own, as a pipe, gets a little.</summary>
    private static int Room(string file)
    {
        var info = new FileInfo(file);
        return info is { Exists: true, Length: > 0 and var length } ? (int)Math.Min(length, MaxFacts) : RoomForPipe;
    }

    private static bool IsFile(string patch)
    {
        if (patch.Contains('/', StringComparison.Ordinal)) return true;
        return patch.EndsWith(".ko", StringComparison.Ordinal) || File.Exists(patch);
    }
}
