using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Store;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>What can be asked of the daemon, and by whom: one table.</summary>
internal sealed partial class Routes(
    HostPaths paths,
    StatusBoard board,
    Inbox inbox,
    HistoryLog history,
    PreflightRunner preflight) : IHttpApplication<HttpContext>
{
    public const int MaxBody = 16 * 1024;
    private const int MaxEntries = 1000;
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    private enum Access
    {
        /// <summary>Everyone on this host.</summary>
        Read,

        /// <summary>Root and group livepatch: who changes anything, and who may know who did.</summary>
        Change,
    }

    private sealed record Route(string Method, string Path, Access Access, Func<Routes, HttpContext, Task> Serve);

    private static readonly Route[] Table =
    [
        new("GET", "/v1/status", Access.Read, (r, c) => r.StatusAsync(c)),
        new("GET", "/metrics", Access.Read, (r, c) => r.MetricsAsync(c)),
        new("GET", "/v1/facts", Access.Change, (r, c) => r.FactsAsync(c)),
        new("POST", "/v1/check", Access.Change, (r, c) => r.CheckAsync(c)),
        new("GET", "/v1/history", Access.Change, (r, c) => r.HistoryAsync(c)),
        new("POST", "/v1/enable", Access.Change, (r, c) => r.EnableAsync(c)),
        new("POST", "/v1/disable", Access.Change, (r, c) => r.ChangeAsync(c, new Command.Disable())),
        new("POST", "/v1/refresh", Access.Change, (r, c) => r.ChangeAsync(c, new Command.Refresh())),
        new("POST", "/v1/hold", Access.Change, (r, c) => r.HoldAsync(c)),
        new("POST", "/v1/unhold", Access.Change, (r, c) => r.ChangeAsync(c, new Command.Unhold())),
        new("POST", "/v1/quarantine/release", Access.Change, (r, c) => r.ReleaseAsync(c)),
    ];

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        try
        {
            await RouteAsync(context);
        }
        catch (BadHttpRequestException e)
        {
            await RefuseAsync(context, e.StatusCode, Malformed(e));
        }
        catch (TimeoutException)
        {
            await RefuseAsync(context, 503, TooSlow());
        }
        catch (OperationCanceledException)
        {
            // the client has gone, or we stop
        }
    }

    private async Task RouteAsync(HttpContext context)
    {
        var method = context.Request.Method;
        var path = context.Request.Path.Value ?? "";
        var route = Array.Find(Table, r => r.Path == path && r.Method == method);
        if (route is null)
        {
            var methods = Table.Where(r => r.Path == path).Select(r => r.Method).ToList();
            if (methods.Count > 0) context.Response.Headers.Allow = string.Join(", ", methods);
            await RefuseAsync(context, methods.Count > 0 ? 405 : 404, Unserved(method, path, methods));
        }
        else if (route.Access == Access.Change && !Peer(context).MayChange(paths))
        {
            await RefuseAsync(context, 403, NotPermitted(method));
        }
        else
        {
            await route.Serve(this, context);
        }
    }

    private static PeerCredentials Peer(HttpContext context)
    {
        var socket = context.Features.Get<IConnectionSocketFeature>()?.Socket;
        return socket is null ? PeerCredentials.Nobody : PeerCredentials.Of(socket);
    }

    private async Task StatusAsync(HttpContext context)
    {
        var status = board.Current;
        var query = context.Request.Query;
        if (Revision(query["after"]) is { } after && Seconds(query["wait"]) is { } seconds)
        {
            var wait = TimeSpan.FromSeconds(Math.Min(seconds, MaxWait.TotalSeconds));
            status = await board.NewerThanAsync(after, wait, context.RequestAborted);
        }

        await AnswerAsync(context, 200, status, WireJson.Readable.AgentStatus);
    }

    private static long? Revision(string? text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : null;

    /// <summary>Null for what is neither a number nor in the future.</summary>
    private static double? Seconds(string? text)
    {
        const NumberStyles style = NumberStyles.AllowDecimalPoint;
        var isNumber = double.TryParse(text, style, CultureInfo.InvariantCulture, out var seconds);
        return isNumber && seconds > 0 ? seconds : null;
    }

    private async Task MetricsAsync(HttpContext context)
    {
        var format = MetricsFormats.Of(context.Request.Headers.Accept);
        var text = Encoding.UTF8.GetBytes(Metrics.Of(board.Current, format));
        context.Response.ContentType = MetricsFormats.ContentType(format);
        context.Response.ContentLength = text.Length;
        await context.Response.Body.WriteAsync(text, context.RequestAborted);
    }

    private async Task HistoryAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var text = query["limit"].ToString() is { Length: > 0 } value ? value : "50";
        var isNumber = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit);
        if (!isNumber || limit is < 1 or > MaxEntries)
        {
            const string message = "cannot show the history: its limit is not a number from 1 to 1000";
            await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, message, "ask with ?limit=50"));
            return;
        }

        await WriteAsync(context, 200, history.Read(limit, query["verify"] == "1"));
    }

    private async Task EnableAsync(HttpContext context)
    {
        var request = await BodyAsync(context, WireJson.Default.EnableRequest);
        if (request is null)
        {
            const string message = "cannot enrol: the request has no token";
            const string cure = "send {\"token\": \"…\"}";
            await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, message, cure));
            return;
        }

        if (!EnrolmentToken.Read(request.Token).TryGet(out var token, out var problem))
        {
            await RefuseAsync(context, 400, problem);
            return;
        }

        var credential = System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var intent = new EnrolmentIntent(Guid.NewGuid().ToString("N"), token, credential);
        await ChangeAsync(context, new Command.Enable(intent));
    }

    private async Task ReleaseAsync(HttpContext context)
    {
        if (await BodyAsync(context, WireJson.Default.ReleaseRequest) is { } request)
        {
            await ChangeAsync(context, new Command.ReleaseQuarantine(request.Name));
            return;
        }

        const string message = "cannot release a patch: the request names none";
        await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, message, "send {\"name\": \"…\"}"));
    }

    /// <summary>Null when the body is no such request.</summary>
    private static async Task<T?> BodyAsync<T>(HttpContext context, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private Task HoldAsync(HttpContext context) => ChangeAsync(context, new Command.Hold(Peer(context).Named(paths)));

    private async Task ChangeAsync(HttpContext context, Command command)
    {
        var by = Peer(context).Named(paths);
        var answer = await inbox.SendAsync(command, by).WaitAsync(MaxWait, context.RequestAborted);
        if (answer.TryGet(out var revision, out var problem))
            await AnswerAsync(context, 202, new ChangeAnswer(revision), WireJson.Readable.ChangeAnswer);
        else
            await RefuseAsync(context, 409, problem);
    }

    private static Task RefuseAsync(HttpContext context, int status, Problem problem)
    {
        if (context.Response.HasStarted) return Task.CompletedTask;
        return AnswerAsync(context, status, new ErrorAnswer(problem), WireJson.Readable.ErrorAnswer);
    }

    private static Task AnswerAsync<T>(HttpContext context, int status, T answer, JsonTypeInfo<T> type) =>
        WriteAsync(context, status, JsonSerializer.SerializeToUtf8Bytes(answer, type));

    private static async Task WriteAsync(HttpContext context, int status, byte[] body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
