namespace LivepatchAgent.Core.Agent;

/// <summary>
/// A proxy, with the name and password it wants. They are kept apart from the address, and no text of this type shows
/// them: the address stands in messages, in status.json and in what the framework says.
/// </summary>
public sealed record ProxyAddress
{
    private static readonly string[] Schemes = ["http://", "https://"];

    private ProxyAddress(Uri address, string userName, string password) =>
        (Address, UserName, Password) = (address, userName, password);

    /// <summary>Scheme, host and port, nothing else.</summary>
    public Uri Address { get; }

    /// <summary>Empty when the proxy wants none.</summary>
    public string UserName { get; }

    /// <summary>Empty when the proxy wants none.</summary>
    public string Password { get; }

    /// <summary>
    /// <c>http(s)://[NAME[:PASSWORD]@]HOST[:PORT]</c> (RFC 3986, 3.2) or null. Stricter than most readers: in an
    /// address with a path, a query, a fragment or a second @, a part of the password could pass for the host.
    /// </summary>
    public static ProxyAddress? Parse(string text)
    {
        if (Scheme(text) is not { } scheme) return null;
        var rest = text[scheme.Length..];
        if (rest.EndsWith('/')) rest = rest[..^1];
        if (rest.AsSpan().ContainsAny("/?#") || rest.Any(c => char.IsControl(c) || char.IsWhiteSpace(c))) return null;

        var at = rest.LastIndexOf('@');
        if (at != rest.IndexOf('@')) return null;
        if (Authority(scheme, rest[(at + 1)..]) is not { } address) return null;
        var credentials = at < 0 ? [""] : rest[..at].Split(':', 2);
        var password = credentials.Length == 2 ? credentials[1] : "";
        return new ProxyAddress(address, Uri.UnescapeDataString(credentials[0]), Uri.UnescapeDataString(password));
    }

    /// <summary>The address alone.</summary>
    public override string ToString() => $"{Address.Scheme}://{Address.Authority}";

    private static string? Scheme(string text) =>
        Schemes.FirstOrDefault(s => text.StartsWith(s, StringComparison.OrdinalIgnoreCase));

    private static Uri? Authority(string scheme, string text)
    {
        if (!Uri.TryCreate(scheme + text, UriKind.Absolute, out var address)) return null;
        var isBare = address is { UserInfo: "", PathAndQuery: "/", Fragment: "", Port: > 0 };
        var isHost = Uri.CheckHostName(address.Host)
            is UriHostNameType.Dns or UriHostNameType.IPv4 or UriHostNameType.IPv6;
        return isBare && isHost ? address : null;
    }
}

/// <summary>How the daemon gets to its server.</summary>
public abstract record ProxyChoice
{
    private ProxyChoice()
    {
    }

    /// <summary>As HTTPS_PROXY and NO_PROXY of the service's environment say.</summary>
    public sealed record OfEnvironment : ProxyChoice;

    /// <summary>Without a proxy, whatever the environment says.</summary>
    public sealed record Direct : ProxyChoice;

    /// <summary>Through this one.</summary>
    public sealed record Through(ProxyAddress Proxy) : ProxyChoice;
}
