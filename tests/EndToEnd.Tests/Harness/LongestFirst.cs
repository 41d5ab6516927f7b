using Xunit.Sdk;
using Xunit.v3;

[assembly: Xunit.TestCollectionOrderer(typeof(LivepatchAgent.EndToEnd.Tests.Harness.LongestFirst))]

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>
/// A class's tests run one after the other: those that take longest in all begin before all others, so that none runs
/// on alone at the end.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest =
    [
        nameof(CrashTests), nameof(PackageTests), nameof(PowerCutTests), nameof(HostileServerTests),
        nameof(ServiceTests), nameof(RefusedModulesTests),
    ];

    public IReadOnlyCollection<T> OrderTestCollections<T>(IReadOnlyCollection<T> testCollections)
        where T : ITestCollection => [.. testCollections.OrderBy(c => Place(c.TestCollectionDisplayName))];

    private static int Place(string collection)
    {
        var at = Array.FindIndex(Longest, name => collection.Contains(name, StringComparison.Ordinal));
        return at >= 0 ? at : Longest.Length;
    }
}
