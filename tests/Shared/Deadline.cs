using System.Runtime.CompilerServices;

namespace LivepatchAgent.Tests;

/// <summary>
/// How long a test may wait for something that never comes. Without it one such test would stop a whole run.
/// </summary>
internal static class Deadline
{
    private static readonly TimeSpan Each = TimeSpan.FromMinutes(4);
    private static readonly ConditionalWeakTable<object, CancellationTokenSource> Tests = [];

    /// <summary>
    /// Cancelled when the running test is, or some minutes after it first asked. Of a fixture, which is no test, the
    /// runner's own.
    /// </summary>
    public static CancellationToken Token => TestContext.Current is { Test: { } test, CancellationToken: var given }
        ? Tests.GetValue(test, _ =>
        {
            var source = CancellationTokenSource.CreateLinkedTokenSource(given);
            source.CancelAfter(Each);
            return source;
        }).Token
        : TestContext.Current.CancellationToken;
}
