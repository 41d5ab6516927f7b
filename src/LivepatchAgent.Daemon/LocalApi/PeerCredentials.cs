using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using LivepatchAgent.Core.History;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>
/// Who is at the other end of the socket, all of it as the kernel noted it at connect(2) (SO_PEERCRED and
/// SO_PEERGROUPS, unix(7)). Nothing that decides is looked up by the pid: a process may end, leave the socket to a
/// child and its pid to another.
/// </summary>
internal readonly record struct PeerCredentials(int Pid, uint Uid, uint Gid, IReadOnlyList<uint> Groups)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const int SoPeerGroups = 59; // Linux 4.13
    private const int MostGroups = 65536; // NGROUPS_MAX
    private const string Group = "livepatch";

    public static PeerCredentials Nobody { get; } = new(0, uint.MaxValue, uint.MaxValue, []);

    public static PeerCredentials Of(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12];
        if (socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) != credentials.Length) return Nobody;
        var pid = MemoryMarshal.Read<int>(credentials);
        var uid = MemoryMarshal.Read<uint>(credentials[4..]);
        var gid = MemoryMarshal.Read<uint>(credentials[8..]);
        return new PeerCredentials(pid, uid, gid, GroupsOf(socket));
    }

    /// <summary>Root, or a member of group livepatch: by its own gid or by its supplementary groups.</summary>
    public bool MayChange(HostPaths paths)
    {
        if (Uid == 0) return true;
        return GroupId(paths) is { } group && (Gid == group || Groups.Contains(group));
    }

    /// <summary>
    /// For the history: as the kernel vouches for it, but for the name, which a process gives itself.
    /// </summary>
    public HistoryBy Named(HostPaths paths)
    {
        var process = Path.Combine(paths.Processes, Pid.ToString(CultureInfo.InvariantCulture));
        return new HistoryBy(Uid, Pid, SmallFile.Read(Path.Combine(process, "comm")));
    }

    private static uint? GroupId(HostPaths paths)
    {
        if (SmallFile.Read(paths.Groups) is not { } groups) return null;
        foreach (var line in groups.Split('\n'))
        {
            var fields = line.Split(':');
            if (fields.Length < 3 || fields[0] != Group) continue;
            if (uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var id)) return id;
        }

        return null;
    }

    private static uint[] GroupsOf(Socket socket)
    {
        Span<uint> few = stackalloc uint[64];
        return Read(socket, few) ?? Read(socket, new uint[MostGroups]) ?? [];
    }

    /// <summary>Null when there are more than there is room for (ERANGE), or the kernel does not say.</summary>
    private static uint[]? Read(Socket socket, Span<uint> room)
    {
        try
        {
            var bytes = socket.GetRawSocketOption(SolSocket, SoPeerGroups, MemoryMarshal.AsBytes(room));
            return room[..(bytes / sizeof(uint))].ToArray();
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
