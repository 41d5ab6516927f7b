using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>A server's answer to an enrolment: only what the token pins becomes the host's trust.</summary>
public sealed class EnrolmentVerifierTests
{
    private static readonly string Publisher = Convert.ToBase64String(TestKeys.Publisher.RawData);
    private static readonly string Stranger = Convert.ToBase64String(TestKeys.Stranger.RawData);
    private static readonly string Pin = Certificates.Fingerprint(TestKeys.Publisher);

    public static TheoryData<string[]> ListsWithoutThePinned => new(
        [],
        [Stranger],
        ["", "no base64 at all", Convert.ToBase64String("no certificate"u8)],
        [null!],
        [Publisher[..^8]],
        // Only so much of a list is looked at.
        [.. Enumerable.Repeat(Stranger, 32), Publisher]);

    [Fact]
    public void Answer_WithThePinned_IsWhatTheTokenSays()
    {
        var enrolment = Verify([Stranger, Publisher], [Publisher, Stranger]).Value;
        Assert.Equal([Publisher], enrolment.PublisherCertificates);
        Assert.Equal([Publisher], enrolment.CatalogueCertificates);
        var expected = ("https://patches.example", "m-1", "credential", 1, 3L, Given.Now);
        Assert.Equal(
            expected,
            (
                enrolment.Server,
                enrolment.MachineId,
                enrolment.Credential,
                enrolment.Threshold,
                enrolment.PinsVersion,
                enrolment.Since));
    }

    [Fact]
    public void Answer_WithThePinnedAtTheEndOfWhatIsLookedAt_IsTaken() =>
        Assert.Null(Verify([.. Enumerable.Repeat(Stranger, 31), Publisher], [Publisher]).Problem);

    [Theory]
    [MemberData(nameof(ListsWithoutThePinned))]
    public void Answer_WithoutThePinned_IsRefused(string[] offered)
    {
        Assert.All(
            new[] { Verify(offered, [Publisher]), Verify([Publisher], offered) },
            refused => Assert.Equal(ProblemCode.ServerCertificateMismatch, refused.Problem?.Code));
    }

    /// <summary>Fewer publishers than must sign could never bring a patch to this host.</summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void Answer_WithFewerPublishersThanMustSign_IsRefused(int threshold, bool isTaken) =>
        Assert.Equal(isTaken, Verify([Publisher], [Publisher], threshold).Problem is null);

    private static Result<Enrolment> Verify(string[] publishers, string[] catalogue, int threshold = 1)
    {
        var token = new TokenContent
        {
            Server = "https://patches.example",
            Secret = "secret",
            Tls = [],
            Catalogue = [Pin],
            Publishers = [Pin],
            Threshold = threshold,
            PinsVersion = 3,
        };
        var answer = new EnrolmentAnswer
        {
            MachineId = "m-1",
            CatalogueCertificates = catalogue,
            PublisherCertificates = publishers,
        };
        return EnrolmentVerifier.Verify(new EnrolmentIntent("e-1", token, "credential"), answer, Given.Now);
    }
}
