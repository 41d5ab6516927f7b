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

    public static Surroundings OfThisProcess() => new()
    {
        Out = Writer(1),
        Error = Writer(2),
        OpenInput = Console.OpenStandardInput,
        Variable = Environment.GetEnvironmentVariable,
        Clock = TimeProvider.System,
        Terminal = Terminal.Of(Environment.GetEnvironmentVariable, !Console.IsOutputRedirected),
    };

    private static StreamWriter Writer(int descriptor) => new(new OutputStream(descriptor), new UTF8Encoding(false), 4096);
}
