using System.Text;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Cli.Commands;

/// <summary>
/// Where an enrolment token comes from. It is a secret: no message holds any of it, and a malformed one is refused
/// here, before the daemon or a server sees it.
/// </summary>
internal static class TokenSource
{
    public const string StandardInput = "-";

    private const string Prompt = "Token (not shown while you paste it), then Enter: ";
    private const string Cure = "save the line that `livepatch-server token create` printed in a file of its own";

    public static Result<string> Read(string? argument, string? file, Surroundings surroundings)
    {
        if (!Text(argument, file, surroundings).TryGet(out var text, out var problem)) return problem;
        var token = text.Trim();
        return EnrolmentToken.Read(token).TryGet(out _, out var malformed) ? token : malformed;
    }

    private static Result<string> Text(string? argument, string? file, Surroundings surroundings)
    {
        if ((argument ?? file) == StandardInput)
            return OfBytes(surroundings.ReadInput(Prompt, ReadLine), "the token on standard input");
        return argument is not null ? argument : OfFile(file!);
    }

    private static Result<string> OfFile(string path) =>
        OfBytes(BoundedFile.TryRead(path, EnrolmentToken.MaxLength), $"the token file {path}");

    /// <summary>
    /// Up to the first line that holds anything: pasting a token and pressing Enter sends no end of input.
    /// Null when it is too long.
    /// </summary>
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

    private static Result<string> OfBytes(byte[]? bytes, string from)
    {
        if (bytes is not null) return Encoding.UTF8.GetString(bytes);
        var why = $"it is missing, not readable or longer than {EnrolmentToken.MaxLength} bytes";
        return new Problem(ProblemCode.TokenMalformed, $"cannot read {from}: {why}", Cure);
    }
}
