using System.Globalization;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>
/// The calls of the check-in protocol (docs/openapi.yaml). Every failure is a <see cref="ServerException"/>.
/// </summary>
internal sealed partial class PatchServerClient(ServerChannel channel, string? authorization)
{
    private const int MaxJson = 256 * 1024;
    private const int MaxTag = 256;
    private const int MaxMachineId = 128;

    /// <summary>
    /// How long the server may hold a check-in; shorter than the hour that middleboxes and pools forget after.
    /// </summary>
    public static readonly TimeSpan Hold = TimeSpan.FromMinutes(50);

    public Uri Server => channel.Server;

    public async Task<EnrolmentAnswer> EnrolAsync(EnrolmentRequest request, CancellationToken ct)
    {
        var (said, read) = (WireJson.Default.EnrolmentRequest, WireJson.Default.EnrolmentAnswer);
        var answer = await PostAsync(ServerCall.Enrolment, "v1/enrolments", request, said, read, null, ct);
        if (IsMachineId(answer.MachineId)) return answer;
        throw ServerFaults.Invalid(Server, "it gave an impossible machine id");
    }

    public Task<Assignment> CheckInAsync(CheckInRequest request, CancellationToken ct) =>
        CheckInAsync(request, null, ct);

    /// <summary>Answered when the assignment changes, or after <see cref="Hold"/>.</summary>
    public Task<Assignment> HoldCheckInAsync(CheckInRequest request, CancellationToken ct) =>
        CheckInAsync(request, Hold, ct);

    public Task<byte[]> GetCatalogueAsync(string architecture, string kernelRelease, CancellationToken ct) =>
        GetAsync(
            ServerCall.Catalogue,
            $"v1/catalogues/{Uri.EscapeDataString(architecture)}/{Uri.EscapeDataString(kernelRelease)}",
            CmsEnvelope.MaxSize,
            ct);

    public Task<byte[]> GetManifestAsync(string digest, CancellationToken ct) =>
        GetAsync(ServerCall.Manifest, $"v1/manifests/{digest}", CmsEnvelope.MaxSize, ct);

    public Task<byte[]> GetWithdrawalAsync(string digest, CancellationToken ct) =>
        GetAsync(ServerCall.Withdrawal, $"v1/withdrawals/{digest}", CmsEnvelope.MaxSize, ct);

    public Task<byte[]> GetPinsAsync(long version, CancellationToken ct)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"v1/pins/{version}");
        return GetAsync(ServerCall.Pins, path, CmsEnvelope.MaxSize, ct);
    }

    /// <summary>What the server assigns goes into the journal and into paths: it is one, or it is nothing.</summary>
    private async Task<Assignment> CheckInAsync(CheckInRequest request, TimeSpan? hold, CancellationToken ct)
    {
        var call = hold is null ? ServerCall.CheckIn : ServerCall.HeldCheckIn;
        var (requestType, answerType) = (WireJson.Default.CheckInRequest, WireJson.Default.Assignment);
        var answer = await PostAsync(call, "v1/check-ins", request, requestType, answerType, hold, ct);
        if (answer.ManifestDigest is { } manifest && !Hex.IsSha256(manifest))
            throw ServerFaults.Invalid(Server, "the manifest it assigns is not named by a SHA-256");
        if (answer.Tag.Length is > 0 and <= MaxTag) return answer;
        throw ServerFaults.Invalid(Server, $"its assignment's tag is empty or longer than {MaxTag} characters");
    }

    /// <summary>It goes into the journal, and into a header of each call.</summary>
    private static bool IsMachineId(string id)
    {
        return id.Length is > 0 and <= MaxMachineId && id.All(IsAllowed);

        static bool IsAllowed(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '_';
    }

    private async Task<byte[]> GetAsync(ServerCall call, string path, int limit, CancellationToken ct)
    {
        try
        {
            return await channel.Retrying.ExecuteAsync(
                async token =>
                {
                    const HttpCompletionOption option = HttpCompletionOption.ResponseHeadersRead;
                    using var response = await channel.Http.GetAsync(path, option, token);
                    var body = await ReadBoundedAsync(response, limit, token);
                    return response.StatusCode == HttpStatusCode.OK
                        ? body
                        : throw ServerFaults.OfStatus(call, response.StatusCode, MediaType(response), body, Server);
                },
                ct);
        }
        catch (Exception e)
        {
            ct.ThrowIfCancellationRequested(); // hung up: however the call ends then
            throw ServerFaults.Of(e, channel);
        }
    }

    private async Task<TAnswer> PostAsync<TRequest, TAnswer>(
        ServerCall call,
        string path,
        TRequest body,
        JsonTypeInfo<TRequest> requestType,
        JsonTypeInfo<TAnswer> answerType,
        TimeSpan? hold,
        CancellationToken ct)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path);
            request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, requestType));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            if (authorization is not null)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", authorization);
            if (hold is { } wait) request.Headers.Add("Prefer", $"wait={(int)wait.TotalSeconds}");
            var longest = ServerChannel.CallTimeout + (hold ?? TimeSpan.Zero);
            using var limit = new CancellationTokenSource(longest, channel.Time);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
            using var response = await SendAsync(request, patience.Token);
            var answer = await ReadBoundedAsync(response, MaxJson, patience.Token);
            var mediaType = MediaType(response);
            if (response.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.Created))
                throw ServerFaults.OfStatus(call, response.StatusCode, mediaType, answer, Server);
            return Parse(answer, answerType, mediaType);
        }
        catch (Exception e)
        {
            ct.ThrowIfCancellationRequested(); // hung up: however the call ends then
            throw ServerFaults.Of(e, channel);
        }
    }

    private T Parse<T>(byte[] answer, JsonTypeInfo<T> type, string? mediaType)
    {
        try
        {
            return JsonSerializer.Deserialize(answer, type)
                ?? throw ServerFaults.Invalid(Server, "its answer is empty");
        }
        catch (JsonException)
        {
            var why = $"its answer cannot be understood ({ServerFaults.Named(mediaType)})";
            throw ServerFaults.Invalid(Server, why);
        }
    }

    private Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken ct) =>
        channel.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);

    private static string? MediaType(HttpResponseMessage response) => response.Content.Headers.ContentType?.MediaType;

    private async Task<byte[]> ReadBoundedAsync(HttpResponseMessage response, int limit, CancellationToken ct)
    {
        if (response.Content.Headers.ContentLength > limit) throw ServerFaults.TooLarge(Server, limit);
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        using var whole = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var read = await stream.ReadAsync(buffer, ct);
            if (read == 0) return whole.ToArray();
            if (whole.Length + read > limit) throw ServerFaults.TooLarge(Server, limit);
            whole.Write(buffer, 0, read);
        }
    }
}
