using System.IO.Compression;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>Whatever answers a check-in: told in one line, the host keeps its patch, and all is well when the server is.</summary>
public sealed class BrokenServerTests
{
    private const string Good = """{"tag":"t","checkInSeconds":900,"now":"2026-11-23T12:00:00Z"}""";
    private static readonly Published One = Workshop.Patch(1);

    private static readonly Dictionary<string, (Func<Call, Task> Answer, ProblemCode Code, string Naming)> Cases = new()
    {
        ["500 with a page"] = (c => c.AnswerAsync(500, "<html>\r\n<h1>Oops</h1>", "text/html"), ProblemCode.ServerError, "HTTP 500 (text/html)"),
        ["garbage"] = (c => c.AnswerAsync(200, "\0\u0001{{{"), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["fields missing"] = (c => c.AnswerAsync(200, """{"tag":"t"}"""), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["null"] = (c => c.AnswerAsync(200, "null"), ProblemCode.ServerAnswerInvalid, "empty"),
        ["null tag"] = (c => c.AnswerAsync(200, Good.Replace("\"t\"", "null", StringComparison.Ordinal)), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["manifest that is a path"] = (c => c.AnswerAsync(200, Good.Replace("{", "{\"manifest\":\"../../etc\",", StringComparison.Ordinal)), ProblemCode.ServerAnswerInvalid, "SHA-256"),
        ["empty tag"] = (c => c.AnswerAsync(200, Good.Replace("\"t\"", "\"\"", StringComparison.Ordinal)), ProblemCode.ServerAnswerInvalid, "tag"),
        ["huge tag"] = (c => c.AnswerAsync(200, Good.Replace("\"t\"", $"\"{new string('t', 100_000)}\"", StringComparison.Ordinal)), ProblemCode.ServerAnswerInvalid, "tag"),
        ["a date beyond dates"] = (c => c.AnswerAsync(200, Good.Replace("2026-11-23T12", "9999-99-99T12", StringComparison.Ordinal)), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["deep nesting"] = (c => c.AnswerAsync(200, Good.Replace("{", "{\"x\":" + new string('[', 5000), StringComparison.Ordinal)), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["endless body"] = (EndlessBodyAsync, ProblemCode.ServerAnswerTooLarge, "larger than"),
        ["huge length"] = (c => c.RawAsync("HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n"), ProblemCode.ServerAnswerTooLarge, "larger than"),
        ["endless headers"] = (EndlessHeadersAsync, ProblemCode.ServerAnswerTooLarge, "headers"),
        ["redirect"] = (c => c.AnswerAsync(302, "", headers: "Location: /elsewhere\r\n"), ProblemCode.ServerRedirected, "302"),
        ["permanent redirect"] = (c => c.AnswerAsync(308, "", headers: "Location: /elsewhere\r\n"), ProblemCode.ServerRedirected, "308"),
        ["empty 200"] = (c => c.AnswerAsync(200, ""), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["204"] = (c => c.RawAsync("HTTP/1.1 204 X\r\n\r\n"), ProblemCode.ServerError, "HTTP 204"),
        ["a page with 200"] = (c => c.AnswerAsync(200, "<html>log in to the hotel's network</html>", "text/html"), ProblemCode.ServerAnswerInvalid, "text/html"),
        ["gzip"] = (c => c.AnswerAsync(200, Gzip(Encoding.UTF8.GetBytes(Good)), headers: "Content-Encoding: gzip\r\n"), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["gzip bomb"] = (c => c.AnswerAsync(200, Gzip(new byte[100 << 20]), headers: "Content-Encoding: gzip\r\n"), ProblemCode.ServerAnswerInvalid, "cannot be understood"),
        ["not HTTP"] = (c => c.RawAsync("SSH-2.0-OpenSSH_9.2\r\n"), ProblemCode.ServerAnswerInvalid, "not HTTP"),
        ["hangs up"] = (_ => Task.CompletedTask, ProblemCode.ServerAnswerInvalid, "cut off"),
        ["cut off"] = (c => c.RawAsync("HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n{"), ProblemCode.ServerUnreachable, "connection broke"),
        ["revoked"] = (c => c.AnswerAsync(401, new ErrorAnswer(new Problem(ProblemCode.MachineUnknown, "cannot check in: revoked", "enrol anew")), WireJson.Default.ErrorAnswer), ProblemCode.MachineUnknown, "revoked"),
        ["an error that plays with the terminal"] = (c => c.AnswerAsync(403, """{"error":{"code":"not-permitted","message":"cannot \u001b[2J\u202Eplay\nLog line of its own","cure":"\u0007"}}"""), ProblemCode.ServerError, "says \"cannot [2Jplay\""),
        ["an endless error"] = (c => c.AnswerAsync(403, """{"error":{"code":"not-permitted","message":"cannot xxx","cure":"c"}}""".Replace("xxx", new string('x', 90_000), StringComparison.Ordinal)), ProblemCode.ServerError, "says \"cannot xxx"),
        ["an error of no kind"] = (c => c.AnswerAsync(400, """{"error":{"code":"of-tomorrow","message":"m","cure":"c"}}"""), ProblemCode.ServerError, "HTTP 400 and says \"m; c\""),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task CheckIn_AnsweredBadly_IsToldAndGotOver(string name)
    {
        var (answer, code, naming) = Cases[name];
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
        status = await host.UntilAsync("succeeded", s => s.CheckIn is { Result: CheckInResult.Succeeded, Listening: true });
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
            await call.AnswerAsync(call.RangeFrom is null ? 200 : 206, piece, "application/octet-stream", call.RangeFrom is null ? "" : $"Content-Range: bytes {from}-{from}/{two.Module.Length}\r\n");
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
        var status = await host.UntilAsync("checked in", s => s.Revision > before + 1 && s.Settled && s.CheckIn.Listening);
        Assert.Equal((result, code), (status.CheckIn.Result, status.CheckIn.Problem?.Code));
        if (code is { } told) HostUnderTest.AssertProblem(status.CheckIn.Problem, told);
    }

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
