namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>
/// What is promised in seconds is measured on a machine that does nothing else: these run after all others, one by one.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public static class Alone
{
    public const string Name = "alone";
}
