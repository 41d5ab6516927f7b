using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>Who is at the other end of the socket, as the kernel vouches for it (SO_PEERCRED, unix(7)).</summary>
internal readonly record struct PeerCredentials(int Pid, uint Uid, uint Gid)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const string Group = "livepatch";

    public static PeerCredentials Of(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12];
        return socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) == 12
            ? new PeerCredentials(MemoryMarshal.Read<int>(credentials), MemoryMarshal.Read<uint>(credentials[4..]), MemoryMarshal.Read<uint>(credentials[8..]))
            : new PeerCredentials(0, uint.MaxValue, uint.MaxValue);
    }

    /// <summary>Root, or a member of group livepatch: by its own gid or by its supplementary groups.</summary>
    public bool MayChange(HostPaths paths)
    {
        if (Uid == 0) return true;
        if (GroupId(paths) is not { } group) return false;
        return Gid == group || SupplementaryGroups(paths).Contains(group);
    }

    /// <summary>For the history: as the kernel vouches for it, but for the name, which a process gives itself.</summary>
    public HistoryBy Named(HostPaths paths) =>
        new(Uid, Pid, Kernel.SmallFile.Read(Path.Combine(paths.Processes, Pid.ToString(CultureInfo.InvariantCulture), "comm")));

    private static uint? GroupId(HostPaths paths)
    {
        if (Kernel.SmallFile.Read(paths.Groups) is not { } groups) return null;
        foreach (var line in groups.Split('\n'))
        {
            var fields = line.Split(':');
            if (fields.Length >= 3 && fields[0] == Group && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var id)) return id;
        }

        return null;
    }

    /// <summary>
    /// The process's own groups, while it is there. The pid cannot have passed to another: whoever sent the request waits
    /// for its answer.
    /// </summary>
    private uint[] SupplementaryGroups(HostPaths paths)
    {
        foreach (var line in (Kernel.SmallFile.Read(Path.Combine(paths.Processes, Pid.ToString(CultureInfo.InvariantCulture), "status")) ?? "").Split('\n'))
        {
            if (!line.StartsWith("Groups:", StringComparison.Ordinal)) continue;
            return [.. line["Groups:".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(g => uint.TryParse(g, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : uint.MaxValue)];
        }

        return [];
    }
}
