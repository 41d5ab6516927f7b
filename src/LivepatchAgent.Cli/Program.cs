using LivepatchAgent.Cli.Commands;
using LivepatchAgent.Cli.Terminals;

return CommandLine.Run(args, Surroundings.OfThisProcess());
