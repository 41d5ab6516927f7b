using System.Text;
using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Cli.Tests;

/// <summary>An answer of HTTP/1.0, gathered as it comes (RFC 9112).</summary>
public sealed class HttpAnswerTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\n";
    private const string Odd = nameof(AwayKind.Unintelligible);
    private const string NotHttp = "its answer is not HTTP";

    public static TheoryData<string, int, string> Replies => new()
    {
        { $"{Ok}\r\nto the end", 200, "to the end" },
        { $"{Ok}Content-Length: 3\r\n\r\nabcdef", 200, "abc" }, // what follows the body is not the body
        { $"{Ok}content-length:3\r\n\r\nabc", 200, "abc" },
        { $"{Ok}Content-Length: 0\r\n\r\n", 200, "" },
        { "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nno", 404, "no" },
        { "HTTP/1.1 503\r\n\r\n", 503, "" }, // the reason is optional
    };

    [Theory, MemberData(nameof(Replies))]
    public void Answer_ThatIsWhole_IsTheReply(string text, int code, string body)
    {
        foreach (var piece in new[] { int.MaxValue, 1, 7 })
        {
            var reply = Assert.IsType<ApiAnswer.Reply>(Read(text, piece));
            Assert.Equal((code, body), (reply.Code, Encoding.ASCII.GetString(reply.Body)));
        }
    }

    public static TheoryData<string, string, string> Faults => new()
    {
        { "", nameof(AwayKind.HungUp), "it hung up without an answer" },
        { "HTTP/1.1 200", nameof(AwayKind.HungUp), "its answer is cut off" },
        { $"{Ok}Content-Length: 4\r\n\r\nabc", nameof(AwayKind.HungUp), "its answer is cut off" },
        { "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", Odd, NotHttp },
        { "HTTP/1.1 2x0 OK\r\n\r\n", Odd, NotHttp },
        { $"{Ok}no colon\r\n\r\n", Odd, NotHttp },
        { $"{Ok}Content-Length: -1\r\n\r\n", Odd, NotHttp },
        { $"{Ok}Content-Length: 1e3\r\n\r\n", Odd, NotHttp },
        { $"{Ok}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Odd, NotHttp },
        { $"{Ok}Content-Length: 2000000\r\n\r\n", nameof(AwayKind.Unintelligible), "its answer is longer than 1 MiB" },
    };

    [Theory, MemberData(nameof(Faults))]
    public void Answer_ThatIsNotOne_SaysWhy(string text, string kind, string why)
    {
        foreach (var piece in new[] { int.MaxValue, 1, 7 })
            Assert.Equal(new ApiAnswer.Away(Enum.Parse<AwayKind>(kind), why), Read(text, piece));
    }

    /// <summary>A body without a length is bounded as it comes, whatever its bound.</summary>
    [Theory]
    [InlineData(1 << 20, "its answer is longer than 1 MiB")]
    [InlineData(2 << 20, "its answer is longer than 2 MiB")]
    public void Answer_WithoutAnEnd_StopsAtItsBound(int bound, string why)
    {
        var answer = new HttpAnswer(bound);
        var taken = 0;
        Encoding.ASCII.GetBytes($"{Ok}\r\n").CopyTo(answer.Room());
        ApiAnswer? end = answer.Take(Ok.Length + 2);
        while (end is null)
        {
            var room = answer.Room().Length;
            Assert.InRange(room, 1, bound + 1);
            end = answer.Take(room);
            taken += room;
        }

        Assert.Equal(new ApiAnswer.Away(AwayKind.Unintelligible, why), end);
        Assert.InRange(taken, 0, bound + 1);
    }

    /// <summary>What the daemon sends with a refusal; anything else is no error of its.</summary>
    [Theory]
    [InlineData("""{"error":{"code":"c","message":"m","cure":"u"}}""", "c", "m", "u")]
    [InlineData("""{"error":{"message":"m"}}""", "", "m", "")]
    [InlineData("""{"error":{"code":1,"message":"m","cure":null}}""", "", "m", "")]
    public void Error_InABody_IsRead(string body, string code, string message, string cure) =>
        Assert.Equal(new ApiError(code, message, cure), ApiError.Read(Encoding.UTF8.GetBytes(body)));

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"error":null}""")]
    [InlineData("""{"error":"m"}""")]
    [InlineData("""{"error":{"code":"c","message":""}}""")]
    [InlineData("""{"error":{"message":"\ud800"}}""")]
    public void Error_InAnyOtherBody_IsNotOne(string body) => Assert.Null(ApiError.Read(Encoding.UTF8.GetBytes(body)));

    private static ApiAnswer Read(string text, int piece)
    {
        var answer = new HttpAnswer();
        var bytes = Encoding.ASCII.GetBytes(text).AsSpan();
        while (true)
        {
            var room = answer.Room();
            var length = Math.Min(Math.Min(piece, room.Length), bytes.Length);
            bytes[..length].CopyTo(room);
            bytes = bytes[length..];
            if (answer.Take(length) is { } end) return end;
        }
    }
}
