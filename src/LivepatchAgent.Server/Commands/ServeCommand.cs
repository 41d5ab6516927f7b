using System.CommandLine;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Host;
using LivepatchAgent.Server.Trust;
using LivepatchAgent.Shared.Tls;

namespace LivepatchAgent.Server.Commands;

internal static class ServeCommand
{
    public static Command Create()
    {
        var data = Shared.Data();
        var url = Shared.Url();
        var listen = new Option<IPEndPoint>("--listen")
        {
            Description = "Address and port to listen on",
            HelpName = "ADDRESS:PORT",
            DefaultValueFactory = _ => new IPEndPoint(IPAddress.Any, 8443),
            CustomParser = result => IPEndPoint.TryParse(result.Tokens[0].Value, out var endpoint) && result.Tokens[0].Value.Contains(':', StringComparison.Ordinal)
                ? endpoint
                : Shared.Fail<IPEndPoint>(result, "it must be ADDRESS:PORT, for example 0.0.0.0:8443 or [::]:8443"),
        };
        var tls = KeyOptions("--tls", "TLS");
        var catalogue = KeyOptions("--catalogue", "catalogue");
        var publishers = new Option<string[]>("--publisher-cert") { Description = "Certificate of a publisher whose patches this server takes; may be given more than once", HelpName = "FILE" };
        var command = new Command("serve", "Serve patches to machines") { data, listen, url, tls.Certificate, tls.Key, catalogue.Certificate, catalogue.Key, publishers };
        Both(command, tls);
        Both(command, catalogue);
        command.SetAction((parsed, ct) =>
        {
            var certificates = new List<X509Certificate2>();
            foreach (var file in parsed.GetValue(publishers) ?? [])
            {
                if (!PublisherCertificates.Read(file).TryGet(out var certificate, out var problem)) return Task.FromResult(Exit.Fail(problem));
                certificates.Add(certificate);
            }

            return RunAsync(new ServeSettings
            {
                Folder = parsed.GetRequiredValue(data),
                Listen = parsed.GetRequiredValue(listen),
                Url = parsed.GetValue(url),
                Tls = Files(parsed, tls),
                Catalogue = Files(parsed, catalogue),
                Publishers = certificates,
            }, ct);
        });
        return command;
    }

    private static async Task<int> RunAsync(ServeSettings settings, CancellationToken ct)
    {
        SystemTrust.LeaveUnread();
        var openFiles = OpenFiles.Raise();
        if (!(await PatchServer.StartAsync(settings, TimeProvider.System, ct)).TryGet(out var server, out var problem)) return Exit.Fail(problem);
        await using (server)
        {
            await Console.Out.WriteLineAsync($"livepatch-server is ready: listens on {server.Address.Authority}, tokens name {server.Url.GetLeftPart(UriPartial.Authority)}, data in {settings.Folder.Root}");
            OpenFiles.Warn(server.App.Logger, openFiles);
            await server.App.WaitForShutdownAsync(ct);
        }

        return Exit.Ok;
    }

    private sealed record KeyPair(Option<string?> Certificate, Option<string?> Key);

    private static KeyPair KeyOptions(string prefix, string what) => new(
        new Option<string?>($"{prefix}-cert") { Description = $"{what} certificate, PEM, instead of one of the server's own", HelpName = "PEM" },
        new Option<string?>($"{prefix}-key") { Description = $"Its key, PEM without passphrase", HelpName = "PEM" });

    private static void Both(Command command, KeyPair pair) => command.Validators.Add(result =>
    {
        if (result.GetValue(pair.Certificate) is null != result.GetValue(pair.Key) is null)
            result.AddError($"cannot use {pair.Certificate.Name} without {pair.Key.Name}: both belong together");
    });

    private static KeyFiles? Files(ParseResult parsed, KeyPair pair) =>
        parsed.GetValue(pair.Certificate) is { } certificate && parsed.GetValue(pair.Key) is { } key ? new KeyFiles(certificate, key) : null;
}
