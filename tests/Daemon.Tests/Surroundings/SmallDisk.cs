using System.Runtime.InteropServices;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>A disk of so many KiB: tmpfs, which needs root, as these tests do anyway.</summary>
internal sealed partial class SmallDisk : IDisposable
{
    private readonly string _folder;

    public SmallDisk(string folder, int kib)
    {
        _folder = Directory.CreateDirectory(folder).FullName;
        Mount(0, kib);
    }

    public void Grow(int kib) => Mount(32 /* MS_REMOUNT */, kib);

    public void Fill()
    {
        var path = Path.Combine(_folder, "filler");
        using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, 0);
        try
        {
            while (true) file.Write(new byte[4096]);
        }
        catch (IOException)
        {
            // full
        }
    }

    public void Empty() => File.Delete(Path.Combine(_folder, "filler"));

    public void Dispose() => Assert.Equal(0, Unmount(_folder, 2 /* MNT_DETACH */));

    private void Mount(ulong flags, int kib)
    {
        var isMounted = Mount("tmpfs", _folder, "tmpfs", flags, $"size={kib}k,mode=700") == 0;
        var errno = Marshal.GetLastPInvokeError();
        Assert.True(isMounted, $"cannot mount a small disk: errno {errno}; these tests run as root");
    }

    [LibraryImport("libc", EntryPoint = "mount", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Mount(string source, string target, string type, ulong flags, string data);

    [LibraryImport("libc", EntryPoint = "umount2", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Unmount(string target, int flags);
}
