using System.Text;

namespace LivepatchAgent.Cli.Tests;

/// <summary>A command line that was run in this process.</summary>
internal sealed record Run(int Code, string Out, string Error)
{
    /// <summary>Neither stream is a terminal; the locale has UTF-8.</summary>
    public static readonly Terminal Pipe = new(Interactive: false, Colour: false, Utf8: true);

    public static Run Of(string socket, params string[] args) => With(socket, Pipe, "", null, args);

    public static Run With(string socket, Terminal terminal, string input, string? statusFile, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var variables = new Dictionary<string, string?>
        {
            [SharedOptions.SocketVariable] = socket,
            [SharedOptions.StatusFileVariable] = statusFile ?? "/nonexistent/status.json",
        };
        var code = CommandLine.Run(args, Around(output, error) with
        {
            ReadInput = (_, read) => read(new MemoryStream(Encoding.UTF8.GetBytes(input))),
            Variable = variables.GetValueOrDefault,
            Clock = new FixedDay(),
            Terminal = terminal,
            ErrorTerminal = terminal,
        });
        return new Run(code, output.ToString(), error.ToString());
    }

    /// <summary>Surroundings in which nothing is set and nothing can be read.</summary>
    public static Surroundings Around(TextWriter output, TextWriter error) => new()
    {
        Out = output,
        Error = error,
        ReadInput = (_, read) => read(Stream.Null),
        Variable = _ => null,
        Clock = TimeProvider.System,
        Terminal = Pipe,
        ErrorTerminal = Pipe,
    };

    /// <summary>The wall clock stands; the stopwatch runs, since sockets wait in real time.</summary>
    private sealed class FixedDay : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Samples.Now;
    }
}
