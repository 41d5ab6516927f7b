using System.CommandLine;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Commands;
using LivepatchAgent.Shared.CommandLine;

const string program = "livepatch-server";
const string exitCodes = "Exit codes: 0 done, 1 failed, 64 wrong usage.";

var root = new RootCommand($"{program}: serves signed kernel livepatches to enrolled machines.\n\n{exitCodes}")
{
    ServeCommand.Make(),
    TokenCommand.Make(),
    MachinesCommand.Make(),
    PatchesCommand.Make(),
    PinCommand.Make(),
    VersionCommand.Make(program),
};
root.Add(HelpCommand.Make(root));

var parsed = ProgramArguments.Parse(root, args);
if (ProgramArguments.Error(parsed, program) is { } error) return Failure.Report(error, ExitCode.Usage);
try
{
    // The host listens to signals itself; a second listener would cut its clean stop short.
    return await parsed.InvokeAsync(new InvocationConfiguration
    {
        ProcessTerminationTimeout = null,
        EnableDefaultExceptionHandler = false,
    });
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
{
    return Failure.Report(new Problem(
        ProblemCode.DiskError,
        $"cannot go on: {e.Message.TrimEnd('.')}",
        "check the folder given with --data, its owner and its disk"));
}
