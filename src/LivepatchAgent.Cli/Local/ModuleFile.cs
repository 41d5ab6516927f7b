using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Cli.Local;

/// <summary>A module that the caller names, read as the caller: the daemon has no part in it.</summary>
internal static class ModuleFile
{
    public static Result<byte[]> Read(string path)
    {
        try
        {
            using var file = File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);
            return BoundedFile.Read(file, (int)ManifestRules.MaxModuleSize) is { } bytes
                ? bytes
                : new Problem(
                    ProblemCode.ModuleTooLarge,
                    $"cannot read {path}: it has more than {ManifestRules.MaxModuleSize} bytes",
                    "no livepatch is that large: check which file this is");
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            var why = $"cannot read {path}: {FileFault.Reason(e)}";
            return new Problem(ProblemCode.DiskError, why, "check the path and your rights to it");
        }
    }
}
