using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Server.Tests;

/// <summary>A host as far as the server sees it.</summary>
internal sealed class Machine
{
    public const string Release = "6.12.0-1-amd64";
    private readonly byte[] _credential = RandomNumberGenerator.GetBytes(32);

    public string EnrolmentId { get; } = Guid.NewGuid().ToString();

    public string Id { get; set; } = "";

    public MachineFacts Facts { get; init; } = new()
    {
        Hostname = "host-1",
        KernelRelease = Release,
        Architecture = "x86_64",
        OperatingSystem = "Debian GNU/Linux 13",
        AgentVersion = "0.1.0",
        BootId = "4f3c9f6e-0000-4000-8000-000000000001",
    };

    public AuthenticationHeaderValue Authorization => new("Bearer", $"{Id}.{Base64Url.EncodeToString(_credential)}");

    public EnrolmentRequest Enrolment(string secret) =>
        new()
        {
            EnrolmentId = EnrolmentId,
            Secret = secret,
            CredentialSha256 = Publisher.Sha256(_credential),
            Machine = Facts,
        };

    public CheckInRequest CheckIn(string? knownTag = null, params Outcome[] outcomes) => new()
    {
        Machine = Facts,
        Report = new MachineReport { State = PatchState.NothingToApply },
        Outcomes = outcomes,
        KnownTag = knownTag,
    };
}
