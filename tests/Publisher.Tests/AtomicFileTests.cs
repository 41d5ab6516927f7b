using System.Diagnostics;
using System.Text;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Publisher.Tests;

/// <summary>What all programs write with (src/Shared/Files); the publisher's copy stands for the others.</summary>
public sealed class AtomicFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("atomic-file-");

    private string Target => Path.Combine(_folder.FullName, "file");

    [Theory]
    [InlineData(FileRights.OwnerOnly)]
    [InlineData(FileRights.ReadableByAll)]
    public void Write_ReplacesWhole_WithItsMode_AndLeavesNothingBeside(UnixFileMode mode)
    {
        File.WriteAllText(Target, "something longer than what comes");
        File.SetUnixFileMode(Target, UnixFileMode.OtherWrite);
        AtomicFile.Write(Target, "two", mode);
        Assert.Equal("two", File.ReadAllText(Target));
        Assert.Equal(mode, File.GetUnixFileMode(Target));
        Assert.Single(_folder.GetFiles());
    }

    [Fact]
    public void Write_ThatMayNotReplace_LeavesTheFileAlone()
    {
        AtomicFile.Write(Target, "one"u8, FileRights.OwnerOnly, replace: false);
        Assert.Throws<IOException>(() => AtomicFile.Write(Target, "two"u8, FileRights.OwnerOnly, replace: false));
        Assert.Equal("one", File.ReadAllText(Target));
        Assert.Single(_folder.GetFiles());
    }

    /// <summary>A folder of this name is in the way of the rename, after all bytes were written.</summary>
    [Fact]
    public void Write_ThatFails_RemovesWhatItWrote()
    {
        Directory.CreateDirectory(Target);
        Assert.ThrowsAny<Exception>(() => AtomicFile.Write(Target, "one", FileRights.OwnerOnly));
        Assert.Empty(_folder.GetFiles());
    }

    [Fact]
    public async Task Write_OfManyAtOnce_IsOneOfThemWhole()
    {
        var texts = Enumerable.Range(0, 16).Select(i => new string((char)('a' + i), 10_000)).ToList();
        await Task.WhenAll(texts.Select(text => Task.Run(() => AtomicFile.Write(Target, text, FileRights.OwnerOnly))));
        Assert.Contains(File.ReadAllText(Target), texts);
        Assert.Single(_folder.GetFiles());
    }

    /// <summary>"." and "catalogue.key" have a folder to sync too.</summary>
    [Fact]
    public void Write_ToARelativePath_FindsItsFolder()
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "livepatch-publisher"))
        {
            WorkingDirectory = _folder.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { "keygen", "--kind", "catalogue", "--out", "." },
        };
        using var keygen = Process.Start(start)!;
        Assert.Equal("", keygen.StandardError.ReadToEnd());
        keygen.WaitForExit();
        Assert.Equal(
            ["catalogue.key", "catalogue.pem"],
            _folder.GetFiles().Select(file => file.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void RemoveLeftovers_RemovesThoseOfThisFileAlone()
    {
        string[] kept = ["file", "file.old", "file.old.new.txt", "other.abc.new"];
        string[] left = ["file.new", "file.u3k1x0aq.2fz.new"];
        foreach (var name in kept.Concat(left)) File.WriteAllText(Path.Combine(_folder.FullName, name), "");
        AtomicFile.RemoveLeftovers(Target);
        Assert.Equal(kept, _folder.GetFiles().Select(file => file.Name).Order(StringComparer.Ordinal));
        AtomicFile.RemoveLeftovers(Path.Combine(_folder.FullName, "missing", "file"));
    }

    [Fact]
    public void SyncFolder_OfAFileSystemThatHasNothingToSync_Succeeds()
    {
        AtomicFile.SyncFolder(_folder.FullName);
        AtomicFile.SyncFolder("/proc"); // which says EINVAL
    }

    [Theory]
    [InlineData("missing", 2)] // ENOENT
    [InlineData("file", 20)] // ENOTDIR
    public void SyncFolder_ThatIsNoFolder_ThrowsWithItsErrno(string name, int errno)
    {
        File.WriteAllText(Target, "");
        var path = Path.Combine(_folder.FullName, name);
        var fault = Assert.Throws<IOException>(() => AtomicFile.SyncFolder(path));
        Assert.Equal(errno, fault.HResult);
        Assert.Contains(path, fault.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}

/// <summary>What all programs read small foreign files with.</summary>
public sealed class BoundedFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bounded-file-");

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(9999)]
    [InlineData(10_000)]
    public void Read_OfAFile_IsAllOfIt(int length)
    {
        var content = RandomBytes(length);
        Assert.Equal(content, BoundedFile.TryRead(Put(content), 10_000));
        Assert.Equal(content, BoundedFile.TryRead(Put(content), length));
        if (length > 0) Assert.Null(BoundedFile.TryRead(Put(content), length - 1));
    }

    /// <summary>Whose size is 0, or larger than what it holds.</summary>
    [Theory]
    [InlineData("/proc/self/status", "Name:")]
    [InlineData("/sys/class/net/lo/address", "00:00:00")]
    public void Read_OfAFileWithoutATrueSize_IsAllOfIt(string path, string part)
    {
        var text = BoundedFile.TryRead(path, 64 << 10);
        Assert.NotNull(text);
        Assert.Contains(part, Encoding.UTF8.GetString(text), StringComparison.Ordinal);
        Assert.Null(BoundedFile.TryRead(path, 8));
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/nowhere/at/all")]
    [InlineData("/tmp")]
    [InlineData("")]
    public void TryRead_OfWhatHasNoEndOrCannotBeRead_IsNull(string path) =>
        Assert.Null(BoundedFile.TryRead(path, 10_000));

    [Theory]
    [InlineData(10_000, true)]
    [InlineData(10_001, false)]
    public async Task Read_OfAPipe_IsAllOfIt(int length, bool fits)
    {
        var pipe = Path.Combine(_folder.FullName, "pipe");
        using (var make = Process.Start("mkfifo", pipe))
            await make.WaitForExitAsync(TestContext.Current.CancellationToken);
        var content = RandomBytes(length);
        var write = Task.Run(() =>
        {
            using var stream = new FileStream(pipe, FileMode.Open, FileAccess.Write);
            stream.Write(content);
        }, TestContext.Current.CancellationToken);
        Assert.Equal(fits ? content : null, BoundedFile.TryRead(pipe, 10_000));
        try
        {
            await write;
        }
        catch (IOException) when (!fits)
        {
            // The reader had enough: a broken pipe.
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private string Put(byte[] content)
    {
        var path = Path.Combine(_folder.FullName, "file");
        File.WriteAllBytes(path, content);
        return path;
    }

    private static byte[] RandomBytes(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
