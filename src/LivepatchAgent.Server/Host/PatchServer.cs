using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Api;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Rollout;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging.Console;

namespace LivepatchAgent.Server.Host;

/// <summary>The running server: puts the parts together, starts and stops them in order.</summary>
internal sealed class PatchServer : IAsyncDisposable
{
    /// <summary>For calls that are under way; held ones end at once.</summary>
    private static readonly TimeSpan StopWithin = TimeSpan.FromSeconds(1.5);
    public const int MaxConnections = 32_768;
    private readonly FileStream _alone;
    private readonly Database _database;

    private PatchServer(FileStream alone, Database database, WebApplication app, HeldCalls held)
    {
        (_alone, _database, App, Held) = (alone, database, app, held);
    }

    public WebApplication App { get; }

    public HeldCalls Held { get; }

    /// <summary>What tokens name.</summary>
    public Uri Url { get; private set; } = new("https://localhost");

    /// <summary>Where it really listens, when port 0 was asked for.</summary>
    public Uri Address =>
        new(App.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public static async Task<Result<PatchServer>> StartAsync(
        ServeSettings settings, TimeProvider time, CancellationToken ct)
    {
        var folder = settings.Folder;
        folder.Create();
        if (folder.TryLock("serve.lock") is not { } alone)
            return new Problem(
                ProblemCode.NotPermitted,
                $"cannot serve {folder.Root}: another livepatch-server serves it",
                "stop that one first");
        var blobs = new BlobStore(folder);
        blobs.RemoveLeftovers();
        foreach (var publisher in settings.Publishers) PublisherCertificates.Add(folder, publisher);

        var url = settings.Url ?? ServerNames.DefaultUrl(settings.Listen.Port);
        var now = time.GetUtcNow();
        if (!ServerKeys.Tls(folder, settings.Tls, ServerNames.Of(url), now).TryGet(out var tls, out var problem)
            || !ServerKeys.Catalogue(folder, settings.Catalogue, url.Host, now).TryGet(out var catalogue, out problem)
            || !Database.Open(folder.Database).TryGet(out var database, out problem))
        {
            await alone.DisposeAsync();
            return problem;
        }

        var (pins, bodies) = (new PinSets(folder), new Bodies(time));
        var published = new PublishedPatches(database.Read(PatchTable.LoadAll), pins.Newest?.Version);
        var app = Build(settings.Listen, tls);
        var log = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("livepatch-server");
        var own = new ServerCertificates(tls[0], catalogue[0]);
        var publishers = new Publishers(folder, pins, database, log);
        var publishing = new Publishing(database, blobs, publishers, published, time, log);
        var held = new HeldCalls(published, time, app.Lifetime.ApplicationStopping);
        app.Use(next => call => Routes.GuardAsync(call, next, log));
        Routes.Map(
            app,
            new EnrolmentEndpoint(bodies, new Enrolments(database, time), publishers, pins, own, log),
            new CheckInEndpoint(bodies, new CheckIns(database, time), held, time, log),
            new FetchEndpoints(blobs, new SignedCatalogues(own.Catalogue, published, time)),
            new PublishEndpoints(bodies, publishing, log),
            new ModuleEndpoint(bodies, blobs, publishing, log),
            new PinsEndpoints(bodies, pins, publishers, published, own, log));
        var server = new PatchServer(alone, database, app, held);
        try
        {
            await app.StartAsync(ct);
            server.Url = settings.Url ?? ServerNames.DefaultUrl(server.Address.Port);
            await database.WriteAsync(db => SettingTable.SetUrl(db, server.Url));
            return server;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await server.DisposeAsync();
            return new Problem(
                ProblemCode.ServerError,
                $"cannot listen on {settings.Listen}: {e.Message.TrimEnd('.')}",
                "give another address with --listen, or stop what listens there");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await App.StopAsync(CancellationToken.None);
        await App.DisposeAsync();
        await _database.DisposeAsync();
        await _alone.DisposeAsync();
    }

    private static WebApplication Build(IPEndPoint listen, X509Certificate2Collection tls)
    {
        // The empty builder reads no configuration and so watches no files.
        var builder = WebApplication.CreateEmptyBuilder(
            new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddRoutingCore();
        builder.Services.AddSystemd();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = StopWithin);
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.ColorBehavior = LoggerColorBehavior.Disabled;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            console.UseUtcTimestamp = true;
        });
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);

        // The command reports a start that fails, in one line.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            Limit(kestrel.Limits);
            kestrel.AddServerHeader = false;
            kestrel.Listen(listen, endpoint => endpoint.UseHttps(https => Secure(https, tls)));
        });
        return builder.Build();
    }

    private static void Secure(HttpsConnectionAdapterOptions https, X509Certificate2Collection tls)
    {
        https.ServerCertificate = tls[0];
        https.ServerCertificateChain = [.. tls.Skip(1)];
        https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        https.HandshakeTimeout = TimeSpan.FromSeconds(10);
    }

    /// <summary>
    /// Sizes of bodies are the endpoints' business and so are the times they may take (<see cref="Bodies"/>).
    /// </summary>
    private static void Limit(KestrelServerLimits limits)
    {
        limits.MaxRequestBodySize = null;
        limits.MaxRequestHeadersTotalSize = 16 * 1024;
        limits.MaxRequestLineSize = 4 * 1024;
        limits.MaxRequestHeaderCount = 50;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
        limits.MaxConcurrentConnections = MaxConnections;
    }
}
