namespace LivepatchAgent.Core.Modules;

/// <summary>
/// The section .modinfo: <c>key=value</c> strings, each ended by a NUL; there may be padding between them.
/// </summary>
internal static class Modinfo
{
    /// <summary>No real module has more; MODULE_ALIAS of the largest drivers comes to some thousands.</summary>
    private const int MaxEntries = 65536;

    public static IReadOnlyList<KeyValuePair<string, string>> Read(scoped ref ElfFile elf)
    {
        var index = elf.Find(".modinfo"u8);
        if (index < 0)
        {
            elf.Fail("it is not a kernel module (no .modinfo)");
            return [];
        }

        List<KeyValuePair<string, string>> entries = [];
        var rest = elf.Bytes(elf.Sections[index]);
        while (!rest.IsEmpty && elf.Fault is null)
        {
            if (rest[0] == 0)
            {
                var padding = rest.IndexOfAnyExcept((byte)0);
                rest = padding < 0 ? [] : rest[padding..];
                continue;
            }

            var end = rest.IndexOf((byte)0);
            if (end < 0)
            {
                elf.Fail("its .modinfo ends within an entry");
                break;
            }

            var equals = rest[..end].IndexOf((byte)'=');
            var key = elf.Text(equals < 0 ? rest[..end] : rest[..equals]);
            var value = equals < 0 ? "" : elf.Text(rest[(equals + 1)..end]);
            entries.Add(new(key, value));
            if (entries.Count > MaxEntries) elf.Fail($"its .modinfo has more than {MaxEntries} entries");
            rest = rest[(end + 1)..];
        }

        return entries;
    }

    /// <summary>
    /// Keys that stand more than once although the kernel takes the first of them only, in their order.
    /// </summary>
    public static IReadOnlyList<string> Repeated(IReadOnlyList<KeyValuePair<string, string>> entries)
    {
        HashSet<string> seen = [], repeated = [];
        foreach (var entry in entries)
        {
            if (IsSingle(entry.Key) && !seen.Add(entry.Key)) repeated.Add(entry.Key);
        }

        return [.. repeated];
    }

    /// <summary>The first value of a key, as the kernel's get_modinfo() takes it.</summary>
    public static string? First(IReadOnlyList<KeyValuePair<string, string>> entries, string key)
    {
        foreach (var entry in entries)
        {
            if (entry.Key == key) return entry.Value;
        }

        return null;
    }

    /// <summary>
    /// What the kernel's get_modinfo() or its tools ask for once; authors, aliases, parameters and the like may be
    /// many.
    /// </summary>
    private static bool IsSingle(string key) => key is
        "name" or "vermagic" or "livepatch" or "license" or "version" or "srcversion"
        or "depends" or "intree" or "staging" or "retpoline" or "scmversion" or "built_with";
}
