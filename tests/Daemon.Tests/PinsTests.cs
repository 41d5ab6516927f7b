using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
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
        TestPins.Offer(host, 1, TestPins.Of(host, 1, 1, [Second]), Workshop.Publisher);
        await host.HappensAsync("followed", () => host.State.Enrolment?.PinsVersion == 1);
        var status = await host.SettledAsync(PatchState.Applied);
        Assert.Null(status.Problem);
        Assert.Equal([One.Name], host.Kernel.Loaded);

        host.Server.Publish(Workshop.Patch(2));
        status = await host.SettledAsync(PatchState.Refused);
        const string reason = "no key that this host trusts";
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ManifestSignatureInvalid, reason);
        host.Server.Publish(Workshop.Patch(3, moduleSigner: Second, manifestSigner: Second));
        await host.UntilAsync("the new publisher's patch", s => IsApplied(s, "3.0"));
        await host.StopAsync();
        Assert.Contains("pins-changed", History(host), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pins_ThatRevokeAKeyOfTheAdministrators_SayWhereItIsStillTrusted()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Write("etc/livepatch-agent/trust.d/old.pem", Workshop.Publisher.ExportCertificatePem());
        host.Write("etc/livepatch-agent/trust.d/own.pem", Third.ExportCertificatePem());
        host.Write("etc/livepatch-agent/trust.d/second.pem", Second.ExportCertificatePem());
        TestPins.Offer(host, 1, TestPins.Of(host, 1, 1, [Second]), Workshop.Publisher);
        await host.HappensAsync("followed", () => host.State.Enrolment?.PinsVersion == 1);
        Assert.Contains("trust.d/old.pem", Assert.Single(host.Log.From(LogLevel.Warning)), StringComparison.Ordinal);
        host.Server.Publish(Workshop.Patch(2));
        await host.UntilAsync("the old key's patch", s => IsApplied(s, "2.0"));
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
        host.Server.Pins["/v1/pins/1"] = TestPins.Signed(TestPins.Of(host, 1, 1, [Second]), Workshop.Publisher);
        host.Server.Pins["/v1/pins/2"] = TestPins.Signed(TestPins.Of(host, 2, 2, [Second, Third]), Second);
        TestPins.Offer(host, 3, TestPins.Of(host, 3, 1, [Third]), Second, Third);
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
        var pins = TestPins.Of(host, 1, 1, [Workshop.Publisher]);
        var catalogue = Convert.ToBase64String(Second.RawData);
        TestPins.Offer(host, 1, pins with { Catalogue = [catalogue] }, Workshop.Publisher);
        await host.UntilAsync("believed", s => IsApplied(s, "1.0") && s.Problem is null && Version(host) == 1);
    }

    [Fact]
    public async Task TlsKey_ThatIsNoLongerPinned_IsNoLongerTalkedTo()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var pins = TestPins.Of(host, 1, 1, [Workshop.Publisher]);
        TestPins.Offer(host, 1, pins with { Tls = [Certificates.KeyPin(Second)] }, Workshop.Publisher);
        const ProblemCode mismatch = ProblemCode.ServerCertificateMismatch;
        var status = await host.UntilAsync(
            "parted", s => s.CheckIn.Problem?.Code == mismatch || s.Problem?.Code == mismatch);
        Assert.Equal("1.0", status.Patch?.Version);
        host.Server.Certificate = Second;
        await host.RefreshAsync();
        await host.UntilAsync(
            "together again",
            s => s is { Settled: true, Problem: null, CheckIn: { Result: CheckInResult.Succeeded, Problem: null } });
    }

    public static TheoryData<string> Bad =>
    [
        "stranger", "itself", "not the next", "too few signatures", "not there", "garbage", "weak key", "threshold",
    ];

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task Pins_ThatCannotBeBelieved_ChangeNothingAndSaySo(string how)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        using var weak = Weak();
        host.Server.Pins["/v1/pins/1"] = how switch
        {
            "stranger" => TestPins.Signed(TestPins.Of(host, 1, 1, [Workshop.Publisher]), Workshop.Stranger),
            "itself" => TestPins.Signed(TestPins.Of(host, 1, 1, [Second]), Second),
            "not the next" => TestPins.Signed(TestPins.Of(host, 2, 1, [Second]), Workshop.Publisher),
            "too few signatures" => TestPins.Signed(TestPins.Of(host, 1, 1, [Second]), Workshop.CatalogueKey),
            "weak key" => TestPins.Signed(TestPins.Of(host, 1, 1, [weak]), Workshop.Publisher),
            "threshold" => TestPins.Signed(TestPins.Of(host, 1, 2, [Second]), Workshop.Publisher),
            _ => "garbage"u8.ToArray(),
        };
        if (how == "not there") host.Server.Instead = async c => c.Path == "/v1/pins/1" && await AnsweredAsync(c);
        host.Server.AnswerHeldCalls();
        var code = how == "not there" ? ProblemCode.NotFound : ProblemCode.PinsInvalid;
        var status = await host.UntilAsync("reported", s => s.Problem?.Code == code);
        HostUnderTest.AssertProblem(status.Problem, code);
        Assert.Equal((PatchState.Applied, 0L), (status.State, host.State.Enrolment!.PinsVersion));
        // Patches go on as before.
        host.Server.Publish(Workshop.Patch(2));
        await host.UntilAsync("the next patch", s => s is { State: PatchState.Applied, Patch.Version: "2.0" });
        // And the right set is followed when it comes.
        host.Server.Instead = _ => Task.FromResult(false);
        TestPins.Offer(host, 1, TestPins.Of(host, 1, 1, [Workshop.Publisher, Second]), Workshop.Publisher);
        await host.UntilAsync("mended", s => s is { Settled: true, Problem: null } && Version(host) == 1);
        Assert.Equal(how == "not there" ? 0 : 1, History(host).Split("pins-refused").Length - 1);
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
        const string reason = "1 of the keys that this host trusts signed it, and 2 are needed";
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ManifestSignatureInvalid, reason);
        var envelope = CmsEnvelope.AddSignature(One.Envelope, Second);
        host.Server.Publish(new Published(One.Manifest, envelope, One.Module));
        await host.SettledAsync(PatchState.Applied);
    }

    private static bool IsApplied(AgentStatus status, string version) =>
        status is { State: PatchState.Applied, Settled: true } && status.Patch?.Version == version;

    private static long? Version(HostUnderTest host) => host.State.Enrolment?.PinsVersion;

    private static string History(HostUnderTest host) =>
        File.ReadAllText(host.Path("var/lib/livepatch-agent/history.jsonl"));

    private static async Task<bool> AnsweredAsync(Call call)
    {
        await call.AnswerAsync(404, new Problem(ProblemCode.NotFound, "cannot find the pin set", "ask later"));
        return true;
    }

    private static X509Certificate2 Weak()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=weak", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
    }
}
