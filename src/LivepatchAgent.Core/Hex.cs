using System.Buffers;

namespace LivepatchAgent.Core;

/// <summary>Digests as text: lower-case hex, nothing else is accepted.</summary>
public static class Hex
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdef");

    /// <summary>64 lower-case hex digits; safe as a file name and in a URL.</summary>
    public static bool IsSha256(string text) => text.Length == 64 && !text.AsSpan().ContainsAnyExcept(Digits);
}
