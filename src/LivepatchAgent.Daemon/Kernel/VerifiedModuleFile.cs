using System.Runtime.ExceptionServices;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// A module file that was verified and is still held open: opened once, read for the verdict, and the same handle goes
/// to the kernel, so nothing can be put in its place between the two.
/// </summary>
internal sealed class VerifiedModuleFile : IDisposable
{
    private const int ChunkSize = 64 * 1024;

    /// <summary>From this size on a second thread is worth its start: hashing it takes milliseconds.</summary>
    private const long LargeFile = 4 << 20;

    private VerifiedModuleFile(SafeFileHandle handle, VerifiedModule module)
    {
        Handle = handle;
        Module = module;
    }

    public SafeFileHandle Handle { get; }

    public VerifiedModule Module { get; }

    public static Result<VerifiedModuleFile> Open(
        string path,
        VerifiedManifest manifest,
        IReadOnlyList<X509Certificate2> publishers,
        string kernelRelease,
        string architecture)
    {
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.SequentialScan);
        try
        {
            var verdict = Verify(handle, manifest, publishers, kernelRelease, architecture);
            if (!verdict.TryGet(out var module, out var problem)) return problem;
            var verified = new VerifiedModuleFile(handle, module);
            handle = null;
            return verified;
        }
        finally
        {
            handle?.Dispose();
        }
    }

    public void Dispose() => Handle.Dispose();

    private static Result<VerifiedModule> Verify(
        SafeFileHandle handle,
        VerifiedManifest manifest,
        IReadOnlyList<X509Certificate2> publishers,
        string kernelRelease,
        string architecture)
    {
        var length = RandomAccess.GetLength(handle);
        var buffer = new byte[ChunkSize + ModuleSignature.TrailerLength];
        var tail = buffer.AsSpan(0, (int)Math.Min(length, buffer.Length));
        ReadExactly(handle, tail, length - tail.Length);
        var begin = ModuleVerifier.Begin(manifest, publishers, length, tail);
        if (!begin.TryGet(out var verifier, out var problem)) return problem;
        using (verifier)
        {
            var chunk = buffer.AsSpan(0, ChunkSize);
            if (length < LargeFile || !verifier.ReadsTwice) Read(handle, length, chunk, verifier.Append);
            else ReadTwice(handle, length, chunk, verifier);
            return verifier.Finish(MappedFile.Read(handle, ModuleReader.Read), kernelRelease, architecture);
        }
    }

    /// <summary>
    /// For each hash a reading of its own, at the same time: the file is in the page cache, and the hashes are what
    /// takes time.
    /// </summary>
    private static void ReadTwice(SafeFileHandle handle, long length, Span<byte> buffer, ModuleVerifier verifier)
    {
        ExceptionDispatchInfo? fault = null;
        var content = new Thread(() =>
        {
            try
            {
                Read(handle, verifier.ContentLength, new byte[ChunkSize], verifier.AppendToContent);
            }
#pragma warning disable CA1031 // thrown again on the thread that waits
            catch (Exception e)
#pragma warning restore CA1031
            {
                fault = ExceptionDispatchInfo.Capture(e);
            }
        }, maxStackSize: 128 * 1024);
        content.Start();
        try
        {
            Read(handle, length, buffer, verifier.AppendToFile);
        }
        finally
        {
            content.Join();
        }

        fault?.Throw();
    }

    private static void Read(SafeFileHandle handle, long length, Span<byte> buffer, Action<ReadOnlySpan<byte>> take)
    {
        for (long offset = 0; offset < length;)
        {
            var chunk = buffer[..(int)Math.Min(buffer.Length, length - offset)];
            ReadExactly(handle, chunk, offset);
            take(chunk);
            offset += chunk.Length;
        }
    }

    private static void ReadExactly(SafeFileHandle handle, Span<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            var read = RandomAccess.Read(handle, buffer, offset);
            if (read == 0) throw new EndOfStreamException("the file became shorter while it was read");
            buffer = buffer[read..];
            offset += read;
        }
    }
}
