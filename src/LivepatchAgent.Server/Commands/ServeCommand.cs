using System.CommandLine;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Host;
using LivepatchAgent.Server.Trust;
using LivepatchAgent.Shared.Tls;

namespace LivepatchAgent.Server.Commands;

/// <summary>`serve`: runs until it is stopped by a signal.</summary>
internal static class ServeCommand
{
    public static Command Make()
    {
        var (data, url, listen, publishers) = (SharedOptions.Data(), SharedOptions.Url(), Listen(), Publishers());
        var (tls, catalogue) = (KeyPair("--tls", "TLS"), KeyPair("--catalogue", "catalogue"));
        var command = new Command("serve", "Serve patches to machines")
        {
            data, listen, url, tls.Certificate, tls.Key, catalogue.Certificate, catalogue.Key, publishers,
        };
        RequireBoth(command, tls);
        RequireBoth(command, catalogue);
        command.SetAction((parsed, ct) =>
        {
            if (!Read(parsed.GetValue(publishers) ?? []).TryGet(out var certificates, out var problem))
                return Task.FromResult(Failure.Report(problem));
            var settings = new ServeSettings
            {
                Folder = parsed.GetRequiredValue(data),
                Listen = parsed.GetRequiredValue(listen),
                Url = parsed.GetValue(url),
                Tls = Files(parsed, tls),
                Catalogue = Files(parsed, catalogue),
                Publishers = certificates,
            };
            return RunAsync(settings, ct);
        });
        return command;
    }

    private static async Task<int> RunAsync(ServeSettings settings, CancellationToken ct)
    {
        SystemTrust.LeaveUnread();
        var openFiles = OpenFiles.Raise();
        var started = await PatchServer.StartAsync(settings, TimeProvider.System, ct);
        if (!started.TryGet(out var server, out var problem)) return Failure.Report(problem);
        await using (server)
        {
            var (address, url) = (server.Address.Authority, server.Url.GetLeftPart(UriPartial.Authority));
            var (ready, data) = ("livepatch-server is ready", settings.Folder.Root);
            await Console.Out.WriteLineAsync($"{ready}: listens on {address}, tokens name {url}, data in {data}");
            OpenFiles.Warn(server.App.Logger, openFiles);
            await server.App.WaitForShutdownAsync(ct);
        }

        return ExitCode.Ok;
    }

    private static Result<List<X509Certificate2>> Read(string[] files)
    {
        var certificates = new List<X509Certificate2>();
        foreach (var file in files)
        {
            if (!PublisherCertificates.Read(file).TryGet(out var certificate, out var problem)) return problem;
            certificates.Add(certificate);
        }

        return certificates;
    }

    private static Option<IPEndPoint> Listen() => new("--listen")
    {
        Description = "Address and port to listen on",
        HelpName = "ADDRESS:PORT",
        DefaultValueFactory = _ => new IPEndPoint(IPAddress.Any, 8443),
        CustomParser = result => EndPoint(result.Tokens[0].Value)
            ?? SharedOptions.Refuse<IPEndPoint>(
                result, "it must be ADDRESS:PORT, for example 0.0.0.0:8443 or [::]:8443"),
    };

    /// <summary>The framework would take an address without a port as one with port 0.</summary>
    private static IPEndPoint? EndPoint(string text) =>
        text.Contains(':', StringComparison.Ordinal) && IPEndPoint.TryParse(text, out var endpoint) ? endpoint : null;

    private static Option<string[]> Publishers() => new("--publisher-cert")
    {
        Description = "Certificate of a publisher whose patches this server takes; can be given more than once",
        HelpName = "FILE",
    };

    private sealed record KeyPairOptions(Option<string?> Certificate, Option<string?> Key);

    private static KeyPairOptions KeyPair(string prefix, string what) => new(
        new Option<string?>($"{prefix}-cert")
        {
            Description = $"{what} certificate, PEM, in place of one that the server makes",
            HelpName = "PEM",
        },
        new Option<string?>($"{prefix}-key")
        {
            Description = "Its key, PEM without passphrase",
            HelpName = "PEM",
        });

    private static void RequireBoth(Command command, KeyPairOptions pair) => command.Validators.Add(result =>
    {
        if (result.GetValue(pair.Certificate) is null != result.GetValue(pair.Key) is null)
            result.AddError($"cannot use {pair.Certificate.Name} without {pair.Key.Name}: give both");
    });

    private static KeyFiles? Files(ParseResult parsed, KeyPairOptions pair) =>
        parsed.GetValue(pair.Certificate) is { } certificate && parsed.GetValue(pair.Key) is { } key
            ? new KeyFiles(certificate, key)
            : null;
}
