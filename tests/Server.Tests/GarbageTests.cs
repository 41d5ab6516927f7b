using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>Whatever is sent, the answer is one JSON refusal and the server goes on.</summary>
public sealed class GarbageTests
{
    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"enrolmentId\":1}")]
    [InlineData("<html>hello</html>")]
    [InlineData("{\"machine\":null,\"report\":null,\"outcomes\":null}")]
    [InlineData("\"\\ud800\"")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")]
    public async Task Post_OfGarbage_IsRefusedInOneLine(string body)
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        foreach (var path in new[] { "/v1/enrolments", "/v1/check-ins" })
            await AssertRefusedAsync(server, machine, path, Encoding.UTF8.GetBytes(body));
    }

    [Fact]
    public async Task Post_OfRandomBytes_IsRefusedInOneLine()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        foreach (var body in Gen.Byte.Array[0, 300].Array[40].Single())
            await AssertRefusedAsync(server, machine, "/v1/check-ins", body);
    }

    /// <summary>Each row puts one wrong value into a right check-in.</summary>
    [Theory]
    [InlineData("machine.kernelRelease", "\"6.1 x\"")]
    [InlineData("machine.kernelRelease", "\"../../x\"")]
    [InlineData("machine.kernelRelease", "null")]
    [InlineData("machine.hostname", "\"a\\nlivepatch-server: all is well\"")]
    [InlineData("machine.hostname", "\"\\u001b[2J\"")]
    [InlineData("machine.hostname", "\"\\ud800\"")]
    [InlineData("report.state", "3")]
    [InlineData("report.state", "\"happy\"")]
    [InlineData("report.manifest", "\"abc\"")]
    [InlineData("report.taint", "99999999999999999999999")]
    [InlineData("report.problem", "{\"code\":\"disk-full\",\"message\":\"a\\rb\",\"cure\":\"\"}")]
    [InlineData("report.problem", "{\"code\":\"disk-full\",\"message\":null,\"cure\":\"\"}")]
    [InlineData("outcomes", "[null]")]
    [InlineData(
        "outcomes", """[{"id":"","at":"2026-01-01T00:00:00Z","kind":"loaded","manifest":null,"problem":null}]""")]
    [InlineData("outcomes", """[{"id":"a","at":"yesterday","kind":"loaded","manifest":null,"problem":null}]""")]
    [InlineData("outcomes", "{}")]
    public async Task CheckIn_WithOneWrongField_IsRefused(string field, string value)
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var body = JsonNode.Parse(
            System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(machine.CheckIn(), WireJson.Default.CheckInRequest))!;
        var names = field.Split('.');
        var text = names.Length == 1
            ? body.ToJsonString().Replace("\"outcomes\":[]", $"\"outcomes\":{value}", StringComparison.Ordinal)
            : Replace(body, names, value);
        await AssertRefusedAsync(server, machine, "/v1/check-ins", Encoding.UTF8.GetBytes(text));
    }

    [Fact]
    public async Task CheckIn_WithTooManyOutcomes_IsRefused()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var outcomes = Enumerable.Range(0, 257).Select(
            i => new Outcome($"h{i}", server.Time.GetUtcNow(), OutcomeKind.Loaded, null, null)).ToArray();
        using var answer = await server.CheckInAsync(machine, machine.CheckIn(null, outcomes));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/", HttpStatusCode.NotFound, ProblemCode.NotFound)]
    [InlineData("GET", "/v2/check-ins", HttpStatusCode.NotFound, ProblemCode.NotFound)]
    [InlineData("GET", "/v1/check-ins", HttpStatusCode.MethodNotAllowed, ProblemCode.RequestInvalid)]
    [InlineData("DELETE", "/healthz", HttpStatusCode.MethodNotAllowed, ProblemCode.RequestInvalid)]
    public async Task Route_ThatIsUnknown_IsRefusedInJson(
        string method, string path, HttpStatusCode status, ProblemCode code)
    {
        await using var server = await StartAsync();
        using var message = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await server.Client.SendAsync(message, Ct);
        Assert.Equal((status, code), (answer.StatusCode, (await ProblemAsync(answer)).Code));
    }

    [Fact]
    public async Task Failure_InsideTheServer_TellsNothingOfIt()
    {
        await using var server = await StartAsync();
        Directory.Delete(server.Folder.Blobs(BlobKind.Manifest));
        var patch = server.Publisher.Patch(1);
        using var answer = await server.Client.PutAsync(
            $"/v1/manifests/{patch.Digest}", new ByteArrayContent(patch.Envelope), Ct);
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        var text = await answer.Content.ReadAsStringAsync(Ct);
        Assert.Contains("internal-error", text, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Folder.Root, text, StringComparison.Ordinal);
    }

    /// <summary>SQLite is held to the pages that it has, as on a full disk.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Failure_ForWantOfRoomInTheDatabase_IsTheDisks(bool queued)
    {
        var folder = Directory.CreateTempSubdirectory("livepatch-full-");
        try
        {
            await using var database = Database.Open(Path.Combine(folder.FullName, "server.db")).Value;
            var call = new DefaultHttpContext();
            await Api.Routes.GuardAsync(call, async _ => Assert.Fail($"took {await FillAsync()}"), NullLogger.Instance);
            Assert.Equal(507, call.Response.StatusCode);
            Assert.Null(database.Read(db => SettingTable.Get(db, "large")));

            async Task<int> FillAsync() => queued ? await database.WriteAsync(Fill) : database.Write(Fill);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        static int Fill(Session db)
        {
            db.Run("PRAGMA max_page_count=1");
            return SettingTable.Set(db, "large", new string('x', 1 << 20));
        }
    }

    private static string Replace(JsonNode body, string[] names, string value)
    {
        const string mark = "\"@here@\"";
        body[names[0]]![names[1]] = "@here@";
        return body.ToJsonString().Replace(mark, value, StringComparison.Ordinal);
    }

    private static async Task AssertRefusedAsync(ServerUnderTest server, Machine machine, string path, byte[] body)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, path) { Content = Json(body) };
        message.Headers.Authorization = machine.Authorization;
        using var answer = await server.Client.SendAsync(message, Ct);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = await ProblemAsync(answer);
        Assert.Equal(ProblemCode.RequestInvalid, problem.Code);
        Assert.DoesNotContain('\n', problem.ToString());
    }
}
