using System.Net;
using System.Net.Http;

namespace LivepatchAgent.Publisher.PatchServer;

/// <summary>A body that says how far it has got, piece by piece.</summary>
internal sealed class UploadContent : HttpContent
{
    private const int Piece = 64 << 10;
    private readonly byte[] _bytes;
    private readonly Action<int> _sent;

    public UploadContent(byte[] bytes, string mediaType, Action<int> sent)
    {
        _bytes = bytes;
        _sent = sent;
        Headers.ContentType = new(mediaType);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        for (var at = 0; at < _bytes.Length;)
        {
            var length = Math.Min(Piece, _bytes.Length - at);
            await stream.WriteAsync(_bytes.AsMemory(at, length), cancellationToken);
            at += length;
            _sent(at);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _bytes.Length;
        return true;
    }
}
