using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// A pin set that enough publishers of the one before have signed. Only <see cref="PinSetVerifier"/> makes one.
/// </summary>
public sealed class VerifiedPinSet
{
    internal VerifiedPinSet(PinSet content) => Content = content;

    public PinSet Content { get; }
}

/// <summary>Turns bytes into a new set of pins, or says why they change nothing.</summary>
public static class PinSetVerifier
{
    private const int MaxPublishers = 16;
    private const int MaxOnline = 8;

    /// <param name="publishers">Of the set that is in force, and of no other place: what an administrator adds on one
    /// host speaks for patches only.</param>
    /// <param name="threshold">Of the set in force.</param>
    /// <param name="version">Of the set in force; the new one must be the next.</param>
    public static Result<VerifiedPinSet> Verify(
        ReadOnlySpan<byte> envelope,
        IReadOnlyList<X509Certificate2> publishers,
        int threshold,
        long version)
    {
        var opened = CmsEnvelope.Open(envelope, publishers, "the pin set", ProblemCode.PinsInvalid, threshold);
        if (!opened.TryGet(out var content, out var problem)) return problem;
        if (!Read(content).TryGet(out var pins, out problem)) return problem;
        return pins.Version == version + 1
            ? new VerifiedPinSet(pins)
            : Invalid($"it is version {pins.Version}, and version {version + 1} is the next");
    }

    /// <summary>
    /// The set without a look at who signed it: to show it, or to add a signature. Never to believe it.
    /// </summary>
    public static Result<PinSet> Read(ReadOnlySpan<byte> content)
    {
        try
        {
            var pins = JsonSerializer.Deserialize(content, WireJson.Default.PinSet);
            if (pins is not { Schema: PinSet.SchemaName }) return Invalid($"its schema is not {PinSet.SchemaName}");
            return Fault(pins) is { } fault ? Invalid(fault) : pins;
        }
        catch (JsonException)
        {
            return Invalid("it is not a pin set");
        }
    }

    /// <summary>The certificates of a list; those that cannot be used were refused when the set was read.</summary>
    public static IReadOnlyList<X509Certificate2> Certificates(IReadOnlyList<string> list) =>
        [.. list.Select(text => Load(text, out _)).OfType<X509Certificate2>()];

    private static string? Fault(PinSet pins)
    {
        if (pins.Version < 1) return "its version is below 1";
        var isSized = pins.Publishers.Count is > 0 and <= MaxPublishers && pins.Catalogue.Count is > 0 and <= MaxOnline;
        if (!isSized || pins.Tls.Count > MaxOnline) return "its pins are missing or too many";
        foreach (var text in pins.Publishers.Concat(pins.Catalogue))
        {
            if (Load(text, out var fault) is null) return fault;
        }

        if (!pins.Tls.All(Hex.IsSha256)) return "a TLS pin in it is not a SHA-256";
        var keys = Certificates(pins.Publishers).Select(Trust.Certificates.KeyPin).Distinct().Count();
        return pins.Threshold < 1 || pins.Threshold > keys
            ? $"its threshold is {pins.Threshold}, of {keys} publishers"
            : null;
    }

    private static X509Certificate2? Load(string? text, out string fault)
    {
        var der = new byte[text?.Length ?? 0];
        if (text is null || !Convert.TryFromBase64String(text, der, out var length))
        {
            fault = "a certificate in it is not base64";
            return null;
        }

        if (Trust.Certificates.TryLoad(der.AsSpan(0, length), out var certificate, out var why))
        {
            fault = "";
            return certificate;
        }

        fault = $"a certificate in it cannot be used: {why}";
        return null;
    }

    private static Problem Invalid(string why) => new(
        ProblemCode.PinsInvalid,
        $"cannot accept the pin set: {why}",
        "the host trusts whom it trusted before; contact the publisher");
}
