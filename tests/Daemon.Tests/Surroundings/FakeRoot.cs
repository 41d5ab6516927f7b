using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>
/// A folder that stands for /, in memory where there is such a place: there a thousand fsyncs cost nothing.
/// </summary>
internal sealed class FakeRoot : IDisposable
{
    private const UnixFileMode ReadByAll = UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly DirectoryInfo _folder = Directory.Exists("/dev/shm")
        ? Directory.CreateDirectory($"/dev/shm/lpd-{Guid.NewGuid():N}")
        : Directory.CreateTempSubdirectory("lpd-");

    public FakeRoot()
    {
        // The socket is below it, and is open to everybody.
        _folder.UnixFileMode |= ReadByAll;
        Paths = new HostPaths(_folder.FullName);
    }

    public string Folder => _folder.FullName;

    public HostPaths Paths { get; }

    public string Path(string path) => System.IO.Path.Combine(_folder.FullName, path);

    public void Write(string path, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path(path))!);
        File.WriteAllText(Path(path), text);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
