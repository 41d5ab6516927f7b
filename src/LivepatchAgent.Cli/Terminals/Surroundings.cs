using System.Text;

namespace LivepatchAgent.Cli.Terminals;

/// <summary>Everything that a verb takes from, or gives to, the process around it; a test makes its own.</summary>
internal sealed record Surroundings
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    /// <summary>
    /// Gives standard input to a reader; where that is a terminal, after a prompt and without showing what is typed.
    /// </summary>
    public required Func<string, Func<Stream, byte[]?>, byte[]?> ReadInput { get; init; }

    public required Func<string, string?> Variable { get; init; }

    public required TimeProvider Clock { get; init; }

    /// <summary>What standard output can show.</summary>
    public required Terminal Terminal { get; init; }

    /// <summary>And standard error: either can go to a file while the other is a terminal.</summary>
    public required Terminal ErrorTerminal { get; init; }

    public Style Style => new(Terminal.Colour, Terminal.Utf8);

    public Style ErrorStyle => new(ErrorTerminal.Colour, ErrorTerminal.Utf8);

    public DateTimeOffset Now => Clock.GetUtcNow();

    public static Surroundings OfThisProcess()
    {
        var error = Writer(2);
        return new()
        {
            Out = Writer(1),
            Error = error,
            ReadInput = (prompt, read) => TerminalInput.ReadLine(prompt, error, read),
            Variable = Environment.GetEnvironmentVariable,
            Clock = TimeProvider.System,
            Terminal = Terminal.Of(Environment.GetEnvironmentVariable, !Console.IsOutputRedirected),
            ErrorTerminal = Terminal.Of(Environment.GetEnvironmentVariable, !Console.IsErrorRedirected),
        };
    }

    private static StreamWriter Writer(int descriptor) =>
        new(new OutputStream(descriptor), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 4096);
}
