using System.Text;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli;

/// <summary>Everything that a verb takes from, or gives to, the process around it; a test makes its own.</summary>
internal sealed record Surroundings
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    public required Func<Stream> OpenInput { get; init; }

    public required Func<string, string?> Variable { get; init; }

    public required TimeProvider Clock { get; init; }

    public required Terminal Terminal { get; init; }

    public Style Style => new(Terminal.Colour, Terminal.Utf8);

    public DateTimeOffset Now => Clock.GetUtcNow();

    // Raw streams, since Console.Out reads terminfo first and that is a good part of what `status` takes.
    public static Surroundings OfThisProcess() => new()
    {
        Out = Writer(Console.OpenStandardOutput()),
        Error = Writer(Console.OpenStandardError()),
        OpenInput = Console.OpenStandardInput,
        Variable = Environment.GetEnvironmentVariable,
        Clock = TimeProvider.System,
        Terminal = Terminal.Of(Environment.GetEnvironmentVariable, !Console.IsOutputRedirected),
    };

    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false), 4096);
}
