using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace LivepatchAgent.Core.Wire;

/// <summary>
/// One string that takes a host into a server's care and needs nothing else: <c>lpa1.PAYLOAD.CHECK</c>. PAYLOAD is
/// base64url of JSON (<see cref="TokenContent"/>), CHECK the first 8 hex digits of the SHA-256 of what stands before
/// it, so that a token cut off in a mail can be distinguished from a wrong one.
/// </summary>
public static class EnrolmentToken
{
    public const int MaxLength = 4096;
    public const int MaxPublishers = 16;
    private const string Prefix = "lpa1.";

    public static string Write(TokenContent content)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(content, WireJson.Default.TokenContent);
        var head = Prefix + Base64Url.EncodeToString(json);
        return $"{head}.{Check(head)}";
    }

    /// <summary>
    /// Reads a token that a person pasted; white space around it does not matter. The message never holds any of it.
    /// </summary>
    public static Result<TokenContent> Read(ReadOnlySpan<char> text)
    {
        var token = text.Trim();
        if (token.IsEmpty) return Malformed("it is empty");
        if (token.Length > MaxLength) return Malformed($"it is longer than {MaxLength} characters");
        if (!token.StartsWith(Prefix)) return Malformed($"it does not start with \"{Prefix}\"");
        var dot = token.LastIndexOf('.');
        if (dot < Prefix.Length || !token[(dot + 1)..].Equals(Check(token[..dot]), StringComparison.Ordinal))
            return Malformed("its check digits do not fit, so a part of it is missing or changed");
        try
        {
            var json = Base64Url.DecodeFromChars(token[Prefix.Length..dot]);
            var content = JsonSerializer.Deserialize(json, WireJson.Default.TokenContent);
            return content is null ? Malformed("it holds nothing") : Validate(content);
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            return Malformed("its content cannot be read");
        }
    }

    private static Result<TokenContent> Validate(TokenContent content)
    {
        var isAddress = Uri.TryCreate(content.Server, UriKind.Absolute, out var uri);
        if (!isAddress || uri!.Scheme != "https" || uri.UserInfo.Length > 0)
            return Malformed("the server it names is not an https address");
        if (content.Secret.Length is < 16 or > 128) return Malformed("its secret has an impossible length");
        var isSized = content.Catalogue.Count is > 0 and <= 8 && content.Publishers.Count is > 0 and <= MaxPublishers;
        if (!isSized || content.Tls.Count > 8) return Malformed("its pins are missing or too many");
        var hasThreshold = content.Threshold >= 1 && content.Threshold <= content.Publishers.Count;
        if (!hasThreshold || content.PinsVersion < 0) return Malformed("its threshold or its version cannot be");
        var pins = content.Catalogue.Concat(content.Publishers).Concat(content.Tls);
        return pins.All(Hex.IsSha256) ? content : Malformed("a pin in it is not a SHA-256");
    }

    private static string Check(ReadOnlySpan<char> head)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(head)];
        Encoding.UTF8.GetBytes(head, bytes);
        return Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 4));
    }

    private static Problem Malformed(string why) => new(
        ProblemCode.TokenMalformed,
        $"cannot read the token: {why}",
        "copy the whole line that `livepatch-server token create` printed");
}

/// <summary>What a token says.</summary>
public sealed record TokenContent
{
    /// <summary>https address of the server.</summary>
    public required string Server { get; init; }

    /// <summary>base64url; the server keeps its digest only.</summary>
    public required string Secret { get; init; }

    /// <summary>
    /// SHA-256 of the SubjectPublicKeyInfo of the server's TLS key, hex; empty where the system's CAs are to judge.
    /// </summary>
    public required IReadOnlyList<string> Tls { get; init; }

    /// <summary>SHA-256 of the catalogue certificates (DER), hex.</summary>
    public required IReadOnlyList<string> Catalogue { get; init; }

    /// <summary>SHA-256 of the publishers' certificates (DER), hex.</summary>
    public required IReadOnlyList<string> Publishers { get; init; }

    /// <summary>How many different publishers must sign; 1 where the token does not say.</summary>
    public int Threshold { get; init => field = value == 0 ? 1 : value; } = 1;

    /// <summary>Version of the pin set that these pins are of; 0 when no set was ever published.</summary>
    public long PinsVersion { get; init; }

    /// <summary>Never shows the secret.</summary>
    public override string ToString() => $"token for {Server}";
}
