using System.Net;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Host;

/// <summary>What `serve` was asked to do, checked.</summary>
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
