using System.Net;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Host;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

public sealed class EndToEndTests
{
    [Fact]
    public async Task PatchServer_TokenToModule_GoesTheWholeWay()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var before = await server.AssignmentAsync(machine);
        Assert.Null(before.ManifestDigest);

        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);

        var after = await server.AssignmentAsync(machine, before.Tag, wait: 60);
        Assert.Equal(patch.Digest, after.ManifestDigest);
        Assert.NotEqual(before.Tag, after.Tag);
        var catalogue = await server.CatalogueAsync();
        Assert.Equal(1, catalogue.Sequence);
        Assert.Equal(patch.Digest, Assert.Single(catalogue.Patches).ManifestDigest);
        Assert.Equal(patch.Envelope, await server.Client.GetByteArrayAsync($"/v1/manifests/{patch.Digest}", Ct));
        Assert.Equal(patch.Module, await server.Client.GetByteArrayAsync($"/v1/modules/{patch.ModuleDigest}", Ct));
    }

    [Fact]
    public async Task PatchServer_StartedAgain_HasLostNothing()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var token = server.Token(uses: 2);
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        var withdrawn = server.Publisher.Patch(2);
        await server.PublishAsync(withdrawn);
        var withdrawal = server.Publisher.Withdraw(withdrawn);
        Assert.Equal(
            HttpStatusCode.Created, await server.PutAsync("withdrawals", Publisher.Sha256(withdrawal), withdrawal));
        var before = await server.AssignmentAsync(machine);
        var catalogue = await server.CatalogueAsync();

        await server.StopAsync();
        await server.StartAgainAsync();

        var after = await server.AssignmentAsync(machine);
        Assert.Equal((before.Tag, before.ManifestDigest), (after.Tag, after.ManifestDigest));
        Assert.Equal(patch.Digest, after.ManifestDigest);
        var again = await server.CatalogueAsync(floor: catalogue.Sequence);
        Assert.Equal(catalogue.Sequence, again.Sequence);
        Assert.Equal(catalogue.Patches, again.Patches);
        Assert.Equal(patch.Module, await server.Client.GetByteArrayAsync($"/v1/modules/{patch.ModuleDigest}", Ct));
        Assert.Equal(
            withdrawal, await server.Client.GetByteArrayAsync($"/v1/withdrawals/{Publisher.Sha256(withdrawal)}", Ct));
        using var enrolled = await server.PostAsync(
            "/v1/enrolments", new Machine().Enrolment(token.Secret), WireJson.Default.EnrolmentRequest);
        Assert.Equal(HttpStatusCode.Created, enrolled.StatusCode);
    }

    [Fact]
    public async Task PatchServer_OnAFolderThatIsServed_SaysSo()
    {
        await using var server = await StartAsync();
        var second = await PatchServer.StartAsync(
            new ServeSettings { Folder = server.Folder, Listen = new IPEndPoint(IPAddress.Loopback, 0) },
            server.Time,
            Ct);
        Assert.Contains("another livepatch-server serves it", second.Problem!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PatchServer_WhenItsPortIsTaken_SaysSo()
    {
        await using var server = await StartAsync();
        var folder = new DataFolder(Path.Combine(server.Folder.Root, "other"));
        var second = await PatchServer.StartAsync(
            new ServeSettings
            {
                Folder = folder,
                Listen = new IPEndPoint(IPAddress.Loopback, server.Server.Address.Port),
            },
            server.Time,
            Ct);
        Assert.Contains("cannot listen on", second.Problem!.Message, StringComparison.Ordinal);

        // 192.0.2.1 is an address for documents (RFC 5737): nobody has it.
        var third = await PatchServer.StartAsync(
            new ServeSettings { Folder = folder, Listen = IPEndPoint.Parse("192.0.2.1:8443") }, server.Time, Ct);
        Assert.StartsWith("cannot listen on 192.0.2.1:8443: ", third.Problem!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', third.Problem.ToString());
    }
}
