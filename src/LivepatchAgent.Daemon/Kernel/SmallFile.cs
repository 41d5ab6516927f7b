using System.Text;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>Small texts of /proc and /sys: what is missing, unreadable or too long is null.</summary>
internal static class SmallFile
{
    private const int MaxLength = 64 * 1024;

    /// <summary>The text without white space around it.</summary>
    public static string? Read(string path) => ReadBytes(path) is { } bytes ? Encoding.UTF8.GetString(bytes).Trim() : null;

    /// <summary>Many of these are missing on most hosts, and to look costs less than an exception.</summary>
    public static byte[]? ReadBytes(string path) => File.Exists(path) ? BoundedFile.TryRead(path, MaxLength) : null;
}
