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

    public static System.CommandLine.Command Make(SharedOptions options)
    {
        var patch = new Argument<string?>("patch") { HelpName = "FILE|VERSION", Description = "A module's file, or the version of a patch that this host holds; without, the patch that is assigned", Arity = ArgumentArity.ZeroOrOne };
        var host = new Option<string?>("--host") { HelpName = "file", Description = "Answer for the host that this file describes (`livepatch-agent facts`), without a daemon" };
        var command = new System.CommandLine.Command("check", "Ask whether the kernel would take a patch, and if not, why and what to do") { patch, host, options.Format };
        command.SetAction(parsed => Run(options, parsed, parsed.GetValue(patch), parsed.GetValue(host)));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed, string? patch, string? host)
    {
        var (error, style) = (options.Surroundings.Error, options.Surroundings.Style);
        byte[]? module = null;
        if (patch is not null && (host is not null || IsFile(patch)))
        {
            if (!ModuleFile.Read(patch).TryGet(out module, out var problem))
            {
                error.WriteLine(style.Clean(problem.ToString()));
                return ExitCode.Failed;
            }
        }

        if (host is not null) return Here(options, parsed, patch, module, host);
        var client = options.Client(parsed);
        var answer = module is not null ? client.Check(module) : client.Check(patch);
        return answer is ApiAnswer.Said { Success: true } said ? Show(options, parsed, said.Body) : Failure.Tell(options.Surroundings, answer, client.SocketPath);
    }

    private static int Here(SharedOptions options, ParseResult parsed, string? patch, byte[]? module, string host)
    {
        var (error, style) = (options.Surroundings.Error, options.Surroundings.Style);
        if (module is null)
        {
            error.WriteLine("cannot check: --host answers for a module's file; name one");
            return ExitCode.Usage;
        }

        if (BoundedFile.TryRead(host, Size(host)) is not { } facts)
        {
            error.WriteLine($"cannot use {style.Clean(host)}: it cannot be read, or has more than {MaxFacts >> 20} MiB; make it with `livepatch-agent facts`");
            return ExitCode.Failed;
        }

        if (!PreflightJson.ReadFacts(facts, host).TryGet(out var known, out var problem))
        {
            error.WriteLine(style.Clean(problem.ToString()));
            return ExitCode.Failed;
        }

        var report = ModuleReader.Read(module).TryGet(out var read, out var unreadable) ? Preflight.Run(read with { FileDigest = Convert.ToHexStringLower(SHA256.HashData(module)) }, known) : Preflight.Unreadable(Path.GetFileName(patch)!, unreadable);
        return Show(options, parsed, JsonSerializer.SerializeToUtf8Bytes(report, PreflightJson.Readable.PreflightReport));
    }

    private static int Show(SharedOptions options, ParseResult parsed, byte[] json)
    {
        if (Read(json) is not { } report)
        {
            options.Surroundings.Error.WriteLine("cannot read what livepatch-agentd answered; install the same version of both");
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
            return JsonSerializer.Deserialize(json, PreflightJson.Default.PreflightReport) is { } report && !report.Checks.Contains(null!) ? report : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>As much room as the file needs; what has no size of its own, as a pipe, gets a little.</summary>
    private static int Size(string file) => new FileInfo(file) is { Exists: true, Length: > 0 and var length } ? (int)Math.Min(length, MaxFacts) : 8 << 20;

    private static bool IsFile(string patch) => patch.Contains('/', StringComparison.Ordinal) || patch.EndsWith(".ko", StringComparison.Ordinal) || File.Exists(patch);
}
