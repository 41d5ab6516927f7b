using LivepatchAgent.Daemon.Host;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>
/// The local socket is listened on all the time; Kestrel runs only while somebody talks. At rest nothing but one accept
/// is pending, where a running Kestrel would wake the processor every second.
/// </summary>
internal sealed class OnDemandServer(
    HostPaths paths,
    Routes routes,
    IServiceProvider services,
    ILogger<OnDemandServer> log) : BackgroundService
{
    private static readonly TimeSpan IdleAfter = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan AcceptPause = TimeSpan.FromSeconds(1);

    private const int Backlog = 64;

    private Socket? _socket;
    private volatile bool _awake;

    /// <summary>Whether Kestrel runs.</summary>
    public bool IsAwake => _awake;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(paths.RunFolder);
        // Left behind by a daemon that was killed; another that lives would have the state folder's lock.
        File.Delete(paths.Socket);
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _socket.Bind(new UnixDomainSocketEndPoint(paths.Socket));
        // Everyone may read; changes are decided by who asks.
        File.SetUnixFileMode(paths.Socket, (UnixFileMode)0b110_110_110);
        _socket.Listen(Backlog);
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        var wrap = new SocketConnectionContextFactory(new SocketConnectionFactoryOptions(), NullLogger.Instance);
        try
        {
            while (true)
            {
                var first = await FirstAsync(stop);
                _awake = true;
                await ServeAsync(new WarmListener(_socket!, first, wrap, IdleAfter, stop));
                _awake = false;
                Memory.GiveBack();
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            File.Delete(paths.Socket);
            _socket!.Dispose();
        }
    }

    /// <summary>
    /// Where there is no file descriptor left, here or on the whole host, those who ask wait in the backlog.
    /// </summary>
    private async Task<Socket> FirstAsync(CancellationToken stop)
    {
        for (var isLogged = false; ; isLogged = true)
        {
            try
            {
                return await _socket!.AcceptAsync(stop);
            }
            catch (SocketException e)
            {
                const string message = "Cannot take connections on {Socket}: {Why}; it is tried again";
                if (!isLogged) log.LogWarning(message, paths.Socket, e.Message);
                await Task.Delay(AcceptPause, stop);
            }
        }
    }

    private async Task ServeAsync(WarmListener warm)
    {
        var options = new KestrelServerOptions { AddServerHeader = false, ApplicationServices = services };
        options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(5);
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
        options.Limits.MaxRequestBodySize = Routes.MaxBody;
        options.Limits.MaxRequestHeadersTotalSize = 8 * 1024;
        options.ListenUnixSocket(paths.Socket, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.Use(next => async context =>
            {
                try
                {
                    await next(context);
                }
                finally
                {
                    warm.Closed(context);
                }
            });
        });
        using var kestrel = new KestrelServer(Options.Create(options), warm, NullLoggerFactory.Instance);
        await kestrel.StartAsync(routes, CancellationToken.None);
        await warm.Idle;
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await kestrel.StopAsync(patience.Token);
    }

    /// <summary>
    /// Hands Kestrel the connections of a socket that outlives it. The pending accept itself decides on idleness, so no
    /// connection can fall between Kestrel's end and the next start.
    /// </summary>
    private sealed class WarmListener(
        Socket listen,
        Socket first,
        SocketConnectionContextFactory wrap,
        TimeSpan idleAfter,
        CancellationToken stop) : IConnectionListenerFactory, IConnectionListener
    {
        private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Connections _connections = new();
        private Socket? _first = first;

        public Task Idle => _idle.Task;

        public EndPoint EndPoint => listen.LocalEndPoint!;

        public void Closed(ConnectionContext connection) => _connections.Remove(connection);

        public ValueTask<IConnectionListener> BindAsync(
            EndPoint endpoint,
            CancellationToken cancellationToken = default) => new(this);

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop, cancellationToken);
                patience.CancelAfter(idleAfter);
                try
                {
                    var socket = Interlocked.Exchange(ref _first, null) ?? await listen.AcceptAsync(patience.Token);
                    var connection = wrap.Create(socket);
                    _connections.Add(connection, PeerCredentials.Of(socket).Uid);
                    return connection;
                }
                catch (Exception e) when (e is OperationCanceledException or SocketException)
                {
                    // A socket that does not accept is tried again from outside, where its error is logged; the open
                    // connections are closed.
                    var isQuiet = e is OperationCanceledException;
                    var isInUse = isQuiet && !_connections.AreClosed;
                    var isStopping = stop.IsCancellationRequested || cancellationToken.IsCancellationRequested;
                    if (isInUse && !isStopping) continue;
                    _idle.TrySetResult();
                    return null;
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => default;

        public ValueTask DisposeAsync() => default;
    }
}
