using System.Net;
using System.Net.Http;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Shared.Network;

/// <summary>
/// The proxy on the way to a server, as the handler wants it. Its name and password are credentials and never part of
/// its address: the framework's messages hold the address.
/// </summary>
internal static class Proxies
{
    public static WebProxy Of(ProxyAddress proxy) => new(proxy.Address)
    {
        Credentials = proxy.UserName.Length == 0 ? null : new NetworkCredential(proxy.UserName, proxy.Password),
    };

    /// <summary>
    /// The status of a proxy that refused, for a message. The framework puts it into its own message, in quotes at the
    /// end, and nowhere else.
    /// </summary>
    public static string Answer(string message)
    {
        var status = message.Split('\'').ElementAtOrDefault(3) ?? "";
        if (status is not [>= '1' and <= '5', >= '0' and <= '9', >= '0' and <= '9']) return "";
        return status == "407" ? " (HTTP 407, it wants a name and a password)" : $" (HTTP {status})";
    }

    /// <summary>Null where HTTPS_PROXY and ALL_PROXY name none, or NO_PROXY exempts the server.</summary>
    public static WebProxy? OfEnvironment(Uri server)
    {
        var environment = HttpClient.DefaultProxy;
        if (environment.IsBypassed(server) || environment.GetProxy(server) is not { } address) return null;
        // The credentials are found by the address, of which name and password are no part (Uri.Equals).
        var bare = new Uri($"{address.Scheme}://{address.Authority}");
        return new WebProxy(bare) { Credentials = environment.Credentials };
    }
}
