using System.Security.Cryptography;
using System.Text;

namespace LivepatchAgent.Server.Registry;

/// <summary>The server keeps a secret's digest alone: who reads its database can enrol nothing.</summary>
internal static class TokenSecret
{
    /// <summary>SHA-256 in lower-case hex.</summary>
    public static string Digest(string secret) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
