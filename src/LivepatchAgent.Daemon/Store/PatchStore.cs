using LivepatchAgent.Core;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>
/// Manifests and modules by digest. What lies here is not believed: it is verified each time it is used.
/// </summary>
internal sealed class PatchStore
{
    /// <summary>Journal and manifests are kilobytes.</summary>
    private const long Reserve = 128 * 1024;

    private readonly string _manifests;
    private readonly string _modules;

    public PatchStore(string folder)
    {
        _manifests = Path.Combine(folder, "manifests");
        _modules = Path.Combine(folder, "modules");
    }

    /// <summary>Only digests become paths.</summary>
    public string Manifest(string digest) => Path.Combine(_manifests, Checked(digest) + ".p7m");

    public string Module(string digest) => Path.Combine(_modules, Checked(digest) + ".ko");

    /// <summary>Where a download grows; it is resumed from here.</summary>
    public string Partial(string digest) => Path.Combine(_modules, Checked(digest) + ".part");

    public void SaveManifest(string digest, ReadOnlySpan<byte> envelope)
    {
        Directory.CreateDirectory(_manifests);
        AtomicFile.Write(Manifest(digest), envelope, FileRights.OwnerOnly);
    }

    /// <summary>The download's file, to be appended to.</summary>
    public FileStream OpenPartial(string digest)
    {
        Directory.CreateDirectory(_modules);
        return new FileStream(Partial(digest), new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            UnixCreateMode = FileRights.OwnerOnly,
            BufferSize = 0,
            Options = FileOptions.Asynchronous,
        });
    }

    /// <summary>Null when the disk has room for so much more and for the journal beside it.</summary>
    public Problem? Lacks(long bytes)
    {
        var free = new DriveInfo(_modules).AvailableFreeSpace;
        if (free >= bytes + Reserve) return null;
        var room = Math.Max(0, free - Reserve);
        return new Problem(
            ProblemCode.DiskFull,
            $"cannot store the module: {bytes} bytes are to come and {_modules} has room for {room}",
            "free some space under /var/lib; it is tried again and the host keeps what it runs");
    }

    /// <summary>A whole download takes its place.</summary>
    public void Complete(string digest) => AtomicFile.Commit(Partial(digest), Module(digest));

    public void Drop(string digest)
    {
        File.Delete(Module(digest));
        File.Delete(Partial(digest));
    }

    /// <summary>The same on a disk that has just failed: whether it can still delete is another question.</summary>
    public void TryDrop(string digest)
    {
        try
        {
            Drop(digest);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // the next look meets the same fault, and waits longer
        }
    }

    public void Tidy(IReadOnlyList<string> manifests, IReadOnlyList<string> modules)
    {
        Sweep(_manifests, manifests);
        Sweep(_modules, modules);
    }

    private static void Sweep(string folder, IReadOnlyList<string> kept)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            if (!kept.Contains(Path.GetFileNameWithoutExtension(file))) File.Delete(file);
        }
    }

    private static string Checked(string digest) =>
        Hex.IsSha256(digest) ? digest : throw new ArgumentException("not a SHA-256", nameof(digest));
}
