using LivepatchAgent.Cli;

return CommandLine.Run(args, Surroundings.OfThisProcess());
