using System.Net;

namespace LivepatchAgent.Server.Trust;

/// <summary>The names that the server has where nobody gave it one.</summary>
internal static class ServerNames
{
    /// <summary>What the server's own certificate names: its address first, then the host.</summary>
    public static IReadOnlyList<string> Of(Uri url)
    {
        string[] names = [url.DnsSafeHost, Hostname, "localhost"];
        return [.. names.Distinct(StringComparer.OrdinalIgnoreCase)];
    }

    public static Uri DefaultUrl(int port) => new UriBuilder(Uri.UriSchemeHttps, Hostname, port).Uri;

    private static string Hostname => Dns.GetHostName().ToLowerInvariant();
}
