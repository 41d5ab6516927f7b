using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A host follows those it trusts to whom they trust, and nobody else.</summary>
public sealed class PinsTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly X509Certificate2 Second = Workshop.Key("CN=second");
    private static readonly X509Certificate2 Third = Workshop.Key("CN=third");

    [Fact]
    public async Task Pins_OfTheNextVersion_AreFollowedAndTheOldKeyIsNoLongerBelieved()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        Offer(host, 1, Pins(host, 1, 1, [Second]), Workshop.Publisher);
        await host.HappensAsync("followed", () => host.State.Enrolment?.PinsVersion == 1);
        var status = await host.SettledAsync(PatchState.Applied);
        Assert.Null(status.Problem);
        Assert.Equal([One.Name], host.Kernel.Loaded);

        host.Server.Publish(Workshop.Patch(2));
        status = await host.SettledAsync(PatchState.Refused);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ManifestSignatureInvalid, "no key that this host trusts");
        host.Server.Publish(Workshop.Patch(3, moduleSigner: Second, manifestSigner: Second));
        await host.UntilAsync("the new publisher's patch", s => s is { State: PatchState.Applied, Settled: true, Patch.Version: "3.0" });
        await host.StopAsync();
        Assert.Contains("pins-changed", File.ReadAllText(host.Path("var/lib/livepatch-agent/history.jsonl")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pins_ThatRevokeAKeyOfTheAdministrators_SayWhereItIsStillTrusted()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Write("etc/livepatch-agent/trust.d/old.pem", Workshop.Publisher.ExportCertificatePem());
        host.Write("etc/livepatch-agent/trust.d/own.pem", Third.ExportCertificatePem());
        host.Write("etc/livepatch-agent/trust.d/second.pem", Second.ExportCertificatePem());
        Offer(host, 1, Pins(host, 1, 1, [Second]), Workshop.Publisher);
        await host.HappensAsync("followed", () => host.State.Enrolment?.PinsVersion == 1);
        Assert.Contains("trust.d/old.pem", Assert.Single(host.Log.From(LogLevel.Warning)), StringComparison.Ordinal);
        host.Server.Publish(Workshop.Patch(2));
        await host.UntilAsync("the old key's patch", s => s is { State: PatchState.Applied, Settled: true, Patch.Version: "2.0" });
    }

    /// <summary>One bad file of the administrator's stops nothing but itself, at boot above all.</summary>
    [Theory]
    [InlineData("garbage")]
    [InlineData("a weak key")]
    [InlineData("cannot be read")]
    [InlineData("a folder")]
    [InlineData("a link to nothing")]
    public async Task TrustFile_ThatCannotBeUsed_IsPassedOverAndNamed(string what)
    {
        await using var host = new HostUnderTest();
        host.Write("etc/livepatch-agent/trust.d/second.pem", Second.ExportCertificatePem());
        Spoil(host.Path("etc/livepatch-agent/trust.d/own.pem"), what);
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        var status = await host.SettledAsync(PatchState.Applied);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.RequestInvalid, "trust.d/own.pem");
        await host.RebootAsync(cleanly: true);
        status = await host.UntilAsync(
            "loaded at boot", s => s is { State: PatchState.Applied, Settled: true, Problem: not null });
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.RequestInvalid, "trust.d/own.pem");
        Assert.Equal([One.Name, One.Name], host.Kernel.Loaded);
        var warnings = host.Log.From(LogLevel.Warning).Where(l => l.Contains("own.pem", StringComparison.Ordinal));
        Assert.Equal(2, warnings.Count()); // once a start

        // The other files count all the same.
        host.Server.Publish(Workshop.Patch(2, moduleSigner: Second, manifestSigner: Second));
        await host.UntilAsync("2.0", s => s is { State: PatchState.Applied, Settled: true, Patch.Version: "2.0" });
        Remove(host.Path("etc/livepatch-agent/trust.d/own.pem"));
        await host.RefreshAsync();
        await host.UntilAsync("mended", s => s is { State: PatchState.Applied, Settled: true, Problem: null });
    }

    /// <summary>The publisher's file was damaged: its patches wait for it, and are not refused for a day.</summary>
    [Fact]
    public async Task Patch_OfAPublisherWhoseFileIsPassedOver_WaitsForIt()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var file = host.Path("etc/livepatch-agent/trust.d/second.pem");
        Spoil(file, "garbage");
        host.Server.Publish(Workshop.Patch(2, moduleSigner: Second, manifestSigner: Second));
        var status = await host.UntilAsync(
            "waits", s => s.Problem?.Code == ProblemCode.ManifestSignatureInvalid && s.Settled);
        Assert.Contains("second.pem", status.Problem!.Cure, StringComparison.Ordinal);
        Assert.Equal("1.0", status.Patch?.Version);
        var start = host.Time.GetUtcNow();
        File.WriteAllText(file, Second.ExportCertificatePem());
        await host.UntilAsync("2.0", s => s is { State: PatchState.Applied, Settled: true, Patch.Version: "2.0" });
        Assert.InRange(host.Time.GetUtcNow() - start, TimeSpan.Zero, TimeSpan.FromMinutes(20));
    }

    private static void Spoil(string path, string what)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        switch (what)
        {
            case "garbage":
                File.WriteAllText(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
                break;
            case "a weak key":
                using (var weak = Weak()) File.WriteAllText(path, weak.ExportCertificatePem());
                break;
            case "cannot be read":
                File.CreateSymbolicLink(path, "/proc/self/mem");
                break;
            case "a folder":
                Directory.CreateDirectory(path);
                break;
            default:
                File.CreateSymbolicLink(path, path + ".nothing");
                break;
        }
    }

    private static void Remove(string path)
    {
        if (Directory.Exists(path)) Directory.Delete(path);
        else File.Delete(path);
    }

    [Fact]
    public async Task Pins_ThatWereMissed_AreFollowedOneByOne()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Pins["/v1/pins/1"] = Signed(Pins(host, 1, 1, [Second]), Workshop.Publisher);
        host.Server.Pins["/v1/pins/2"] = Signed(Pins(host, 2, 2, [Second, Third]), Second);
        Offer(host, 3, Pins(host, 3, 1, [Third]), Second, Third);
        await host.HappensAsync("followed", () => host.State.Enrolment?.PinsVersion == 3);
        Assert.Equal([Convert.ToBase64String(Third.RawData)], host.State.Enrolment!.PublisherCertificates);
        await host.SettledAsync(PatchState.Applied);
    }

    [Fact]
    public async Task Catalogue_OfANewKey_IsBelievedOncePinned()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.CatalogueSigner = Second;
        host.Server.AnswerHeldCalls();
        var status = await host.UntilAsync("distrusted", s => s.Problem?.Code == ProblemCode.CatalogueSignatureInvalid);
        Assert.Equal("1.0", status.Patch?.Version);
        Offer(host, 1, Pins(host, 1, 1, [Workshop.Publisher]) with { Catalogue = [Convert.ToBase64String(Second.RawData)] }, Workshop.Publisher);
        await host.UntilAsync("believed", s => s is { State: PatchState.Applied, Settled: true, Problem: null } && host.State.Enrolment?.PinsVersion == 1);
    }

    [Fact]
    public async Task TlsKey_ThatIsNoLongerPinned_IsNoLongerTalkedTo()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        Offer(host, 1, Pins(host, 1, 1, [Workshop.Publisher]) with { Tls = [Certificates.KeyPin(Second)] }, Workshop.Publisher);
        var status = await host.UntilAsync("parted", s => s.CheckIn.Problem?.Code == ProblemCode.ServerCertificateMismatch || s.Problem?.Code == ProblemCode.ServerCertificateMismatch);
        Assert.Equal("1.0", status.Patch?.Version);
        host.Server.Certificate = Second;
        await host.RefreshAsync();
        await host.UntilAsync("together again", s => s is { Settled: true, Problem: null, CheckIn: { Result: CheckInResult.Succeeded, Problem: null } });
    }

    public static TheoryData<string> Bad => ["stranger", "itself", "not the next", "too few signatures", "not there", "garbage", "weak key", "threshold"];

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task Pins_ThatCannotBeBelieved_ChangeNothingAndSaySo(string how)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        using var weak = Weak();
        host.Server.Pins["/v1/pins/1"] = how switch
        {
            "stranger" => Signed(Pins(host, 1, 1, [Workshop.Publisher]), Workshop.Stranger),
            "itself" => Signed(Pins(host, 1, 1, [Second]), Second),
            "not the next" => Signed(Pins(host, 2, 1, [Second]), Workshop.Publisher),
            "too few signatures" => Signed(Pins(host, 1, 1, [Second]), Workshop.CatalogueKey),
            "weak key" => Signed(Pins(host, 1, 1, [weak]), Workshop.Publisher),
            "threshold" => Signed(Pins(host, 1, 2, [Second]), Workshop.Publisher),
            _ => "garbage"u8.ToArray(),
        };
        if (how == "not there") host.Server.Instead = async c => c.Path == "/v1/pins/1" && await AnsweredAsync(c);
        host.Server.AnswerHeldCalls();
        var code = how == "not there" ? ProblemCode.NotFound : ProblemCode.PinsInvalid;
        var status = await host.UntilAsync("told", s => s.Problem?.Code == code);
        HostUnderTest.AssertProblem(status.Problem, code);
        Assert.Equal((PatchState.Applied, 0L), (status.State, host.State.Enrolment!.PinsVersion));
        // Patches go on as before.
        host.Server.Publish(Workshop.Patch(2));
        await host.UntilAsync("the next patch", s => s is { State: PatchState.Applied, Patch.Version: "2.0" });
        // And the right set is followed when it comes.
        host.Server.Instead = _ => Task.FromResult(false);
        Offer(host, 1, Pins(host, 1, 1, [Workshop.Publisher, Second]), Workshop.Publisher);
        await host.UntilAsync("mended", s => s is { Settled: true, Problem: null } && host.State.Enrolment.PinsVersion == 1);
        Assert.Equal(how == "not there" ? 0 : 1, File.ReadAllText(host.Path("var/lib/livepatch-agent/history.jsonl")).Split("pins-refused").Length - 1);
    }

    [Fact]
    public async Task Threshold_OfTheToken_IsHeldForManifests()
    {
        await using var host = new HostUnderTest();
        host.Server.Pinned = ([Workshop.Publisher, Second], 2);
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        var status = await host.SettledAsync(PatchState.Refused);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ManifestSignatureInvalid, "1 of the keys that this host trusts signed it, and 2 are needed");
        host.Server.Publish(One with { Envelope = CmsEnvelope.AddSignature(One.Envelope, Second) } is var both ? new Published(both.Manifest, both.Envelope, both.Module) : One);
        await host.SettledAsync(PatchState.Applied);
    }

    internal static void Offer(HostUnderTest host, long version, PinSet pins, params X509Certificate2[] signers)
    {
        host.Server.Pins[$"/v1/pins/{version}"] = Signed(pins, signers);
        host.Server.AnswerHeldCalls();
    }

    internal static PinSet Pins(HostUnderTest host, long version, int threshold, X509Certificate2[] publishers) => new()
    {
        Schema = PinSet.SchemaName,
        Version = version,
        Threshold = threshold,
        Publishers = [.. publishers.Select(p => Convert.ToBase64String(p.RawData))],
        Catalogue = [Convert.ToBase64String(Workshop.CatalogueKey.RawData)],
        Tls = [host.Server.KeyPin],
    };

    internal static byte[] Signed(PinSet pins, params X509Certificate2[] signers)
    {
        var envelope = CmsEnvelope.Sign(JsonSerializer.SerializeToUtf8Bytes(pins, WireJson.Default.PinSet), signers[0]);
        return signers[1..].Aggregate(envelope, (e, s) => CmsEnvelope.AddSignature(e, s));
    }

    private static async Task<bool> AnsweredAsync(Call call)
    {
        await call.AnswerAsync(404, new ErrorAnswer(new Problem(ProblemCode.NotFound, "cannot find the pin set", "ask later")), WireJson.Default.ErrorAnswer);
        return true;
    }

    private static X509Certificate2 Weak()
    {
        using var key = System.Security.Cryptography.RSA.Create(2048);
        return new CertificateRequest("CN=weak", key, System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
    }
}
