using System.Net;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>Sets of pins: who may bring them, and whom the server trusts from then on.</summary>
public sealed class PinsTests
{
    [Fact]
    public async Task Pins_ReachHeldHostsAtOnceAndAreKeptInOrder()
    {
        await using var server = await StartAsync();
        var (first, second) = (new Publisher("second"), new Publisher("third"));
        var machine = await server.EnrolAsync();
        var known = await server.AssignmentAsync(machine);
        Assert.Null(known.PinsVersion);
        var held = server.AssignmentAsync(machine, known.Tag, wait: 30);
        await server.HeldAsync(1);

        var one = server.Publisher.Pins(server, 1, 2, server.Publisher, first);
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("pins", "1", one));
        Assert.Equal(1, (await held).PinsVersion);
        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("pins", "1", one));

        // From here on two must sign, and the next set with both.
        var two = first.Pins(server, 2, 1, second);
        Assert.Equal(HttpStatusCode.Forbidden, await server.PutAsync("pins", "2", two));
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("pins", "2", server.Publisher.Cosign(two)));
        Assert.Equal(one, await server.Client.GetByteArrayAsync("/v1/pins/1", Ct));
        await server.StopAsync();
        await server.StartAgainAsync();
        Assert.Equal(2, (await server.AssignmentAsync(machine)).PinsVersion);

        // Whoever is no longer in the set publishes nothing, though the folder still has the certificate.
        var (revoked, present) = (server.Publisher.Patch(1), second.Patch(1));
        Assert.Equal(HttpStatusCode.Forbidden, await server.PutAsync("manifests", revoked.Digest, revoked.Envelope));
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("manifests", present.Digest, present.Envelope));

        // And a new token pins the new set.
        var token = server.Token();
        Assert.Equal((2, 1), (token.PinsVersion, token.Threshold));
        Assert.Equal([Certificates.Fingerprint(second.Certificate)], token.Publishers);
        using var enrolled = await server.PostAsync(
            "/v1/enrolments", new Machine().Enrolment(token.Secret), WireJson.Default.EnrolmentRequest);
        Assert.Equal(
            [Convert.ToBase64String(second.Certificate.RawData)],
            (await ReadAsync(enrolled, WireJson.Default.EnrolmentAnswer)).PublisherCertificates);
    }

    public static TheoryData<string> Bad =>
    [
        "stranger", "version", "gap", "no catalogue key", "no TLS key", "threshold", "no publisher",
        "garbage", "a manifest",
    ];

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task Pins_ThatWouldPartHostsFromTheServerOrAreNotSigned_AreRefused(string how)
    {
        await using var server = await StartAsync();
        var good = Publisher.PinsOf(server, 1, 1, server.Publisher);
        var (version, envelope) = how switch
        {
            "stranger" => ("1", new Publisher("stranger").Pins(server, 1, 1, server.Publisher)),
            "version" => ("2", server.Publisher.Pins(server, 1)),
            "gap" => ("2", server.Publisher.Pins(server, 2)),
            "no catalogue key" => ("1", server.Publisher.Sign(good with { Catalogue = good.Publishers })),
            "no TLS key" => ("1", server.Publisher.Sign(good with { Tls = [new string('a', 64)] })),
            "threshold" => ("1", server.Publisher.Sign(good with { Threshold = 2 })),
            "no publisher" => ("1", server.Publisher.Sign(good with { Publishers = [] })),
            "garbage" => ("1", "garbage"u8.ToArray()),
            _ => ("1", server.Publisher.Patch(1).Envelope),
        };
        Assert.Equal(HttpStatusCode.Forbidden, await server.PutAsync("pins", version, envelope));
        Assert.Null(new Trust.PinSets(server.Folder).Newest);
        Assert.Equal(HttpStatusCode.NotFound, (await server.Client.GetAsync("/v1/pins/1", Ct)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("pins", "1", server.Publisher.Sign(good)));
    }

    [Fact]
    public void PublishedPatches_OlderPinsLast_KeepsTheNewer()
    {
        var published = new Rollout.PublishedPatches([], 1);
        published.NewPins(3);
        published.NewPins(2);
        Assert.Equal(3, published.Current.PinsVersion);
    }

    [Fact]
    public async Task Token_WithAThreshold_PinsAsManyPublishers()
    {
        await using var server = await StartAsync();
        var wanted = new Registry.NewToken(
            server.Folder, server.Server.Address, 1, null, "", SystemCa: false, Threshold: 2);
        Assert.Contains(
            "2 publishers must sign, but the server knows 1",
            Registry.TokenIssuer.Issue(wanted, server.Time.GetUtcNow()).Problem!.Message,
            StringComparison.Ordinal);
        Trust.PublisherCertificates.Add(server.Folder, new Publisher("second").Certificate);
        Assert.Equal(
            2, EnrolmentToken.Read(Registry.TokenIssuer.Issue(wanted, server.Time.GetUtcNow()).Value).Value.Threshold);
    }
}
