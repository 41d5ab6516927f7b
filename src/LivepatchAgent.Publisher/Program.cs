using LivepatchAgent.Publisher;

return await CommandLine.RunAsync(args, Surroundings.OfThisProcess());
