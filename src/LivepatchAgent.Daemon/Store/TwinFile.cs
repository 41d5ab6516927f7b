using System.Runtime.InteropServices;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>
/// A file and its older copy, of which the next content needs no room: it is written over the older copy, in place, and
/// synced; then the two change names at once (renameat2(2), RENAME_EXCHANGE). A power cut leaves the file as it was or
/// whole and new. Both end in spaces, which are room for what is yet to come.
/// </summary>
internal static partial class TwinFile
{
    /// <summary>Sizes are multiples of it.</summary>
    private const int Unit = 32 << 10;

    /// <summary>
    /// Beside each content, while there is room: on a full disk up to 32 lines of the history wait in the journal, of
    /// up to 1 KiB each.
    /// </summary>
    private const int Spare = 32 << 10;

    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint Exchange = 2; // RENAME_EXCHANGE

    /// <exception cref="IOException">
    /// The disk failed, or is full and the older copy too small; the file is as it was.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public static void Write(string path, string older, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        using (var file = new FileStream(older, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.Write,
            UnixCreateMode = mode,
            BufferSize = 0,
        }))
        {
            var before = file.Length;
            file.Write(content);
            Pad(file, before);
            Extend(file, (content.Length + Spare + Unit - 1) / Unit * Unit);
            file.Flush(flushToDisk: true);
        }

        if (!File.Exists(path) || RenameAt(CurrentFolder, older, CurrentFolder, path, Exchange) != 0)
        {
            // The first time; or on a file system that cannot exchange, where the next older copy needs room again.
            File.Move(older, path, overwrite: true);
        }

        AtomicFile.SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>What is left of the older content would be read as part of the new.</summary>
    private static void Pad(FileStream file, long end)
    {
        Span<byte> spaces = stackalloc byte[4096];
        spaces.Fill((byte)' ');
        while (file.Position < end) file.Write(spaces[..(int)Math.Min(spaces.Length, end - file.Position)]);
    }

    /// <summary>For later: no room for it now is no reason not to save.</summary>
    private static void Extend(FileStream file, long end)
    {
        try
        {
            Pad(file, end);
        }
        catch (IOException)
        {
            // the disk is full
        }
    }

    [LibraryImport("libc", EntryPoint = "renameat2", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int RenameAt(int fromFolder, string from, int toFolder, string to, uint flags);
}
