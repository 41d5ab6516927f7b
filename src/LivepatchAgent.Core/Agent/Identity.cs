using System.Security.Cryptography;
using System.Text;

namespace LivepatchAgent.Core.Agent;

internal static class Identity
{
    /// <summary>The same 16 hex digits for the same thing, on every run.</summary>
    public static string Of(string about)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes(about));
        return Convert.ToHexStringLower(digest.AsSpan(0, 8));
    }
}
