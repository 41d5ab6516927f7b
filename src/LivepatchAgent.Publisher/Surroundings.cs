using System.Text;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core;

namespace LivepatchAgent.Publisher;

/// <summary>Everything that a verb takes from, or gives to, the process around it; a test makes its own.</summary>
internal sealed record Surroundings
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    public required Func<string, string?> Variable { get; init; }

    public required TimeProvider Clock { get; init; }

    /// <summary>Asks a person for a line without showing it; null where there is no terminal to ask on.</summary>
    public required Func<string, string?> AskSecret { get; init; }

    /// <summary>Whether standard error is a terminal: progress is drawn there only.</summary>
    public required bool ShowsProgress { get; init; }

    public static Surroundings OfThisProcess() => new()
    {
        Out = Writer(Console.OpenStandardOutput()),
        Error = Writer(Console.OpenStandardError()),
        Variable = Environment.GetEnvironmentVariable,
        Clock = TimeProvider.System,
        AskSecret = Keys.SecretPrompt.Ask,
        ShowsProgress = !Console.IsErrorRedirected,
    };

    /// <summary>
    /// How a verb ends: with a problem in one line on standard error, or well. Returns the exit code.
    /// </summary>
    public int Report(Problem? problem)
    {
        if (problem is null) return ExitCode.Ok;
        Error.WriteLine(Core.Modules.PrintableText.Of(problem.ToString()));
        return ExitCode.Failed;
    }

    public void Warn(string message) => Error.WriteLine($"warning: {message}");

    /// <summary>Warns of all that would make every host refuse a livepatch.</summary>
    public void WarnOfFaults(string path, ModuleFacts module)
    {
        foreach (var fault in Preflight.Faults(module))
            Warn($"every host would refuse {path}: {fault.Check}: {fault.Found}; cure: {fault.Cure}");
    }

    private static StreamWriter Writer(Stream stream) =>
        new(stream, new UTF8Encoding(false), 4096) { AutoFlush = true };
}
