namespace LivepatchAgent.Core.Modules;

/// <summary>
/// The names by which the kernel's livepatch code finds objects, read as its sscanf does: <c>.klp.rela.%55[^.]</c> and
/// <c>.klp.sym.%55[^.].%511[^,],%lu</c> (kernel/livepatch/core.c).
/// </summary>
internal static class LivepatchSymbolName
{
    private const int MaxObject = 55;

    /// <summary>The object's name in a section's; empty when the kernel would not find one.</summary>
    public static ReadOnlySpan<byte> ObjectOfSection(ReadOnlySpan<byte> name)
    {
        var prefix = KernelNeeds.RelaPrefix;
        return name.StartsWith(prefix) ? Object(name[prefix.Length..], mustEnd: false) : [];
    }

    /// <summary>The object's name in a symbol's; empty when the kernel would not take the whole name.</summary>
    public static ReadOnlySpan<byte> ObjectOfSymbol(ReadOnlySpan<byte> name)
    {
        if (!name.StartsWith(KernelNeeds.SymbolPrefix)) return [];
        var rest = name[KernelNeeds.SymbolPrefix.Length..];
        var found = Object(rest, mustEnd: true);
        if (found.IsEmpty) return [];
        rest = rest[(found.Length + 1)..];
        var comma = rest.IndexOf((byte)',');
        if (comma is <= 0 or >= ElfFile.MaxName || comma + 1 >= rest.Length) return [];
        return char.IsAsciiDigit((char)rest[comma + 1]) ? found : [];
    }

    private static ReadOnlySpan<byte> Object(ReadOnlySpan<byte> text, bool mustEnd)
    {
        var dot = text.IndexOf((byte)'.');
        var length = dot < 0 ? text.Length : dot;
        return length is 0 or > MaxObject || (mustEnd && dot < 0) ? [] : text[..length];
    }
}
