using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Kernel;

/// <summary>
/// The kernel's small texts, each to its value. A text that is not understood is null or empty, never an exception.
/// </summary>
public static class KernelTexts
{
    /// <summary><c>none [integrity] confidentiality</c> → <c>integrity</c>.</summary>
    public static string? Lockdown(ReadOnlySpan<char> text)
    {
        var open = text.IndexOf('[');
        if (open < 0) return null;
        var rest = text[(open + 1)..];
        var close = rest.IndexOf(']');
        return close is > 0 and < 32 ? rest[..close].ToString() : null;
    }

    /// <summary>A sysfs boolean.</summary>
    public static bool Flag(ReadOnlySpan<char> text) => text.Trim() is "1" or "Y";

    /// <summary>
    /// <c>livepatch_agent=off|observe</c> among the words of the kernel's command line; the last one counts.
    /// </summary>
    public static KillSwitch CommandLineSwitch(ReadOnlySpan<char> commandLine)
    {
        const string key = "livepatch_agent=";
        var found = KillSwitch.None;
        foreach (var range in commandLine.Split(' '))
        {
            var word = commandLine[range].Trim();
            if (word.StartsWith(key)) found = Mode(word[key.Length..]);
        }

        return found;
    }

    /// <summary>
    /// <c>off</c>, <c>observe</c>, or nothing at all; what is not understood is taken for the more careful
    /// <c>observe</c>.
    /// </summary>
    public static KillSwitch Mode(ReadOnlySpan<char> text) => text.Trim() switch
    {
        "" or "normal" => KillSwitch.None,
        "off" => KillSwitch.Off,
        _ => KillSwitch.Observe,
    };

    /// <summary>A directory below a patch's object: <c>cmdline_proc_show,1</c>.</summary>
    public static PatchedFunction Function(string objectName, ReadOnlySpan<char> directory)
    {
        var comma = directory.LastIndexOf(',');
        return comma > 0 && long.TryParse(directory[(comma + 1)..], out var position)
            ? new PatchedFunction(objectName, directory[..comma].ToString(), position)
            : new PatchedFunction(objectName, directory.ToString());
    }

    /// <summary>
    /// A line of /proc/PID/stack: <c>[&lt;0&gt;] do_nanosleep+0x6f/0x180</c> → <c>do_nanosleep</c>;
    /// null for what is no frame.
    /// </summary>
    public static string? StackFrame(ReadOnlySpan<char> line)
    {
        var start = line.IndexOf("] ");
        if (start < 0) return null;
        var name = line[(start + 2)..].Trim();
        var plus = name.IndexOf('+');
        if (plus >= 0) name = name[..plus];
        return name.Length is > 0 and <= 256 ? name.ToString() : null;
    }

    /// <summary>
    /// The systemd unit in /proc/PID/cgroup: the innermost part that ends like one, else the whole path.
    /// </summary>
    public static string? Unit(ReadOnlySpan<char> cgroup)
    {
        foreach (var line in cgroup.EnumerateLines())
        {
            var second = line.LastIndexOf(':');
            if (second < 0) continue;
            var path = line[(second + 1)..].Trim();
            if (path is "" or "/") continue;
            for (var rest = path; !rest.IsEmpty;)
            {
                var slash = rest.LastIndexOf('/');
                var part = rest[(slash + 1)..];
                if (part.EndsWith(".service") || part.EndsWith(".scope")) return part.ToString();
                rest = slash < 0 ? [] : rest[..slash];
            }

            return path.ToString();
        }

        return null;
    }

    /// <summary>Whether a record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg) is livepatch's own.</summary>
    public static bool IsLivepatchRecord(ReadOnlySpan<byte> record)
    {
        var text = record.IndexOf((byte)';');
        return text >= 0 && record[(text + 1)..].StartsWith("livepatch: "u8);
    }

    /// <summary>PRETTY_NAME of os-release.</summary>
    public static string? PrettyName(ReadOnlySpan<char> osRelease)
    {
        const string key = "PRETTY_NAME=";
        foreach (var line in osRelease.EnumerateLines())
        {
            if (line.StartsWith(key)) return line[key.Length..].Trim().Trim('"').Trim('\'').ToString();
        }

        return null;
    }

    /// <summary>The build id in a module's notes/.note.gnu.build-id: an ELF note of type 3, name "GNU".</summary>
    public static string? BuildId(ReadOnlySpan<byte> note)
    {
        var isBuildId = note.Length is > 16 and <= 16 + 64 && note[12..16].SequenceEqual("GNU\0"u8);
        return isBuildId ? Convert.ToHexStringLower(note[16..]) : null;
    }
}
