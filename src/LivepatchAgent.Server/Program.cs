using System.CommandLine;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Commands;
using LivepatchAgent.Shared;

var root = new RootCommand("livepatch-server: serves signed kernel livepatches to enrolled machines.\n\nExit codes: 0 done, 1 failed, 64 wrong usage.")
{
    ServeCommand.Create(),
    TokenCommands.Create(),
    MachinesCommand.Create(),
    PatchesCommand.Create(),
    PinCommand.Create(),
    VersionCommand.Make("livepatch-server"),
};
root.Add(HelpCommand.Make(root));

// Response files ("@file") would read any file that an argument names.
var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
if (parsed.Errors.Count > 0)
{
    Console.Error.WriteLine($"livepatch-server: {parsed.Errors[0].Message.ReplaceLineEndings(" ").TrimEnd('.', ' ')}; see `livepatch-server --help`");
    return Exit.Usage;
}

try
{
    // The host listens to signals itself; a second listener would cut its clean stop short.
    return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
{
    return Exit.Fail(new Problem(ProblemCode.DiskError, $"cannot go on: {e.Message.TrimEnd('.')}", "check the folder given with --data, its owner and its disk"));
}
