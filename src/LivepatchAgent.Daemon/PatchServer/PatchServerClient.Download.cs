using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>The download of a module: resumed where it ended, and bounded in size and time.</summary>
internal sealed partial class PatchServerClient
{
    /// <summary>
    /// A download slower than this is given up and resumed later; a trickle must not hold the daemon for days.
    /// </summary>
    private const long LeastBytesPerSecond = 2048;

    /// <summary>
    /// Appends to the file what is missing of the module; exactly <paramref name="size"/> bytes when it returns.
    /// </summary>
    /// <returns>Whether the file is of several answers, of which one may not belong to the others.</returns>
    public async Task<bool> DownloadModuleAsync(
        string digest, long size, FileStream into, Action<long> progress, CancellationToken ct)
    {
        // For all answers together: one byte in each, and each just before its time is up, would take weeks.
        var longest = ServerChannel.CallTimeout + TimeSpan.FromSeconds(size / LeastBytesPerSecond);
        using var slowness = new CancellationTokenSource(longest, channel.Time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, slowness.Token);
        try
        {
            if (into.Length > size) into.SetLength(0);
            into.Position = into.Length;
            // Also of what is whole already: a power cut may have left the length and not the bytes.
            var isPieced = into.Length > 0;
            while (into.Length < size)
            {
                var before = into.Length;
                isPieced |= before > 0;
                await DownloadOnceAsync(digest, size, into, progress, patience.Token);
                if (into.Length <= before) throw ServerFaults.Invalid(Server, "it sent nothing more of the module");
            }

            return isPieced;
        }
        catch (Exception e) when (e is not DiskException)
        {
            ct.ThrowIfCancellationRequested();
            throw ServerFaults.Of(e, channel);
        }
    }

    private async Task DownloadOnceAsync(
        string digest, long size, FileStream into, Action<long> progress, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"v1/modules/{digest}");
        if (into.Length > 0) request.Headers.Range = new RangeHeaderValue(into.Length, null);
        using var silence = new CancellationTokenSource(ServerChannel.CallTimeout, channel.Time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, silence.Token);
        using var response = await SendAsync(request, patience.Token);
        await AlignAsync(into, response, patience.Token);
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

    /// <summary>Puts the file's end where the answer begins.</summary>
    private async Task AlignAsync(FileStream into, HttpResponseMessage response, CancellationToken ct)
    {
        switch (response.StatusCode)
        {
            case HttpStatusCode.OK when into.Length > 0:
                into.SetLength(0); // it does not do ranges
                into.Position = 0;
                break;
            case HttpStatusCode.OK:
                break;
            case HttpStatusCode.PartialContent:
                if (response.Content.Headers.ContentRange?.From == into.Length) break;
                throw ServerFaults.Invalid(Server, "it sent another part of the module than was asked for");
            default:
                var body = await ReadBoundedAsync(response, MaxJson, ct);
                throw ServerFaults.OfStatus(ServerCall.Module, response.StatusCode, MediaType(response), body, Server);
        }
    }
}

/// <summary>The disk failed while a download was written: not the server's fault.</summary>
internal sealed class DiskException(IOException inner) : Exception(inner.Message, inner);
