using System.Runtime.InteropServices;
using System.Text;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The kernel's keyrings for signatures: /proc/keys lists keys, keyctl(2) shows which ring has which.
/// </summary>
internal sealed partial class KernelKeys(HostPaths paths)
{
    /// <summary>Whose keys a kernel may take for modules, and the list of those that it never takes.</summary>
    private static readonly string[] Rings =
    [
        ".builtin_trusted_keys",
        ".secondary_trusted_keys",
        ".machine",
        ".platform",
        ".blacklist",
    ];

    /// <summary>
    /// The secondary ring holds links to the built-in and the machine ring: asking it asks what the kernel asks.
    /// </summary>
    private static readonly string[] SearchedRings =
    [
        ".blacklist",
        ".secondary_trusted_keys",
        ".builtin_trusted_keys",
        ".machine",
        ".platform",
    ];

    private const int MaxRingBytes = 64 * 1024;

    /// <summary>Null when /proc/keys cannot be read or shows none of the kernel's rings.</summary>
    public KeyringFacts? Read(IReadOnlyList<string> signers)
    {
        var lines = new List<KeyLine>();
        if (!LongFile.Read(paths.Keys, line =>
        {
            if (KeyLine.Read(Encoding.UTF8.GetString(line)) is { } key) lines.Add(key);
        })) return null;
        var rings = lines.Where(k => k.Type == "keyring" && Rings.Contains(k.Description)).ToList();
        if (rings.Count == 0) return null;
        var keys = new List<KernelKey>();
        var placed = new HashSet<int>();
        foreach (var ring in rings)
        {
            foreach (var id in Members(ring.Id))
            {
                if (lines.Find(k => k.Id == id) is not { } key || key.Type == "keyring") continue;
                placed.Add(id);
                keys.Add(new KernelKey(key.Description, ring.Description));
            }
        }

        var others = lines.Where(k => k.Type == "asymmetri" && !placed.Contains(k.Id));
        keys.AddRange(others.Select(k => new KernelKey(k.Description)));
        return new KeyringFacts(keys, Signers(rings, signers));
    }

    private static Dictionary<string, string>? Signers(List<KeyLine> rings, IReadOnlyList<string> signers)
    {
        if (signers.Count == 0) return null;
        var found = new Dictionary<string, string>();
        foreach (var signer in signers)
        {
            var holder = "";
            foreach (var name in SearchedRings)
            {
                if (rings.Find(r => r.Description == name) is not { } ring) continue;
                switch (Search(ring.Id, signer))
                {
                    case true when holder.Length == 0:
                        holder = name;
                        break;
                    case null:
                        return null; // not allowed to ask: nothing is known
                    default:
                        break;
                }
            }

            found[signer] = holder;
        }

        return found;
    }

    private static unsafe ReadOnlySpan<int> Members(int ring)
    {
        // Asked without room, the kernel says how much it has.
        if (KeyControl(Number, KEYCTL_READ, ring, 0, 0, 0) is not (> 0 and <= MaxRingBytes and var size)) return [];
        var buffer = new int[size / sizeof(int)];
        fixed (int* start = buffer)
        {
            var length = KeyControl(Number, KEYCTL_READ, ring, (nint)start, size, 0);
            return length <= 0 ? [] : buffer.AsSpan(0, (int)Math.Min(length, size) / sizeof(int));
        }
    }

    /// <summary>
    /// Whether a ring has the key of this id, by the very search that the kernel makes for a signature. The kernel
    /// gives nobody the key itself: a refusal means that the key is there.
    /// </summary>
    private static unsafe bool? Search(int ring, string signer)
    {
        fixed (byte* type = "asymmetric\0"u8)
        fixed (byte* description = Encoding.ASCII.GetBytes(signer + "\0"))
        {
            if (KeyControl(Number, KEYCTL_SEARCH, ring, (nint)type, (nint)description, 0) >= 0) return true;
            return Marshal.GetLastPInvokeError() switch
            {
                EACCES => true,
                ENOKEY => false,
                _ => null,
            };
        }
    }

    // include/uapi/linux/keyctl.h
    private const int KEYCTL_SEARCH = 10;
    private const int KEYCTL_READ = 11;
    private const int EACCES = 13;
    private const int ENOKEY = 126;

    // arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h (arm64)
    private static long Number => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 250 : 219;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint KeyControl(long number, nint operation, nint key, nint a, nint b, nint c);
}
