using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Fuzz;

/// <summary>Signed documents, tokens, and the JSON of both APIs.</summary>
internal static class DocumentTargets
{
    private static readonly X509Certificate2 Key = MakeKey();

    public static IReadOnlyList<X509Certificate2> Publishers { get; } = [Key];

    /// <summary>
    /// An envelope; or a document that begins like JSON, which is signed if it can be read at all, so that the rules
    /// behind the signature are reached.
    /// </summary>
    public static void Manifest(ReadOnlySpan<byte> input)
    {
        if (!IsJson(input))
        {
            _ = ManifestVerifier.Verify(input, null, Publishers);
            return;
        }

        if (Read(input, WireJson.Default.PatchManifest) is { } manifest)
        {
            _ = ManifestRules.Fault(manifest);
            if (IsSigned(input)) _ = ManifestVerifier.Verify(CmsEnvelope.Sign(input, Key), null, Publishers);
        }
        else if (Read(input, WireJson.Default.PatchWithdrawal) is not null && IsSigned(input))
        {
            _ = ManifestVerifier.VerifyWithdrawal(CmsEnvelope.Sign(input, Key), null, Publishers);
        }
    }

    public static void Catalogue(ReadOnlySpan<byte> input)
    {
        if (!IsJson(input))
            _ = CatalogueVerifier.Verify(input, Publishers, "x86_64", "6.12.0", 1, DateTimeOffset.UnixEpoch);
        else if (Read(input, WireJson.Default.Catalogue) is not null && IsSigned(input))
            _ = CatalogueVerifier.Verify(
                CmsEnvelope.Sign(input, Key), Publishers, "x86_64", "6.12.0", 1, DateTimeOffset.UnixEpoch);
    }

    public static void Pins(ReadOnlySpan<byte> input)
    {
        if (!IsJson(input)) _ = PinSetVerifier.Verify(input, Publishers, 1, 0);
        else if (PinSetVerifier.Read(input).TryGet(out var pins, out _))
            _ = JsonSerializer.SerializeToUtf8Bytes(pins, WireJson.Default.PinSet);
    }

    /// <summary>The input as a token, and as the content of one whose check digits fit.</summary>
    public static void Token(ReadOnlySpan<byte> input)
    {
        var text = Encoding.UTF8.GetString(input);
        _ = EnrolmentToken.Read(text);
        if (input.Length > EnrolmentToken.MaxLength) return;
        var head = "lpa1." + (IsJson(input) ? Base64Url.EncodeToString(input) : text);
        _ = EnrolmentToken.Read(
            $"{head}.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(head)).AsSpan(0, 4))}");
    }

    /// <summary>The first byte, a letter from a on, says which type.</summary>
    public static void Wire(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return;
        var json = input[1..];
        _ = ((input[0] - 'a') & 0xff) switch
        {
            0 => (object?)Read(json, WireJson.Default.EnrolmentRequest),
            1 => (object?)Read(json, WireJson.Default.EnrolmentAnswer),
            2 => (object?)Read(json, WireJson.Default.CheckInRequest),
            3 => (object?)Read(json, WireJson.Default.Assignment),
            4 => (object?)Read(json, WireJson.Default.ErrorAnswer) ?? Read(json, WireJson.Default.UntrustedErrorAnswer),
            5 => (object?)Read(json, WireJson.Default.AgentStatus),
            6 => (object?)Read(json, WireJson.Default.EnableRequest),
            7 => (object?)Read(json, WireJson.Default.ChangeAnswer),
            8 => (object?)Read(json, WireJson.Default.PatchManifest),
            9 => (object?)Read(json, WireJson.Default.PatchWithdrawal),
            10 => (object?)Read(json, WireJson.Default.Catalogue),
            11 => (object?)Read(json, HistoryJson.Default.HistoryAnswer),
            12 => (object?)Read(json, HistoryJson.Default.HistoryVerdict),
            13 => Report(json),
            _ => (object?)Read(json, WireJson.Default.TokenContent),
        };
    }

    /// <summary>As the CLI takes it: without rows that are null.</summary>
    private static object? Report(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(
                json, PreflightJson.Default.PreflightReport) is { } report && !report.Checks.Contains(null!)
                ? JsonSerializer.SerializeToUtf8Bytes(report, PreflightJson.Default.PreflightReport)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>
    /// The one exception that readers of JSON expect and turn into a problem. What was read must be writable.
    /// </summary>
    private static T? Read<T>(ReadOnlySpan<byte> json, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        T? value;
        try
        {
            value = JsonSerializer.Deserialize(json, type);
        }
        catch (JsonException)
        {
            return null;
        }

        if (value is not null) _ = JsonSerializer.SerializeToUtf8Bytes(value, type);
        return value;
    }

    /// <summary>Signing takes a hundred times as long as reading does: some are.</summary>
    private static bool IsSigned(ReadOnlySpan<byte> input) => input.Length % 8 == 0;

    private static bool IsJson(ReadOnlySpan<byte> input) =>
        !input.IsEmpty && input[0] is (byte)'{' or (byte)'[' or (byte)' ';

    private static X509Certificate2 MakeKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=fuzz", key, HashAlgorithmName.SHA256).CreateSelfSigned(
            DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
    }
}
