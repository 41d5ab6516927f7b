using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace LivepatchAgent.Core;

/// <summary>Digests as text: lower-case hex, nothing else is accepted.</summary>
public static class Hex
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdef");

    /// <summary>
    /// 64 lower-case hex digits; safe as a file name and in a URL. False for null, which JSON can put into any list.
    /// </summary>
    public static bool IsSha256([NotNullWhen(true)] string? text) =>
        text is { Length: 64 } && !text.AsSpan().ContainsAnyExcept(Digits);
}
