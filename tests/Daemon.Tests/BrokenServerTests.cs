using System.IO.Compression;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// Bad answers to a check-in: each is reported in one line, the host keeps its patch, and all is well when the server
/// is.
/// </summary>
public sealed class BrokenServerTests
{
    private const string Good = """{"tag":"t","checkInSeconds":900,"now":"2026-11-23T12:00:00Z"}""";
    private static readonly Published One = Workshop.Patch(1);

    private const string NotUnderstood = "cannot be understood";

    private sealed record Case(ProblemCode Code, string Naming, Func<Call, Task> Answer);

    private static readonly Dictionary<string, Case> Cases = new()
    {
        ["500 with a page"] = new(ProblemCode.ServerError, "HTTP 500 (text/html)",
            c => c.AnswerAsync(500, "<html>\r\n<h1>Oops</h1>", "text/html")),
        ["garbage"] = Invalid(NotUnderstood, "\0\u0001{{{"),
        ["fields missing"] = Invalid(NotUnderstood, """{"tag":"t"}"""),
        ["null"] = Invalid("empty", "null"),
        ["null tag"] = Invalid(NotUnderstood, Changed("\"t\"", "null")),
        ["manifest that is a path"] = Invalid("SHA-256", Changed("{", "{\"manifest\":\"../../etc\",")),
        ["empty tag"] = Invalid("tag", Changed("\"t\"", "\"\"")),
        ["huge tag"] = Invalid("tag", Changed("\"t\"", $"\"{new string('t', 100_000)}\"")),
        ["a date beyond dates"] = Invalid(NotUnderstood, Changed("2026-11-23T12", "9999-99-99T12")),
        ["deep nesting"] = Invalid(NotUnderstood, Changed("{", "{\"x\":" + new string('[', 5000))),
        ["endless body"] = new(ProblemCode.ServerAnswerTooLarge, "larger than", EndlessBodyAsync),
        ["huge length"] = new(ProblemCode.ServerAnswerTooLarge, "larger than",
            c => c.RawAsync("HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n")),
        ["endless headers"] = new(ProblemCode.ServerAnswerTooLarge, "headers", EndlessHeadersAsync),
        ["redirect"] = Redirect(302),
        ["permanent redirect"] = Redirect(308),
        ["empty 200"] = Invalid(NotUnderstood, ""),
        ["204"] = new(ProblemCode.ServerError, "HTTP 204", c => c.RawAsync("HTTP/1.1 204 X\r\n\r\n")),
        ["a page with 200"] = new(ProblemCode.ServerAnswerInvalid, "text/html",
            c => c.AnswerAsync(200, "<html>log in to the hotel's network</html>", "text/html")),
        ["gzip"] = Gzipped(Encoding.UTF8.GetBytes(Good)),
        ["gzip bomb"] = Gzipped(new byte[100 << 20]),
        ["not HTTP"] = new(ProblemCode.ServerAnswerInvalid, "not HTTP", c => c.RawAsync("SSH-2.0-OpenSSH_9.2\r\n")),
        ["hangs up"] = new(ProblemCode.ServerAnswerInvalid, "cut off", _ => Task.CompletedTask),
        ["cut off"] = new(ProblemCode.ServerUnreachable, "connection broke",
            c => c.RawAsync("HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n{")),
        ["revoked"] = new(ProblemCode.MachineUnknown, "revoked",
            c => c.AnswerAsync(401, Revoked)),
        ["an error that plays with the terminal"] = new(ProblemCode.ServerError, "says \"cannot [2Jplay\"",
            c => c.AnswerAsync(403, NotPermitted("""cannot \u001b[2J\u202Eplay\nLog line of its own""", """\u0007"""))),
        ["an endless error"] = new(ProblemCode.ServerError, "says \"cannot xxx",
            c => c.AnswerAsync(403, NotPermitted("cannot " + new string('x', 90_000), "c"))),
        ["an error of no kind"] = new(ProblemCode.ServerError, "HTTP 400 and says \"m; c\"",
            c => c.AnswerAsync(400, """{"error":{"code":"of-tomorrow","message":"m","cure":"c"}}""")),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task CheckIn_AnsweredBadly_IsReportedAndGotOver(string name)
    {
        var (code, naming, answer) = Cases[name];
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = async call =>
        {
            if (call.Path != TestServer.CheckIns) return false;
            await answer(call);
            return true;
        };
        await host.RefreshAsync();
        var status = await host.UntilAsync("failed", s => s.CheckIn.Result == CheckInResult.Failed);
        HostUnderTest.AssertProblem(status.CheckIn.Problem, code, naming);
        Assert.Equal((PatchState.Applied, "1.0"), (status.State, status.Patch?.Version));
        Assert.Equal(0, host.Server.Count("/elsewhere"));

        await host.HappensAsync("three tries", () => host.Server.Count(TestServer.CheckIns, held: false) >= 5);
        Assert.Single(host.Log.From(LogLevel.Warning));
        host.Server.Instead = _ => Task.FromResult(false);
        status = await host.UntilAsync(
            "succeeded", s => s.CheckIn is { Result: CheckInResult.Succeeded, Listening: true });
        Assert.Null(status.CheckIn.Problem);
        Assert.Single(host.Log.Lines, l => l.Line == "The patch server answers again");
        Assert.Equal([One.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task CheckIn_NotAnswered_EndsAfterItsTime()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = async call =>
        {
            if (call.Path != TestServer.CheckIns) return false;
            await call.HangAsync();
            return true;
        };
        var before = host.Server.Count(TestServer.CheckIns, held: false);
        await host.RefreshAsync();
        await host.HappensAsync("asked", () => host.Server.Count(TestServer.CheckIns, held: false) > before);
        host.Time.Advance(TimeSpan.FromSeconds(19));
        Assert.NotEqual(CheckInResult.Failed, host.Board.Current.CheckIn.Result);
        host.Time.Advance(TimeSpan.FromSeconds(2));
        var status = await host.UntilAsync("failed", s => s.CheckIn.Result == CheckInResult.Failed, timePasses: false);
        HostUnderTest.AssertProblem(status.CheckIn.Problem, ProblemCode.ServerTimeout, "in time");
    }

    [Fact]
    public async Task CheckIn_AnsweredInADrip_EndsAfterItsTime()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = async call =>
        {
            if (call.Path != TestServer.CheckIns || call.IsHeld) return false;
            await call.RawAsync("HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n");
            for (var i = 0; i < 900; i++)
            {
                await call.RawAsync(" ");
                host.Time.Advance(TimeSpan.FromSeconds(1));
            }

            return true;
        };
        await host.RefreshAsync();
        var status = await host.UntilAsync("failed", s => s.CheckIn.Result == CheckInResult.Failed);
        HostUnderTest.AssertProblem(status.CheckIn.Problem, ProblemCode.ServerTimeout, "in time");
    }

    [Fact]
    public async Task Download_InAnswersOfAByteEach_IsGivenUpAfterItsTime()
    {
        var two = Workshop.Patch(2);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = async call =>
        {
            if (call.Path != two.ModulePath) return false;
            host.Time.Advance(TimeSpan.FromSeconds(15));
            var from = call.RangeFrom ?? 0;
            var piece = two.Module[(int)from..(int)(from + 1)];
            var status = call.RangeFrom is null ? 200 : 206;
            var range = $"Content-Range: bytes {from}-{from}/{two.Module.Length}\r\n";
            await call.AnswerAsync(status, piece, "application/octet-stream", status == 200 ? "" : range);
            return true;
        };
        host.Server.Publish(two);
        var status = await host.UntilAsync("given up", s => s.Problem?.Code == ProblemCode.ServerTimeout);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ServerTimeout, "in time");
        Assert.Equal("1.0", status.Patch?.Version);
        host.Server.Instead = _ => Task.FromResult(false);
        await host.UntilAsync("2.0", s => s is { State: PatchState.Applied, Settled: true, Patch.Version: "2.0" });
    }

    [Fact]
    public async Task Commands_AreTakenWhileTheServerHangs()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = async call =>
        {
            if (call.Path != TestServer.CheckIns) return false;
            await call.HangAsync();
            return true;
        };
        var before = host.Server.Count(TestServer.CheckIns, held: false);
        await host.RefreshAsync();
        await host.HappensAsync("asked", () => host.Server.Count(TestServer.CheckIns, held: false) > before);
        Assert.Null((await host.SendAsync(new Core.Agent.Command.Disable())).Problem);
        await host.SettledAsync(PatchState.NotEnrolled);
        Assert.Equal([One.Name], host.Kernel.Patches);
    }

