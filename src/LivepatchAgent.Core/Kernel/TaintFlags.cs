namespace LivepatchAgent.Core.Kernel;

/// <summary>/proc/sys/kernel/tainted as letters (Documentation/admin-guide/tainted-kernels.rst).</summary>
public static class TaintFlags
{
    private const string Letter = "PFSRMBUDAWCIOELKXTNJ";

    /// <summary>Bit 15: a livepatch is or was loaded.</summary>
    public const long LivePatched = 1 << 15;

    /// <summary>E.g. <c>OK</c>; empty for a clean kernel. Bits this table does not know are shown as ?.</summary>
    public static string Letters(long taint)
    {
        if (taint == 0) return "";
        Span<char> letters = stackalloc char[64];
        var n = 0;
        for (var bit = 0; bit < 63; bit++)
        {
            if ((taint & (1L << bit)) != 0) letters[n++] = bit < Letter.Length ? Letter[bit] : '?';
        }

        return new string(letters[..n]);
    }
}
