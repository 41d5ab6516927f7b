using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Server.Api;

/// <summary>What a request must look like beyond its JSON; pure.</summary>
internal static class RequestRules
{
    public const int MaxOutcomes = 256;

    /// <summary>What is wrong with it, or null.</summary>
    public static string? Fault(EnrolmentRequest request)
    {
        if (!ManifestRules.IsWord(request.EnrolmentId)) return "enrolmentId is not a plain word";
        if (request.Secret.Length is < 16 or > 128) return "secret has an impossible length";
        if (!Hex.IsSha256(request.CredentialSha256)) return "credentialSha256 is not a SHA-256 in lower-case hex";
        return Fault(request.Machine);
    }

    public static string? Fault(CheckInRequest request)
    {
        var report = request.Report;
        if (report.ManifestDigest is { } manifest && !Hex.IsSha256(manifest))
            return "report.manifest is not a SHA-256 in lower-case hex";
        if (!IsText(report.Version) || !IsText(report.Problem))
            return "report holds text that is too long or has control characters";
        if (request.Outcomes.Count > MaxOutcomes) return $"it has more than {MaxOutcomes} outcomes";
        if (!request.Outcomes.All(IsOutcome)) return "an outcome is malformed";
        return Fault(request.Machine);
    }

    private static string? Fault(MachineFacts machine)
    {
        if (!ManifestRules.IsWord(machine.KernelRelease) || !ManifestRules.IsWord(machine.Architecture))
            return "machine.kernelRelease or machine.architecture is not a plain word";
        string[] texts = [machine.Hostname, machine.OperatingSystem, machine.AgentVersion, machine.BootId];
        return texts.All(IsText) ? null : "machine holds text that is too long or has control characters";
    }

    private static bool IsOutcome(Outcome? outcome) => outcome is not null
        && ManifestRules.IsWord(outcome.Id)
            && (outcome.ManifestDigest is null || Hex.IsSha256(outcome.ManifestDigest))
            && IsText(outcome.Problem);

    private static bool IsText(Problem? problem) =>
        problem is null || (IsText(problem.Message, 2048) && IsText(problem.Cure, 2048));

    private static bool IsText(string? text) => IsText(text, ManifestRules.MaxText);

    // Control characters would let a machine write lines of its own into logs and terminals.
    private static bool IsText(string? text, int max) =>
        text is null || (text.Length <= max && !text.Any(char.IsControl));
}

/// <summary>What a machine calls itself by: <c>Authorization: Bearer MACHINE-ID.CREDENTIAL</c>.</summary>
internal sealed record BearerCredential(string MachineId, byte[] Sha256)
{
    private const int CredentialBytes = 32;
    private const string Scheme = "Bearer ";

    public static bool TryParse(string? header, [NotNullWhen(true)] out BearerCredential? credential)
    {
        credential = null;
        if (header is null || header.Length > 256 || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return false;
        var value = header.AsSpan(Scheme.Length).Trim();
        var dot = value.IndexOf('.');
        if (dot <= 0) return false;
        Span<byte> bytes = stackalloc byte[CredentialBytes];
        try
        {
            if (!Base64Url.TryDecodeFromChars(value[(dot + 1)..], bytes, out var length) || length != CredentialBytes)
                return false;
        }
        catch (FormatException)
        {
            return false;
        }

        credential = new BearerCredential(value[..dot].ToString(), SHA256.HashData(bytes));
        return true;
    }

    /// <summary>In constant time.</summary>
    public bool Matches(string sha256) =>
        CryptographicOperations.FixedTimeEquals(Sha256, Convert.FromHexString(sha256));

    /// <summary>Never shows the digest.</summary>
    public override string ToString() => MachineId;
}

/// <summary>RFC 7240's <c>Prefer: wait=SECONDS</c>.</summary>
internal static class Preference
{
    public static readonly TimeSpan MaxWait = TimeSpan.FromHours(1);

    /// <summary>How long the answer may be held; zero when nothing sensible was asked for.</summary>
    public static TimeSpan Wait(IEnumerable<string?> headers)
    {
        foreach (var preference in headers.SelectMany(h => (h ?? "").Split(',')))
        {
            var parts = preference.Split(';')[0].Split('=', 2, StringSplitOptions.TrimEntries);
            if (parts is [var name, var value] && name.Equals("wait", StringComparison.OrdinalIgnoreCase)
                && uint.TryParse(value.Trim('"'), System.Globalization.NumberStyles.None, null, out var seconds))
                return seconds > MaxWait.TotalSeconds ? MaxWait : TimeSpan.FromSeconds(seconds);
        }

        return TimeSpan.Zero;
    }
}
