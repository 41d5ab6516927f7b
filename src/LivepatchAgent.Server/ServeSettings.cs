using System.Net;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server;

/// <summary>What `serve` was told, checked.</summary>
internal sealed record ServeSettings
{
    public required DataFolder Folder { get; init; }

    public required IPEndPoint Listen { get; init; }

    /// <summary>The address that tokens name; null for the host's name and the port.</summary>
    public Uri? Url { get; init; }

    public KeyFiles? Tls { get; init; }

    public KeyFiles? Catalogue { get; init; }

    public IReadOnlyList<X509Certificate2> Publishers { get; init; } = [];
}

internal static class ServerNames
{
    /// <summary>What the server's own certificate names: its address first, then the host.</summary>
    public static IReadOnlyList<string> Of(Uri url) =>
        [.. new[] { url.DnsSafeHost, Dns.GetHostName().ToLowerInvariant(), "localhost" }.Distinct(StringComparer.OrdinalIgnoreCase)];

    public static Uri DefaultUrl(int port) => new UriBuilder(Uri.UriSchemeHttps, Dns.GetHostName().ToLowerInvariant(), port).Uri;
}
