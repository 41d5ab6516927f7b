using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Rollout;

namespace LivepatchAgent.Server.Tests;

public sealed class PublishedPatchesTests
{
    private static readonly KernelKey One = new("x86_64", "6.12");
    private static readonly KernelKey Other = new("aarch64", "6.12");

    /// <summary>Commits arrive here in any order; in each of them the newest is what stays.</summary>
    [Theory]
    [InlineData(1, 2, 3)]
    [InlineData(3, 2, 1)]
    [InlineData(2, 3, 1)]
    [InlineData(3, 1, 2)]
    public void Replace_InAnyOrder_KeepsTheNewest(params int[] sequences)
    {
        var published = new PublishedPatches([]);
        foreach (var sequence in sequences) published.Replace([Patches(One, sequence)]);
        Assert.Equal(3, published.Current.For(One).Sequence);
        Assert.Equal(0, published.Current.For(Other).Sequence);
    }

    [Fact]
    public async Task Replace_WakesThoseWhoWaitOnTheSnapshotBefore()
    {
        var published = new PublishedPatches([Patches(One, 1)]);
        var before = published.Current;
        published.Replace([]);
        Assert.Same(before, published.Current);
        Assert.False(before.Superseded.IsCompleted);
        published.Replace([Patches(Other, 1)]);
        await before.Superseded;
        Assert.False(published.Current.Superseded.IsCompleted);
        Assert.Equal(0, before.For(Other).Sequence); // a snapshot never changes
        Assert.Equal(1, published.Current.For(One).Sequence);
    }

    [Fact]
    public async Task NewPins_WakeAllAndStayWithLaterPatches()
    {
        var published = new PublishedPatches([]);
        var before = published.Current;
        published.NewPins(1);
        await before.Superseded;
        published.Replace([Patches(One, 1)]);
        Assert.Equal(1, published.Current.PinsVersion);
        var last = published.Current;
        published.NewPins(1);
        Assert.Same(last, published.Current);
    }

    [Fact]
    public void Replace_ByManyAtOnce_LosesNone()
    {
        var published = new PublishedPatches([]);
        var kernels = Enumerable.Range(0, 50).Select(i => new KernelKey("x86_64", $"6.{i}")).ToList();
        Parallel.ForEach(
            kernels.SelectMany(k => Enumerable.Range(1, 20).Select(s => (k, s))),
            each => published.Replace([Patches(each.k, each.s)]));
        Assert.All(kernels, kernel => Assert.Equal(20, published.Current.For(kernel).Sequence));
    }

    private static KernelPatches Patches(KernelKey kernel, long sequence) =>
        new(
            kernel,
            sequence,
            [new CatalogueEntry { ManifestDigest = "a", Version = "1", Sequence = sequence, Withdrawal = null }]);
}
