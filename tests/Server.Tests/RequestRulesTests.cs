using System.Buffers.Text;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Api;

namespace LivepatchAgent.Server.Tests;

/// <summary>What a request must look like, row by row. A null fault means that it is taken.</summary>
public sealed class RequestRulesTests
{
    private static readonly string Secret = new('s', 43);
    private static readonly string Digest = new('a', 64);
    private static readonly EnrolmentRequest Enrolment = new Machine().Enrolment(Secret);
    private static readonly CheckInRequest CheckIn = new Machine().CheckIn();
    private static readonly Outcome Outcome = new("h1", DateTimeOffset.UnixEpoch, OutcomeKind.Loaded, Digest, null);

    public static TheoryData<string, string?, Func<EnrolmentRequest, EnrolmentRequest>> Enrolments => new()
    {
        { "as hosts send it", null, r => r },
        { "shortest secret", null, r => r with { Secret = new string('s', 16) } },
        { "longest secret", null, r => r with { Secret = new string('s', 128) } },
        { "too short a secret", "secret", r => r with { Secret = new string('s', 15) } },
        { "too long a secret", "secret", r => r with { Secret = new string('s', 129) } },
        { "empty id", "enrolmentId", r => r with { EnrolmentId = "" } },
        { "id with a space", "enrolmentId", r => r with { EnrolmentId = "a b" } },
        { "id with a line end", "enrolmentId", r => r with { EnrolmentId = "a\n" } },
        { "short digest", "credentialSha256", r => r with { CredentialSha256 = new string('a', 63) } },
        { "upper-case digest", "credentialSha256", r => r with { CredentialSha256 = new string('A', 64) } },
        { "digest of no hex", "credentialSha256", r => r with { CredentialSha256 = new string('g', 64) } },
        { "machine", "machine.kernelRelease", r => r with { Machine = r.Machine with { KernelRelease = "../6" } } },
    };

    public static TheoryData<string, string?, Func<MachineFacts, MachineFacts>> Machines => new()
    {
        { "empty texts", null, m => m with { Hostname = "", OperatingSystem = "", AgentVersion = "", BootId = "" } },
        { "longest hostname", null, m => m with { Hostname = new string('h', ManifestRules.MaxText) } },
        { "letters of other scripts", null, m => m with { Hostname = "größe-東京" } },
        { "empty release", "kernelRelease", m => m with { KernelRelease = "" } },
        { "release with a slash", "kernelRelease", m => m with { KernelRelease = "6.12/../x" } },
        { "empty architecture", "architecture", m => m with { Architecture = "" } },
        { "too long a hostname", "too long", m => m with { Hostname = new string('h', ManifestRules.MaxText + 1) } },
        { "hostname with a line end", "control", m => m with { Hostname = "a\nEnrolled b" } },
        { "system with an escape", "control", m => m with { OperatingSystem = "\u001b[2J" } },
        { "version with NUL", "control", m => m with { AgentVersion = "1\0" } },
        { "boot id with C1", "control", m => m with { BootId = "\u009b" } },
    };

    public static TheoryData<string, string?, Func<CheckInRequest, CheckInRequest>> CheckIns => new()
    {
        { "as hosts send it", null, r => r },
        { "with an outcome", null, r => r with { Outcomes = [Outcome] } },
        { "outcome without a manifest", null, r => r with { Outcomes = [Outcome with { ManifestDigest = null }] } },
        { "as many outcomes as may be", null, r => r with { Outcomes = Many(RequestRules.MaxOutcomes) } },
        { "one outcome too many", "more than 256", r => r with { Outcomes = Many(RequestRules.MaxOutcomes + 1) } },
        { "null for an outcome", "malformed", r => r with { Outcomes = [null!] } },
        { "outcome with a bad id", "malformed", r => r with { Outcomes = [Outcome with { Id = "a b" }] } },
        { "outcome of no digest", "malformed", r => r with
        {
            Outcomes = [Outcome with { ManifestDigest = "latest" }],
        } },
        { "outcome with an escape", "malformed", r => r with { Outcomes = [OutcomeWith(Fault("\u001b"))] } },
        { "one bad outcome of two", "malformed", r => r with { Outcomes = [Outcome, Outcome with { Id = "" }] } },
        { "manifest of no digest", "report.manifest", r => r with { Report = r.Report with { ManifestDigest = "a" } } },
        { "version with a tab", "report holds", r => r with { Report = r.Report with { Version = "1\t2" } } },
        { "longest problem", null, r => r with { Report = Failed(new string('p', 2048)) } },
        { "too long", "report holds", r => r with { Report = Failed(new string('p', 2049)) } },
        { "problem of two lines", "report holds", r => r with { Report = Failed("a\nb") } },
        { "machine", "machine holds", r => r with { Machine = r.Machine with { Hostname = "\r" } } },
    };

