using System.CommandLine;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Commands;

internal static class HoldCommand
{
    private const string Done = "held: this host keeps what it runs; new patches are reported and not loaded";

    public static Command Make(SharedOptions options)
    {
        var command = new Command("hold", "Keep the patch that this host runs: new ones are reported and not loaded");
        command.SetAction(parsed => Run(options, parsed));
        return command;
    }

    /// <summary>The hold in force before a change, as far as the daemon says.</summary>
    public static HoldStatus? Before(AgentClient client)
    {
        if (client.Status() is not ApiAnswer.Reply { Success: true } reply) return null;
        return StatusReader.Read(reply.Body).TryGet(out var reading, out _) ? reading.Status.Hold : null;
    }

    private static int Run(SharedOptions options, ParseResult parsed)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var before = Before(client);
        var answer = client.Hold();
        if (answer is not ApiAnswer.Reply { Success: true })
            return Failure.Show(surroundings, answer, client.SocketPath);
        var line = before is null ? Done : $"already held: {HoldView.Since(before, surroundings.Style)}";
        surroundings.Out.WriteLine(line);
        return ExitCode.Ok;
    }
}
