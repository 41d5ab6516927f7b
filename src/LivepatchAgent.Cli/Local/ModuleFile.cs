using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Cli.Local;

/// <summary>A module that the caller names, read as the caller: the daemon has no part in it.</summary>
internal static class ModuleFile
{
    public static Result<byte[]> Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            return ReadAll(file) is { } bytes
                ? bytes
                : new Problem(ProblemCode.ModuleTooLarge, $"cannot read {path}: it has more than {ManifestRules.MaxModuleSize} bytes", "no livepatch is that large: check which file this is");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return new Problem(ProblemCode.DiskError, $"cannot read {path}: {Reason(e)}", "check the path and your rights to it");
        }
    }

    /// <summary>Null when there is more than a module can have; a pipe has no length to ask for.</summary>
    private static byte[]? ReadAll(FileStream file)
    {
        var length = file.CanSeek ? file.Length : 0;
        if (length > ManifestRules.MaxModuleSize) return null;
        // One byte more than it is said to have: a read that finds the end needs no second buffer.
        var bytes = new byte[Math.Max(length + 1, 64 << 10)];
        for (var count = 0; ;)
        {
            var read = file.Read(bytes.AsSpan(count));
            if (read == 0) return bytes[..count];
            count += read;
            if (count > ManifestRules.MaxModuleSize) return null;
            if (count == bytes.Length) Array.Resize(ref bytes, 2 * count);
        }
    }

    private static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file or folder",
        UnauthorizedAccessException => "it is a folder or the right to it is missing",
        _ => e.Message.TrimEnd('.'),
    };
}
