using System.Net.NetworkInformation;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// Wakes the loop when an address appears: a check-in that failed for want of a network is tried at once.
/// </summary>
internal sealed class NetworkWatch(Inbox inbox)
{
    public void Start() => NetworkChange.NetworkAddressChanged += (_, _) =>
    {
        if (NetworkInterface.GetIsNetworkAvailable()) inbox.NetworkUp();
    };
}
