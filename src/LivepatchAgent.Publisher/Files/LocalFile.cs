using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Shared.Files;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Publisher.Files;

/// <summary>Files as this program reads and writes them: what goes wrong becomes a problem in one line.</summary>
internal static class LocalFile
{
    private const UnixFileMode OfOthers = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private const int MaxSecretFile = 64 << 10;
    private const string WhichFile = "check which file this is";

    public static Result<byte[]> ReadModule(string path) => Read(
        path,
        (int)ManifestRules.MaxModuleSize,
        TooLong(
            path,
            ManifestRules.MaxModuleSize,
            ProblemCode.ModuleTooLarge,
            "no livepatch is that large: check which file this is"));

    public static Result<byte[]> ReadEnvelope(string path) =>
        Read(path, CmsEnvelope.MaxSize, TooLong(path, CmsEnvelope.MaxSize, ProblemCode.ManifestInvalid, WhichFile));

    public static Result<byte[]> ReadSmall(string path) =>
        Read(path, MaxSecretFile, TooLong(path, MaxSecretFile, ProblemCode.RequestInvalid, WhichFile));

    /// <summary>
    /// A file that only its owner can read; anything else is refused before its content is looked at.
    /// </summary>
    public static Result<byte[]> ReadPrivate(string path) => Read(
        path,
        MaxSecretFile,
        new Problem(
            ProblemCode.RequestInvalid,
            $"cannot use {path}: it has more than {MaxSecretFile} bytes",
            WhichFile),
        file => OwnersAlone(path, file));

    /// <summary>Atomic. A symbolic link that is replaced stays one: its target is written.</summary>
    /// <param name="replace">False: an existing file is left alone and this is a problem.</param>
    public static Problem? Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode, bool replace)
    {
        var target = replace ? Target(path) : path;
        try
        {
            AtomicFile.Write(target, content, mode, replace);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return !replace && File.Exists(target)
                ? new Problem(
                    ProblemCode.RequestInvalid,
                    $"cannot write {path}: it exists",
                    "choose another place, or move it away yourself")
                : new Problem(
                    ProblemCode.DiskError,
                    $"cannot write {path}: {FileFault.Reason(e)}",
                    "free space or choose a folder that you can write to");
        }
    }

    private static Result<byte[]> Read(
        string path, int limit, Problem tooLong, Func<SafeFileHandle, Problem?>? refuse = null)
    {
        try
        {
            using var file = File.OpenHandle(path);
            if (refuse?.Invoke(file) is { } refusal) return refusal;
            return BoundedFile.Read(file, limit) is { } content ? content : tooLong;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new Problem(
                ProblemCode.DiskError,
                $"cannot read {path}: {FileFault.Reason(e)}",
                "check the path and your rights to it");
        }
    }

    /// <summary>The mode of the opened file, not of the name: the name can change its meaning in between.</summary>
    private static Problem? OwnersAlone(string path, SafeFileHandle file) =>
        (File.GetUnixFileMode(file) & OfOthers) == 0
        ? null
        : new Problem(
            ProblemCode.NotPermitted,
            $"cannot use {path}: users other than its owner have rights to it",
            $"chmod 600 {path}");

    private static string Target(string path)
    {
        var isLink = new FileInfo(path).LinkTarget is not null;
        return isLink && File.ResolveLinkTarget(path, returnFinalTarget: true) is { } target ? target.FullName : path;
    }

    private static Problem TooLong(string path, long limit, ProblemCode code, string cure) =>
        new(code, $"cannot read {path}: it has more than {limit} bytes", cure);
}
