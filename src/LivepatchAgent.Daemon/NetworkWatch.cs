using System.Net.NetworkInformation;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Daemon;

/// <summary>Tells the loop when an address appears: a check-in that failed for want of a network is tried at once.</summary>
internal sealed class NetworkWatch(Inbox inbox)
{
    public void Start() => NetworkChange.NetworkAddressChanged += (_, _) =>
    {
        if (NetworkInterface.GetIsNetworkAvailable()) _ = inbox.SendAsync(new Command.NetworkUp());
    };
}
