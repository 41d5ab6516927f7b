using System.Globalization;

namespace LivepatchAgent.Core.Kernel;

/// <summary>A line of /proc/keys (proc_keys(5)).</summary>
/// <param name="Type">At most nine characters of it: <c>keyring</c>, <c>asymmetri</c>, <c>blacklist</c>.</param>
/// <param name="Description">Of a keyring without the count behind it; of an asymmetric key subject and key id.</param>
public sealed record KeyLine(int Id, string Type, string Description)
{
    /// <summary>
    /// <c>1f2e3d4c I------ 1 perm 1f0b0000 0 0 keyring .builtin_trusted_keys: 2</c>; null for what is no such line.
    /// </summary>
    public static KeyLine? Read(string line)
    {
        var words = line.Split(' ', 9, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 9) return null;
        const NumberStyles Hex = NumberStyles.AllowHexSpecifier;
        if (!uint.TryParse(words[0], Hex, CultureInfo.InvariantCulture, out var id)) return null;
        var (type, text) = (words[7], words[8].Trim());
        // "subject: id: X509.rsa 419ea1 []"; of a keyring ": 2" or ": empty"
        var hasEnd = type is "asymmetri" or "keyring";
        var end = hasEnd ? text.LastIndexOf(": ", StringComparison.Ordinal) : -1;
        return new KeyLine((int)id, type, end > 0 ? text[..end] : text);
    }
}
