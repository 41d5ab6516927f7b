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
internal sealed partial class Routes(HostPaths paths, StatusBoard board, Inbox inbox, HistoryLog history, PreflightRunner preflight) : IHttpApplication<HttpContext>
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

    /// <summary>No route has this path, or none with this method.</summary>
    private static Problem Unserved(string method, string path)
    {
        var others = Table.Where(r => r.Path == path).Select(r => r.Method).ToList();
        var message = others.Count > 0
            ? $"cannot {method} {path}: use {string.Join(" or ", others)}"
            : $"cannot find {path}: no such route";
        return new(ProblemCode.NotFound, message, "see docs/local-api.md");
    }

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        try
        {
            var path = context.Request.Path.Value ?? "";
            var route = Array.Find(Table, r => r.Path == path && r.Method == context.Request.Method);
            if (route is null)
            {
                var known = Table.Any(r => r.Path == path);
                if (known) context.Response.Headers.Allow = string.Join(", ", Table.Where(r => r.Path == path).Select(r => r.Method));
                await RefuseAsync(context, known ? 405 : 404, Unserved(context.Request.Method, path));
            }
            else if (route.Access == Access.Change && !Peer(context).MayChange(paths))
            {
                await RefuseAsync(context, 403, new Problem(ProblemCode.NotPermitted, route.Method == "GET" ? "cannot show this: you are neither root nor in group livepatch" : "cannot change anything: you are neither root nor in group livepatch", "use sudo, or have yourself added: `adduser USER livepatch`"));
            }
            else
            {
                await route.Serve(this, context);
            }
        }
        catch (BadHttpRequestException e)
        {
            await RefuseAsync(context, e.StatusCode, new Problem(e.StatusCode == 413 ? ProblemCode.RequestTooLarge : ProblemCode.RequestInvalid, $"cannot take the request: {e.Message.TrimEnd('.')}", $"a request has at most {MaxBody} bytes"));
        }
        catch (TimeoutException)
        {
            await RefuseAsync(context, 503, new Problem(ProblemCode.InternalError, $"cannot do it now: the daemon did not come to it within {MaxWait.TotalSeconds} s", "look at `systemctl status livepatch-agentd`; the command may still be taken"));
        }
        catch (OperationCanceledException)
        {
            // whoever asked has gone, or we stop
        }
    }

    private static PeerCredentials Peer(HttpContext context) =>
        context.Features.Get<IConnectionSocketFeature>() is { Socket: { } socket } ? PeerCredentials.Of(socket) : PeerCredentials.Nobody;

    private async Task StatusAsync(HttpContext context)
    {
        var status = board.Current;
        if (long.TryParse(context.Request.Query["after"], NumberStyles.None, CultureInfo.InvariantCulture, out var after)
            && double.TryParse(context.Request.Query["wait"], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
            && seconds > 0) // neither NaN nor the past
            status = await board.NewerThanAsync(after, TimeSpan.FromSeconds(Math.Min(seconds, MaxWait.TotalSeconds)), context.RequestAborted);
        await AnswerAsync(context, 200, status, WireJson.Readable.AgentStatus);
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
        if (!int.TryParse(query["limit"].ToString() is { Length: > 0 } text ? text : "50", NumberStyles.None, CultureInfo.InvariantCulture, out var limit) || limit is < 1 or > MaxEntries)
        {
            await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, "cannot show the history: its limit is no number from 1 to 1000", "ask with ?limit=50"));
            return;
        }

        await WriteAsync(context, 200, history.Read(limit, query["verify"] == "1"));
    }

    private async Task EnableAsync(HttpContext context)
    {
        var request = await BodyAsync(context, WireJson.Default.EnableRequest);
        if (request is null)
        {
            await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, "cannot enrol: the request has no token", "send {\"token\": \"…\"}"));
            return;
        }

        if (!EnrolmentToken.Read(request.Token).TryGet(out var token, out var problem))
        {
            await RefuseAsync(context, 400, problem);
            return;
        }

        var credential = System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        await ChangeAsync(context, new Command.Enable(new EnrolmentIntent(Guid.NewGuid().ToString("N"), token, credential)));
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
        if ((await inbox.SendAsync(command, Peer(context).Named(paths)).WaitAsync(MaxWait, context.RequestAborted)).TryGet(out var revision, out var problem))
            await AnswerAsync(context, 202, new ChangeAnswer(revision), WireJson.Readable.ChangeAnswer);
        else
            await RefuseAsync(context, 409, problem);
    }

    private static Task RefuseAsync(HttpContext context, int status, Problem problem) =>
        context.Response.HasStarted ? Task.CompletedTask : AnswerAsync(context, status, new ErrorAnswer(problem), WireJson.Readable.ErrorAnswer);

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
