using System.Security.Cryptography;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Server.Files;

/// <summary>
/// Immutable files named by the SHA-256 of their bytes. Callers check the name with <c>Hex.IsSha256</c> before they
/// ask.
/// </summary>
internal sealed class BlobStore(DataFolder folder)
{
    /// <summary>Path of the blob, or null when it is not there.</summary>
    public string? Find(BlobKind kind, string sha256)
    {
        var path = folder.Blob(kind, sha256);
        return File.Exists(path) ? path : null;
    }

    public long? Size(BlobKind kind, string sha256) =>
        Find(kind, sha256) is { } path ? new FileInfo(path).Length : null;

    /// <summary>Mends one that is damaged.</summary>
    public void Put(BlobKind kind, string sha256, ReadOnlySpan<byte> content)
    {
        if (Size(kind, sha256) != content.Length
            || !content.SequenceEqual(File.ReadAllBytes(folder.Blob(kind, sha256))))
            AtomicFile.Write(folder.Blob(kind, sha256), content, FileRights.ReadableByAll);
    }

    /// <summary>Whether it still is what its name says.</summary>
    public async Task<bool> IsSoundAsync(BlobKind kind, string sha256, CancellationToken ct)
    {
        await using var file = File.OpenRead(folder.Blob(kind, sha256));
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, ct)) == sha256;
    }

    public void Remove(BlobKind kind, string sha256) => File.Delete(folder.Blob(kind, sha256));

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
    /// <summary>Bytes come in pieces of a few KiB.</summary>
    private const int Buffer = 64 * 1024;
    private readonly DataFolder _folder;
    private readonly string _temporary;
    private readonly FileStream _file;

    public Upload(DataFolder folder)
    {
        _folder = folder;
        _temporary = Path.Combine(folder.Uploads, Guid.NewGuid().ToString("N"));
        _file = AtomicFile.Create(_temporary, FileRights.ReadableByAll, Buffer);
    }

    public long Length { get; private set; }

    public IncrementalHash Hash { get; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        Hash.AppendData(bytes.Span);
        Length += bytes.Length;
        await _file.WriteAsync(bytes, ct);
    }

    public void Commit(BlobKind kind, string sha256)
    {
        _file.Flush(flushToDisk: true);
        AtomicFile.Commit(_temporary, _folder.Blob(kind, sha256));
    }

    public async ValueTask DisposeAsync()
    {
        Hash.Dispose();
        await _file.DisposeAsync();
        File.Delete(_temporary);
    }
}