    [Theory]
    [InlineData(400, CheckInResult.Succeeded, ProblemCode.ClockWrong)]
    [InlineData(-400, CheckInResult.Succeeded, ProblemCode.ClockWrong)]
    [InlineData(0, CheckInResult.Succeeded, null)]
    public async Task CheckIn_WithClocksApart_SaysSo(int days, CheckInResult result, ProblemCode? code)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var before = host.Board.Current.Revision;
        host.Server.Assigning = a => a with { Now = a.Now.AddDays(days) };
        await host.RefreshAsync();
        var status = await host.UntilAsync(
            "checked in", s => s.Revision > before + 1 && s.Settled && s.CheckIn.Listening);
        Assert.Equal((result, code), (status.CheckIn.Result, status.CheckIn.Problem?.Code));
        if (code is { } expected) HostUnderTest.AssertProblem(status.CheckIn.Problem, expected);
    }

    /// <summary>A 200 with JSON that is no assignment.</summary>
    private static Case Invalid(string naming, string body) =>
        new(ProblemCode.ServerAnswerInvalid, naming, c => c.AnswerAsync(200, body));

    private static Problem Revoked => new(ProblemCode.MachineUnknown, "cannot check in: revoked", "enrol again");

    private static Case Redirect(int status) => new(ProblemCode.ServerRedirected, $"{status}",
        c => c.AnswerAsync(status, "", headers: "Location: /elsewhere\r\n"));

    private static Case Gzipped(byte[] body) => new(ProblemCode.ServerAnswerInvalid, NotUnderstood,
        c => c.AnswerAsync(200, Gzip(body), headers: "Content-Encoding: gzip\r\n"));

    private static string Changed(string what, string into) => Good.Replace(what, into, StringComparison.Ordinal);

    /// <param name="message">As JSON writes it, and so is the cure.</param>
    private static string NotPermitted(string message, string cure) =>
        $$$"""{"error":{"code":"not-permitted","message":"{{{message}}}","cure":"{{{cure}}}"}}""";

    private static async Task EndlessBodyAsync(Call call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
        while (true) await call.RawAsync(new string(' ', 16 * 1024));
    }

    private static async Task EndlessHeadersAsync(Call call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\n");
        for (var i = 0; ; i++) await call.RawAsync($"X-Header-{i}: {new string('x', 500)}\r\n");
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize)) gzip.Write(bytes);
        return packed.ToArray();
    }
}
