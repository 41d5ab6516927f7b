using System.Globalization;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// /etc/livepatch-agent/agent.conf, read once and validated: <c>key = value</c> lines. # begins a comment at the start
/// of a line or after white space.
/// </summary>
public sealed record AgentSettings
{
    private const int MaxShown = 60;
    private const string Cure = "see the comments in the file as it was installed; until then the defaults apply";

    private const string ProxyCure = "write it as http://NAME:PASSWORD@HOST:PORT; in the name and the password "
        + "write # / ? @ as %23 %2F %3F %40, and a blank as %20; a comment goes on a line of its own; "
        + "until then the defaults apply";

    /// <summary>Those whose value may be shown.</summary>
    private static readonly string[] Keys =
    [
        "log-level", "ca-file", "check-in-minutes", "stall-policy", "stall-reverse-after-minutes", "probation-minutes",
    ];

    /// <summary>debug, info, warning or error.</summary>
    public string LogLevel { get; init; } = "info";

    /// <summary>What stands on the way to the server.</summary>
    public ProxyChoice Proxy { get; init; } = new ProxyChoice.OfEnvironment();

    /// <summary>PEM file of CAs that may vouch for a server whose token pins no key; null takes the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>Overrides the server's interval.</summary>
    public TimeSpan? CheckInEvery { get; init; }

    public AgentPolicy Policy { get; init; } = new();

    /// <summary>The settings, or what is wrong in which line. <paramref name="file"/> is for the message.</summary>
    public static Result<AgentSettings> Parse(string text, string file)
    {
        var settings = new AgentSettings();
        var stall = new Stall(false, TimeSpan.FromMinutes(10));
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var (content, comment) = Parts(raw);
            if (content.Length == 0) continue;
            var parts = content.Split('=', 2);
            if (parts.Length != 2) return Wrong(file, number, "it is not `key = value`", Cure);
            var (key, value) = (parts[0].Trim(), parts[1].Trim());
            if (value.Length == 0) continue;
            // What looks like a comment may be the rest of a password, and what is left of the line another address.
            if (key == "proxy" && (comment.Contains('@') || Choice(value) is null))
                return Wrong(file, number, "`proxy` is no address that can be used", ProxyCure);
            if (Taken(settings, key, value) is { } more) settings = more;
            else if (Taken(stall, key, value) is { } other) stall = other;
            else return Wrong(file, number, Fault(key, value, isShown: !MayHoldAnAddress(raw)), Cure);
        }

        if (!stall.Reverses) return settings;
        return settings with { Policy = settings.Policy with { ReverseAfter = stall.After } };
    }

    /// <summary>A line without its comment, and the comment.</summary>
    private static (string Content, string Comment) Parts(string line)
    {
        for (var at = line.IndexOf('#'); at >= 0; at = line.IndexOf('#', at + 1))
        {
            if (at == 0 || char.IsWhiteSpace(line[at - 1])) return (line[..at].Trim(), line[at..]);
        }

        return (line.Trim(), "");
    }

    private static AgentSettings? Taken(AgentSettings settings, string key, string value) => key switch
    {
        "log-level" when value is "debug" or "info" or "warning" or "error" => settings with { LogLevel = value },
        "proxy" when Choice(value) is { } choice => settings with { Proxy = choice },
        "ca-file" when value.StartsWith('/') => settings with { CaFile = value },
        "check-in-minutes" when Minutes(value, 1) is { } every => settings with { CheckInEvery = every },
        "probation-minutes" when Minutes(value, 0) is { } probation =>
            settings with { Policy = settings.Policy with { Probation = probation } },
        _ => null,
    };

    private static Stall? Taken(Stall stall, string key, string value) => key switch
    {
        "stall-policy" when value is "wait" or "reverse" => stall with { Reverses = value == "reverse" },
        "stall-reverse-after-minutes" when Minutes(value, 1) is { } after => stall with { After = after },
        _ => null,
    };

    private static ProxyChoice? Choice(string value)
    {
        if (value == "none") return new ProxyChoice.Direct();
        return ProxyAddress.Parse(value) is { } proxy ? new ProxyChoice.Through(proxy) : null;
    }

    /// <summary>A proxy's address may be in the wrong line, or its key missing.</summary>
    private static bool MayHoldAnAddress(string line) =>
        line.Contains('@') || line.Contains("//", StringComparison.Ordinal);

    private static string Fault(string key, string value, bool isShown)
    {
        if (!Keys.Contains(key))
            return isShown && LooksLikeAKey(key) ? $"there is no key \"{key}\"" : "there is no such key";

        var shown = isShown && value.Length <= MaxShown ? $"\"{value}\"" : "what it says";
        return $"{shown} is no value for {key}";
    }

    private static bool LooksLikeAKey(string key) =>
        key.Length <= MaxShown && key.All(c => char.IsAsciiLetter(c) || c == '-');

    private static TimeSpan? Minutes(string text, int least)
    {
        var isNumber = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var minutes);
        return isNumber && minutes >= least && minutes <= 10080 ? TimeSpan.FromMinutes(minutes) : null;
    }

    private static Problem Wrong(string file, int line, string why, string cure) => new(
        ProblemCode.RequestInvalid,
        $"cannot use {file} line {line.ToString(CultureInfo.InvariantCulture)}: {PrintableText.Of(why)}",
        cure);

    /// <summary>What to do about a transition that is held up: two keys that make one setting.</summary>
    private sealed record Stall(bool Reverses, TimeSpan After);
}
