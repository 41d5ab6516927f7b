using System.Security.Cryptography;

namespace LivepatchAgent.Server.Storage;

/// <summary>Immutable files named by the SHA-256 of their bytes. Callers check the name with <c>Hex.IsSha256</c> before they ask.</summary>
internal sealed class BlobStore(DataFolder folder)
{
    /// <summary>Path of the blob, or null when it is not there.</summary>
    public string? Find(BlobKind kind, string sha256)
    {
        var path = folder.Blob(kind, sha256);
        return File.Exists(path) ? path : null;
    }

    public long? Size(BlobKind kind, string sha256) => Find(kind, sha256) is { } path ? new FileInfo(path).Length : null;

    public void Put(BlobKind kind, string sha256, ReadOnlySpan<byte> content)
    {
        if (Find(kind, sha256) is null) Durable.Write(folder.Blob(kind, sha256), content, Durable.Public);
    }

    /// <summary>A place to write an upload to; nothing is kept of it unless it is committed.</summary>
    public Upload StartUpload() => new(folder);

    /// <summary>What a crash left half uploaded. Only the one process that serves this folder may call it.</summary>
    public void RemoveLeftovers()
    {
        foreach (var file in Directory.EnumerateFiles(folder.Uploads)) File.Delete(file);
    }
}

/// <summary>One upload: hashed on the way to the disk.</summary>
internal sealed class Upload : IAsyncDisposable
{
    private readonly DataFolder _folder;
    private readonly string _temporary;
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public Upload(DataFolder folder)
    {
        _folder = folder;
        _temporary = Path.Combine(folder.Uploads, Guid.NewGuid().ToString("N"));
        _file = Durable.Create(_temporary, Durable.Public);
    }

    public long Length { get; private set; }

    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        _hash.AppendData(bytes.Span);
        Length += bytes.Length;
        await _file.WriteAsync(bytes, ct);
    }

    public string Digest() => Convert.ToHexStringLower(_hash.GetCurrentHash());

    public void Commit(BlobKind kind, string sha256)
    {
        _file.Flush(flushToDisk: true);
        Durable.Commit(_temporary, _folder.Blob(kind, sha256));
    }

    public async ValueTask DisposeAsync()
    {
        _hash.Dispose();
        await _file.DisposeAsync();
        File.Delete(_temporary);
    }
}
