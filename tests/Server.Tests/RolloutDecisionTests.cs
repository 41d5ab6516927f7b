using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Rollout;

namespace LivepatchAgent.Server.Tests;

public sealed class RolloutDecisionTests
{
    private static readonly MachineFacts Facts = new Machine().Facts;
    private static readonly KernelKey Kernel = KernelKey.Of(Facts);

    [Theory]
    [InlineData("", null)]
    [InlineData("a", "a")]
    [InlineData("a b c", "c")]
    [InlineData("a b c!", "b")]
    [InlineData("a! b c!", "b")]
    [InlineData("a! b!", null)]
    public void Decide_GivesTheNewestThatIsNotWithdrawn(string published, string? expected) =>
        Assert.Equal(expected, RolloutDecision.Decide(Facts, Published(published)).ManifestDigest);

    [Fact]
    public void Decide_ForAnotherKernel_GivesNothing()
    {
        Assert.Null(RolloutDecision.Decide(Facts with { KernelRelease = "other" }, Published("a")).ManifestDigest);
        Assert.Null(RolloutDecision.Decide(Facts with { Architecture = "aarch64" }, Published("a")).ManifestDigest);
    }

    [Fact]
    public void Tag_ChangesWithTheAssignmentAndTheCatalogue_AndWithNothingElse()
    {
        var tag = RolloutDecision.Decide(Facts, Published("a b")).Tag;
        Assert.Equal(
            tag, RolloutDecision.Decide(Facts with { BootId = "another", Hostname = "another" }, Published("a b")).Tag);
        Assert.NotEqual(tag, RolloutDecision.Decide(Facts, Published("a b!")).Tag);
        Assert.NotEqual(tag, RolloutDecision.Decide(Facts, Published("a b") with { Sequence = 9 }).Tag);
    }

    private static CatalogueEntry Entry(string word, int place) => new()
    {
        ManifestDigest = word.TrimEnd('!'),
        Version = "1",
        Sequence = place + 1,
        Withdrawal = word.EndsWith('!') ? "w" : null,
    };

    private static KernelPatches Published(string text)
    {
        var entries = text.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(Entry).ToList();
        return new KernelPatches(Kernel, entries.Count, entries);
    }
}
