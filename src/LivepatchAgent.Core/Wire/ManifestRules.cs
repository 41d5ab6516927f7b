using System.Diagnostics.CodeAnalysis;

namespace LivepatchAgent.Core.Wire;

/// <summary>
/// What a manifest must look like, no matter who signed it; the publisher checks the same before signing.
/// </summary>
public static class ManifestRules
{
    /// <summary>No livepatch seen in the field comes near it.</summary>
    public const long MaxModuleSize = 256L << 20;
    public const int MaxText = 512;
    private const int MaxFixes = 4096;
    private const int MaxFunctions = 16384;

    /// <summary>The kernel's MODULE_NAME_LEN on 64 bit, less the terminator.</summary>
    private const int MaxModuleName = 55;

    /// <summary>What is wrong with it, or null.</summary>
    public static string? Fault(PatchManifest manifest)
    {
        var module = manifest.Module;
        if (!IsModuleName(module.Name)) return "its module name is not one a kernel module can have";
        if (!Hex.IsSha256(module.Sha256)) return "its module digest is not a SHA-256";
        if (module.Size is <= 0 or > MaxModuleSize)
            return $"its module size {module.Size} is not between 1 and {MaxModuleSize} bytes";
        if (manifest.Sequence < 1) return "its sequence is below 1";
        if (!IsWord(manifest.KernelRelease) || !IsWord(manifest.Architecture))
            return "its kernel release or architecture is not a plain word";
        if (!IsLine(manifest.Version) || !IsLine(manifest.Notice))
            return "its version or notice is not one line of text";
        if (manifest.Fixes.Count > MaxFixes || !manifest.Fixes.All(IsWord))
            return "its list of fixes is too long or holds no identifiers";
        if (module.Functions.Count > MaxFunctions || !module.Functions.All(IsWhole))
            return "its list of functions is too long or malformed";
        return null;
    }

    private static bool IsWhole(PatchedFunction? function) =>
        function is not null && IsLine(function.Object) && IsLine(function.Name);

    public static bool IsModuleName(string name) =>
        name.Length is > 0 and <= MaxModuleName && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_');

    /// <summary>
    /// A kernel release, an architecture, an identifier: no white space, nothing to quote. False for null, which JSON
    /// can put into any list.
    /// </summary>
    public static bool IsWord([NotNullWhen(true)] string? text) =>
        text is { Length: > 0 and <= 128 } && text.All(IsWordLetter);

    private static bool IsWordLetter(char c) =>
        char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '+' or '~' or ':';

    /// <summary>One line for people; no control characters, so it cannot steer a terminal.</summary>
    public static bool IsLine([NotNullWhen(true)] string? text) =>
        text is { Length: > 0 and <= MaxText } && !text.Any(char.IsControl);
}
