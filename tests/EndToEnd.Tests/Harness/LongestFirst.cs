using Xunit.Sdk;
using Xunit.v3;

[assembly: Xunit.TestCollectionOrderer(typeof(LivepatchAgent.EndToEnd.Tests.Harness.LongestFirst))]

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>What waits for minutes, as a hostile server's slow answers do, begins before all others: at the end it would wait alone.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest = [nameof(HostileServerTests), nameof(CrashTests)];

    public IReadOnlyCollection<T> OrderTestCollections<T>(IReadOnlyCollection<T> testCollections)
        where T : ITestCollection =>
        [.. testCollections.OrderBy(c => Array.FindIndex(Longest, name => c.TestCollectionDisplayName.Contains(name, StringComparison.Ordinal)) is var at and >= 0 ? at : Longest.Length)];
}