    [Theory]
    [MemberData(nameof(Enrolments))]
    public void Enrolment_IsHeldAgainstItsRules(
        string row, string? fault, Func<EnrolmentRequest, EnrolmentRequest> change) =>
        AssertFault(row, fault, RequestRules.Fault(change(Enrolment)));

    [Theory]
    [MemberData(nameof(Machines))]
    public void Machine_IsHeldAgainstTheSameRulesInBoth(
        string row, string? fault, Func<MachineFacts, MachineFacts> change)
    {
        AssertFault(row, fault, RequestRules.Fault(Enrolment with { Machine = change(Enrolment.Machine) }));
        AssertFault(row, fault, RequestRules.Fault(CheckIn with { Machine = change(CheckIn.Machine) }));
    }

    [Theory]
    [MemberData(nameof(CheckIns))]
    public void CheckIn_IsHeldAgainstItsRules(string row, string? fault, Func<CheckInRequest, CheckInRequest> change) =>
        AssertFault(row, fault, RequestRules.Fault(change(CheckIn)));

    /// <summary>RFC 7240: the first preference of that name counts, whatever stands beside it.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(0, "")]
    [InlineData(0, "respond-async")]
    [InlineData(0, "wait")]
    [InlineData(0, "wait=")]
    [InlineData(0, "wait=soon")]
    [InlineData(0, "wait=-1")]
    [InlineData(0, "wait=1.5")]
    [InlineData(0, "wait=99999999999")]
    [InlineData(5, "wait=5")]
    [InlineData(5, "WAIT = 5")]
    [InlineData(5, "wait=\"5\"")]
    [InlineData(5, "respond-async, wait=5; x=1")]
    [InlineData(5, "respond-async", "wait=5, wait=9")]
    [InlineData(3600, "wait=3600")]
    [InlineData(3600, "wait=3601")]
    [InlineData(3600, "wait=4294967295")]
    public void Preference_Wait_IsWhatWasAskedForWithinAnHour(int seconds, params string[] headers) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Preference.Wait(headers));

    /// <summary>CREDENTIAL stands for 32 bytes as hosts write them.</summary>
    [Theory]
    [InlineData(true, "Bearer m1.CREDENTIAL")]
    [InlineData(true, "bearer m1.CREDENTIAL")]
    [InlineData(true, "Bearer  m1.CREDENTIAL ")]
    [InlineData(false, null)]
    [InlineData(false, "")]
    [InlineData(false, "Bearer")]
    [InlineData(false, "Basic m1.CREDENTIAL")]
    [InlineData(false, "Bearer CREDENTIAL")]
    [InlineData(false, "Bearer .CREDENTIAL")]
    [InlineData(false, "Bearer m1.")]
    [InlineData(false, "Bearer m1.CREDENTIALCREDENTIAL")]
    [InlineData(false, "Bearer m1.AAAA")]
    [InlineData(false, "Bearer m1.!!!!")]
    public void BearerCredential_IsOfOneForm(bool isOne, string? header)
    {
        var bytes = SHA256.HashData("credential"u8);
        var text = header?.Replace("CREDENTIAL", Base64Url.EncodeToString(bytes), StringComparison.Ordinal);
        Assert.Equal(isOne, BearerCredential.TryParse(text, out var credential));
        if (!isOne) return;
        Assert.Equal("m1", credential!.MachineId);
        Assert.True(credential.Matches(Publisher.Sha256(bytes)));
        Assert.False(credential.Matches(Publisher.Sha256([.. bytes.Reverse()])));
        Assert.Equal("m1", credential.ToString());
    }

    private static Outcome[] Many(int count) =>
        [.. Enumerable.Range(0, count).Select(i => Outcome with { Id = $"h{i}" })];

    private static Outcome OutcomeWith(Problem problem) => Outcome with { Problem = problem };

    private static MachineReport Failed(string message) => CheckIn.Report with { Problem = Fault(message) };

    private static Problem Fault(string message) => new(ProblemCode.NotFound, message, "");

    private static void AssertFault(string row, string? expected, string? fault)
    {
        if (expected is null) Assert.True(fault is null, $"{row}: {fault}");
        else Assert.True(fault?.Contains(expected, StringComparison.Ordinal) == true, $"{row}: {fault ?? "taken"}");
    }
}
