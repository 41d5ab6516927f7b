using System.CommandLine;
using System.CommandLine.Parsing;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;

namespace LivepatchAgent.Cli.Commands;

/// <summary>Options that more than one verb has, and what they lead to.</summary>
internal sealed class SharedOptions(Surroundings surroundings)
{
    public const string SocketVariable = "LIVEPATCH_AGENT_SOCKET";
    public const string StatusFileVariable = "LIVEPATCH_AGENT_STATUS_FILE";

    private const int LongestTimeout = 24 * 60 * 60;
    private static readonly string[] Formats = ["text", "json", "yaml"];

    public Surroundings Surroundings => surroundings;

    public Option<string?> Socket { get; } = new("--socket")
    {
        Description = $"Socket of livepatch-agentd [default: ${SocketVariable} or {AgentClient.DefaultSocket}]",
        HelpName = "path",
        Recursive = true,
    };

    public Option<string> Format { get; } = new("--format")
    {
        Description = "text, json (of a status: exactly what the daemon sent) or yaml",
        HelpName = "format",
        DefaultValueFactory = _ => "text",
        CustomParser = ReadFormat,
    };

    public Option<int> Timeout { get; } = new("--timeout")
    {
        Description = "How long to watch; the agent carries on afterwards",
        HelpName = "seconds",
        DefaultValueFactory = _ => 120,
        CustomParser = ReadTimeout,
    };

    public string StatusFile => Variable(StatusFileVariable) ?? LastStatus.DefaultPath;

    public AgentClient Client(ParseResult parsed)
    {
        var path = parsed.GetValue(Socket) ?? Variable(SocketVariable) ?? AgentClient.DefaultSocket;
        return new AgentClient(path, surroundings.Clock);
    }

    private string? Variable(string name) => surroundings.Variable(name) is { Length: > 0 } value ? value : null;

    private static string? ReadFormat(ArgumentResult result)
    {
        var word = result.Tokens[0].Value;
        if (Formats.Contains(word)) return word;
        result.AddError("--format takes text, json or yaml");
        return null;
    }

    private static int ReadTimeout(ArgumentResult result)
    {
        var isNumber = int.TryParse(result.Tokens[0].Value, out var seconds);
        if (isNumber && seconds is >= 1 and <= LongestTimeout) return seconds;
        result.AddError($"--timeout takes seconds, 1 to {LongestTimeout}");
        return 0;
    }
}
