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

/// <summary>The calls of the check-in protocol (docs/openapi.yaml). Every failure is a <see cref="ServerException"/>.</summary>
internal sealed class PatchServerClient(ServerChannel channel, string? authorization)
{
    private const int MaxJson = 256 * 1024;
    private const int MaxTag = 256;
    private const int MaxMachineId = 128;

    /// <summary>A download slower than this is given up and resumed later; a drip shall not hold the daemon for days.</summary>
    private const long LeastBytesPerSecond = 2048;

    /// <summary>How long the server may hold a check-in; shorter than the hour that middleboxes and pools forget after.</summary>
    public static readonly TimeSpan Hold = TimeSpan.FromMinutes(50);

    public Uri Server => channel.Server;

    public async Task<EnrolmentAnswer> EnrolAsync(EnrolmentRequest request, CancellationToken ct)
    {
        var (said, read) = (WireJson.Default.EnrolmentRequest, WireJson.Default.EnrolmentAnswer);
        var answer = await PostAsync(ServerCall.Enrolment, "v1/enrolments", request, said, read, null, ct);
        return IsMachineId(answer.MachineId) ? answer : throw ServerFaults.Invalid(Server, "it gave an impossible machine id");
    }

    public Task<Assignment> CheckInAsync(CheckInRequest request, CancellationToken ct) => CheckInAsync(request, null, ct);

    /// <summary>Answered when the assignment changes, or after <see cref="Hold"/>.</summary>
    public Task<Assignment> HoldCheckInAsync(CheckInRequest request, CancellationToken ct) => CheckInAsync(request, Hold, ct);

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

    public Task<byte[]> GetPinsAsync(long version, CancellationToken ct) =>
        GetAsync(ServerCall.Pins, string.Create(CultureInfo.InvariantCulture, $"v1/pins/{version}"), CmsEnvelope.MaxSize, ct);

    /// <summary>Appends to the file what is missing of the module; exactly <paramref name="size"/> bytes when it returns.</summary>
    /// <returns>Whether the file is of several answers, of which one may not belong to the others.</returns>
    public async Task<bool> DownloadModuleAsync(string digest, long size, FileStream into, Action<long> progress, CancellationToken ct)
    {
        // For all answers together: one byte in each, and each just before its time is up, would take weeks.
        using var slowness = new CancellationTokenSource(ServerChannel.CallTimeout + TimeSpan.FromSeconds(size / LeastBytesPerSecond), channel.Time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, slowness.Token);
        try
        {
            if (into.Length > size) into.SetLength(0);
            into.Position = into.Length;
            // Also of what is whole already: a power cut may have left the length and not the bytes.
            var pieced = into.Length > 0;
            while (into.Length < size)
            {
                var before = into.Length;
                pieced |= before > 0;
                await DownloadOnceAsync(digest, size, into, progress, patience.Token);
                if (into.Length <= before) throw ServerFaults.Invalid(Server, "it sent nothing more of the module");
            }

            return pieced;
        }
        catch (Exception e) when (e is not DiskException)
        {
            ct.ThrowIfCancellationRequested();
            throw ServerFaults.Of(e, channel);
        }
    }

    /// <summary>What the server assigns goes into the journal and into paths: it is one, or it is nothing.</summary>
    private async Task<Assignment> CheckInAsync(CheckInRequest request, TimeSpan? hold, CancellationToken ct)
    {
        var call = hold is null ? ServerCall.CheckIn : ServerCall.HeldCheckIn;
        var (said, read) = (WireJson.Default.CheckInRequest, WireJson.Default.Assignment);
        var answer = await PostAsync(call, "v1/check-ins", request, said, read, hold, ct);
        if (answer.ManifestDigest is { } manifest && !Hex.IsSha256(manifest)) throw ServerFaults.Invalid(Server, "the manifest it assigns is not named by a SHA-256");
        return answer.Tag.Length is > 0 and <= MaxTag ? answer : throw ServerFaults.Invalid(Server, $"its assignment's tag is empty or longer than {MaxTag} characters");
    }

    /// <summary>It goes into the journal, and into a header of each call.</summary>
    private static bool IsMachineId(string id) =>
        id.Length is > 0 and <= MaxMachineId && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    private async Task DownloadOnceAsync(string digest, long size, FileStream into, Action<long> progress, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"v1/modules/{digest}");
        if (into.Length > 0) request.Headers.Range = new RangeHeaderValue(into.Length, null);
        using var silence = new CancellationTokenSource(ServerChannel.CallTimeout, channel.Time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, silence.Token);
        using var response = await channel.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
        if (response.StatusCode == HttpStatusCode.OK && into.Length > 0)
        {
            into.SetLength(0); // it does not do ranges
            into.Position = 0;
        }
        else if (response.StatusCode == HttpStatusCode.PartialContent)
        {
            if (response.Content.Headers.ContentRange?.From != into.Length) throw ServerFaults.Invalid(Server, "it sent another part of the module than was asked for");
        }
        else if (response.StatusCode != HttpStatusCode.OK)
        {
            var said = await ReadBoundedAsync(response, MaxJson, patience.Token);
            throw ServerFaults.OfStatus(ServerCall.Module, response.StatusCode, MediaType(response), said, Server);
        }

        if (response.Content.Headers.ContentLength > size - into.Length) throw ServerFaults.TooLarge(Server, size);
        await using var body = await response.Content.ReadAsStreamAsync(patience.Token);
        var buffer = new byte[64 * 1024];
        while (true)
        {
            silence.CancelAfter(ServerChannel.CallTimeout);
            var read = await body.ReadAsync(buffer, patience.Token);
            if (read == 0) return;
            if (into.Length + read > size) throw ServerFaults.TooLarge(Server, size);
            try
            {
                await into.WriteAsync(buffer.AsMemory(0, read), ct);
            }
            catch (IOException e)
            {
                throw new DiskException(e);
            }

            progress(into.Length);
        }
    }

    private async Task<byte[]> GetAsync(ServerCall call, string path, int limit, CancellationToken ct)
    {
        try
        {
            return await channel.Retrying.ExecuteAsync(
                async token =>
                {
                    using var response = await channel.Http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, token);
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
            request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, requestType)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            if (authorization is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", authorization);
            if (hold is { } wait) request.Headers.Add("Prefer", $"wait={(int)wait.TotalSeconds}");
            using var limit = new CancellationTokenSource(ServerChannel.CallTimeout + (hold ?? TimeSpan.Zero), channel.Time);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
            using var response = await channel.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            var answer = await ReadBoundedAsync(response, MaxJson, patience.Token);
            var mediaType = MediaType(response);
            if (response.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.Created))
                throw ServerFaults.OfStatus(call, response.StatusCode, mediaType, answer, Server);
            try
            {
                return JsonSerializer.Deserialize(answer, answerType) ?? throw ServerFaults.Invalid(Server, "its answer is empty");
            }
            catch (JsonException)
            {
                throw ServerFaults.Invalid(Server, $"its answer cannot be understood ({ServerFaults.Named(mediaType)})");
            }
        }
        catch (Exception e)
        {
            ct.ThrowIfCancellationRequested(); // hung up: however the call ends then
            throw ServerFaults.Of(e, channel);
        }
    }

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

/// <summary>The disk failed while a download was written: not the server's fault.</summary>
internal sealed class DiskException(IOException inner) : Exception(inner.Message, inner);
