using System.Text;

namespace LivepatchAgent.Cli.Tests;

/// <summary>Runs a command line in this process.</summary>
internal sealed record Run(int Code, string Out, string Error)
{
    public static Run Of(string socket, params string[] args) => With(socket, new Terminal(false, false, true), "", null, args);

    public static Run With(string socket, Terminal terminal, string input, string? statusFile, params string[] args) => With(socket, terminal, terminal, input, statusFile, args);

    public static Run With(string socket, Terminal terminal, Terminal errorTerminal, string input, string? statusFile, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var variables = new Dictionary<string, string?> { [SharedOptions.SocketVariable] = socket, [SharedOptions.StatusFileVariable] = statusFile ?? "/nonexistent/status.json" };
        var code = CommandLine.Run(args, new Surroundings
        {
            Out = output,
            Error = error,
            ReadInput = (_, read) => read(new MemoryStream(Encoding.UTF8.GetBytes(input))),
            Variable = variables.GetValueOrDefault,
            Clock = new FixedDay(),
            Terminal = terminal,
            ErrorTerminal = errorTerminal,
        });
        return new Run(code, output.ToString(), error.ToString());
    }

    /// <summary>The wall clock stands; the stopwatch runs, since sockets wait in real time.</summary>
    private sealed class FixedDay : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Samples.Now;
    }
}
