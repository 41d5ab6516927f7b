using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Publisher.Files;

/// <summary>Files as this program reads and writes them: bounded, atomic, with the reason in a line when it does not work.</summary>
internal static class LocalFile
{
    public const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    public const UnixFileMode Public = Private | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode OfOthers = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private const int MaxSecretFile = 64 << 10;

    public static Result<byte[]> ReadModule(string path) =>
        Read(path, ManifestRules.MaxModuleSize, new Problem(ProblemCode.ModuleTooLarge, $"cannot read {path}: it has more than {ManifestRules.MaxModuleSize} bytes", "no livepatch is that large: check which file this is"));

    public static Result<byte[]> ReadEnvelope(string path) =>
        Read(path, CmsEnvelope.MaxSize, new Problem(ProblemCode.ManifestInvalid, $"cannot read {path}: it has more than {CmsEnvelope.MaxSize} bytes", "check which file this is"));

    public static Result<byte[]> ReadSmall(string path) =>
        Read(path, MaxSecretFile, new Problem(ProblemCode.RequestInvalid, $"cannot read {path}: it has more than {MaxSecretFile} bytes", "check which file this is"));

    /// <summary>A file that only its owner can read; anything else is refused before its content is looked at.</summary>
    public static Result<byte[]> ReadPrivate(string path)
    {
        try
        {
            // The mode of the opened file, not of the name: the name can change its meaning in between.
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
            if ((File.GetUnixFileMode(file.SafeFileHandle) & OfOthers) != 0)
                return new Problem(ProblemCode.NotPermitted, $"cannot use {path}: others than its owner have rights to it", $"chmod 600 {path}");
            return ReadAll(file, MaxSecretFile) ?? Result(new Problem(ProblemCode.RequestInvalid, $"cannot use {path}: it has more than {MaxSecretFile} bytes", "check which file this is"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unreadable(path, e);
        }
    }

    /// <summary>Beside the target, synced, then moved: whoever looks sees the old file or the new one, never half of one.</summary>
    /// <param name="replace">False: an existing file is left alone and this is a problem.</param>
    public static Problem? Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode, bool replace)
    {
        var target = replace && new FileInfo(path).LinkTarget is not null && File.ResolveLinkTarget(path, true) is { } link ? link.FullName : path;
        var temporary = $"{target}.{Path.GetRandomFileName()}";
        try
        {
            using (var file = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode, BufferSize = 0 }))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, target, replace);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TryDelete(temporary);
            return !replace && File.Exists(target)
                ? new Problem(ProblemCode.RequestInvalid, $"cannot write {path}: it exists", "choose another place, or move it away yourself")
                : new Problem(ProblemCode.DiskError, $"cannot write {path}: {Reason(e)}", "free space or choose a folder that you can write to");
        }
    }

    private static Result<byte[]> Read(string path, long limit, Problem tooLarge)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
            return ReadAll(file, limit) ?? Result(tooLarge);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unreadable(path, e);
        }
    }

    private static Result<byte[]> Result(Problem problem) => problem;

    /// <summary>Null when there is more than the limit; a pipe has no length to ask for.</summary>
    private static Result<byte[]>? ReadAll(FileStream file, long limit)
    {
        if (file.CanSeek && file.Length > limit) return null;
        using var memory = new MemoryStream(file.CanSeek ? (int)file.Length : 0);
        var buffer = new byte[64 << 10];
        for (int read; (read = file.Read(buffer)) > 0;)
        {
            if (memory.Length + read > limit) return null;
            memory.Write(buffer, 0, read);
        }

        return memory.ToArray();
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What could not be written can be left behind; the problem that is told is the first one.
        }
    }

    private static Problem Unreadable(string path, Exception e) =>
        new(ProblemCode.DiskError, $"cannot read {path}: {Reason(e)}", "check the path and your rights to it");

    private static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file or folder",
        UnauthorizedAccessException => "it is a folder or the right to it is missing",
        _ => e.Message.TrimEnd('.'),
    };
}
