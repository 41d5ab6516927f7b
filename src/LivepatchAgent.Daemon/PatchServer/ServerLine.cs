using System.Diagnostics;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>The way to the host's server: one channel, made again when enrolment or settings have changed.</summary>
internal sealed class ServerLine(HostPaths paths, LiveSettings settings, TimeProvider time) : IDisposable
{
    private ServerChannel? _channel;
    private (string Server, string MachineId, string TlsPins, AgentSettings Settings)? _madeFrom;

    /// <summary>As the machine that the host is enrolled as.</summary>
    public PatchServerClient Client(AgentState state)
    {
        var enrolment = state.Enrolment ?? throw new UnreachableException("not enrolled");
        var from = (enrolment.Server, enrolment.MachineId, string.Join(' ', enrolment.TlsPins), settings.Current);
        if (_madeFrom != from)
        {
            Dispose();
            _channel = Open(enrolment.Server, enrolment.TlsPins);
            _madeFrom = from;
        }

        return new PatchServerClient(_channel!, $"{enrolment.MachineId}.{enrolment.Credential}");
    }

    /// <summary>A channel of its own to a server that does not know this host yet.</summary>
    public ServerChannel Open(string server, IReadOnlyList<string> tlsPins) =>
        new(server, tlsPins, settings.Current, paths, time);

    public void Dispose()
    {
        _channel?.Dispose();
        (_channel, _madeFrom) = (null, null);
    }
}
