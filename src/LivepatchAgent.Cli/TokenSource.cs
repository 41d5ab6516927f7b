using System.Text;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Cli;

/// <summary>
/// Where an enrolment token comes from. It is a secret: no message holds any of it, and a malformed one is told here,
/// before the daemon or a server hears of it.
/// </summary>
internal static class TokenSource
{
    public const string StandardInput = "-";

    private const string Prompt = "Token (not shown while you paste it), then Enter: ";

    public static Result<string> Read(string? argument, string? file, Surroundings surroundings)
    {
        var text = (argument, file) switch
        {
            ({ } given, null) when given != StandardInput => given,
            (null, { } path) when path != StandardInput => OfBytes(BoundedFile.TryRead(path, EnrolmentToken.MaxLength), $"the token file {path}"),
            _ => OfBytes(surroundings.ReadInput(Prompt, ReadLine), "the token on standard input"),
        };
        if (!text.TryGet(out var token, out var problem)) return problem;
        token = token.Trim();
        return EnrolmentToken.Read(token).TryGet(out _, out var malformed) ? token : malformed;
    }

    /// <summary>Up to the first line that holds anything: whoever pastes a token and presses Enter sends no end of input. Null when it is too long.</summary>
    private static byte[]? ReadLine(Stream input)
    {
        var bytes = new byte[EnrolmentToken.MaxLength + 1];
        var count = 0;
        while (count < bytes.Length && input.Read(bytes.AsSpan(count)) is > 0 and var read)
        {
            count += read;
            if (bytes.AsSpan(0, count).TrimStart(" \t\r\n"u8).Contains((byte)'\n')) break;
        }

        return count == bytes.Length ? null : bytes[..count];
    }

    private static Result<string> OfBytes(byte[]? bytes, string from) => bytes is null
        ? new Problem(ProblemCode.TokenMalformed, $"cannot read {from}: it is missing, not readable or longer than {EnrolmentToken.MaxLength} bytes", "save the line that `livepatch-server token create` printed in a file of its own")
        : Encoding.UTF8.GetString(bytes);
}
