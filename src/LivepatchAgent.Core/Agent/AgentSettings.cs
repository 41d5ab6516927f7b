using System.Globalization;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>/etc/livepatch-agent/agent.conf, read once and validated: <c>key = value</c> lines, # begins a comment.</summary>
public sealed record AgentSettings
{
    /// <summary>debug, info, warning or error.</summary>
    public string LogLevel { get; init; } = "info";

    /// <summary>Proxy for the way to the server, with a name and password where it wants them; null takes HTTPS_PROXY and NO_PROXY of the environment.</summary>
    public Uri? Proxy { get; init; }

    /// <summary>PEM file of CAs that may vouch for a server whose token pins no key; null takes the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>Overrides the server's interval.</summary>
    public TimeSpan? CheckInEvery { get; init; }

    public AgentPolicy Policy { get; init; } = new();

    /// <summary>The settings, or what is wrong in which line. <paramref name="file"/> is for the message.</summary>
    public static Result<AgentSettings> Parse(string text, string file)
    {
        var settings = new AgentSettings();
        string? stallPolicy = null;
        var reverseAfter = TimeSpan.FromMinutes(10);
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Split('#', 2)[0].Trim();
            if (line.Length == 0) continue;
            var parts = line.Split('=', 2);
            if (parts.Length != 2) return Wrong(file, number, "it is not `key = value`");
            var (key, value) = (parts[0].Trim(), parts[1].Trim());
            if (value.Length == 0) continue;
            switch (key)
            {
                case "log-level" when value is "debug" or "info" or "warning" or "error":
                    settings = settings with { LogLevel = value };
                    break;
                case "proxy" when Uri.TryCreate(value, UriKind.Absolute, out var proxy) && proxy.Scheme is "http" or "https":
                    settings = settings with { Proxy = new Uri(value) };
                    break;
                case "ca-file" when value.StartsWith('/'):
                    settings = settings with { CaFile = value };
                    break;
                case "check-in-minutes" when Minutes(value, 1, 10080) is { } every:
                    settings = settings with { CheckInEvery = every };
                    break;
                case "stall-policy" when value is "wait" or "reverse":
                    stallPolicy = value;
                    break;
                case "stall-reverse-after-minutes" when Minutes(value, 1, 10080) is { } after:
                    reverseAfter = after;
                    break;
                case "probation-minutes" when Minutes(value, 0, 10080) is { } probation:
                    settings = settings with { Policy = settings.Policy with { Probation = probation } };
                    break;
                case "log-level" or "proxy" or "ca-file" or "check-in-minutes" or "stall-policy" or "stall-reverse-after-minutes" or "probation-minutes":
                    // A proxy's address may hold a password, before the @.
                    return Wrong(file, number, $"\"{value[(value.LastIndexOf('@') + 1)..]}\" is no value for {key}");
                default:
                    return Wrong(file, number, $"there is no key \"{key}\"");
            }
        }

        return stallPolicy == "reverse" ? settings with { Policy = settings.Policy with { ReverseAfter = reverseAfter } } : settings;
    }

    private static TimeSpan? Minutes(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var minutes) && minutes >= least && minutes <= most ? TimeSpan.FromMinutes(minutes) : null;

    private static Problem Wrong(string file, int line, string why) =>
        new(ProblemCode.RequestInvalid, $"cannot use {file} line {line.ToString(CultureInfo.InvariantCulture)}: {PrintableText.Of(why)}", "see the comments in the file as it was installed; until then the defaults hold");
}
