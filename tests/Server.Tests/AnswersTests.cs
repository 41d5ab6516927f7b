using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Api;
using Microsoft.AspNetCore.Http;

namespace LivepatchAgent.Server.Tests;

public sealed class AnswersTests
{
    /// <summary>Hosts and the publisher's tool read the code; proxies and people read the status.</summary>
    [Theory]
    [InlineData(400, ProblemCode.RequestInvalid, ProblemCode.ManifestInvalid, ProblemCode.ModuleDigestMismatch)]
    [InlineData(401, ProblemCode.TokenUnknown, ProblemCode.MachineUnknown)]
    [InlineData(403, ProblemCode.TokenExpired, ProblemCode.TokenUsedUp, ProblemCode.TokenRevoked)]
    [InlineData(403, ProblemCode.ManifestSignatureInvalid, ProblemCode.PinsInvalid, ProblemCode.NotPermitted)]
    [InlineData(404, ProblemCode.NotFound)]
    [InlineData(408, ProblemCode.ServerTimeout)]
    [InlineData(413, ProblemCode.RequestTooLarge, ProblemCode.ModuleTooLarge)]
    [InlineData(429, ProblemCode.TooManyRequests)]
    [InlineData(500, ProblemCode.InternalError, ProblemCode.ServerError, ProblemCode.DiskError)]
    [InlineData(507, ProblemCode.DiskFull)]
    public void StatusOf_EachCode_IsAsDocumented(int status, params ProblemCode[] codes) =>
        Assert.All(codes, code => Assert.Equal(status, Answers.StatusOf(code)));

    [Fact]
    public void StatusOf_EveryCode_IsAFailure() =>
        Assert.All(Enum.GetValues<ProblemCode>(), code => Assert.InRange(Answers.StatusOf(code), 400, 599));

    [Theory]
    [InlineData(ProblemCode.TokenUnknown, "WWW-Authenticate", "Bearer")]
    [InlineData(ProblemCode.TooManyRequests, "Retry-After", "1")]
    public async Task Refuse_SaysHowToGoOn(ProblemCode code, string header, string value)
    {
        var call = new DefaultHttpContext { Response = { Body = new MemoryStream() } };
        await call.RefuseAsync(new Problem(code, "cannot do it: no", "do it again"));
        Assert.Equal(value, call.Response.Headers[header]);
        Assert.Equal("no-store", call.Response.Headers.CacheControl);
        Assert.Equal(call.Response.ContentLength, call.Response.Body.Length);
        call.Response.Body.Position = 0;
        var answer = await System.Text.Json.JsonSerializer.DeserializeAsync(
            call.Response.Body, WireJson.Default.ErrorAnswer, ServerUnderTest.Ct);
        Assert.Equal(code, answer!.Error.Code);
    }
}
