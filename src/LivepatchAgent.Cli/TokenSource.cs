using System.Text;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli;

/// <summary>
/// Where an enrolment token comes from. It is a secret: no message holds any of it, and a malformed one is told here,
/// before the daemon or a server hears of it.
/// </summary>
internal static class TokenSource
{
    public const string StandardInput = "-";

    public static Result<string> Read(string? argument, string? file, Func<Stream> openInput)
    {
        var text = (argument, file) switch
        {
            ({ } given, null) when given != StandardInput => given,
            (null, { } path) when path != StandardInput => OfBytes(BoundedFile.Read(path, EnrolmentToken.MaxLength), $"the token file {path}"),
            _ => OfBytes(ReadInput(openInput), "the token on standard input"),
        };
        if (!text.TryGet(out var token, out var problem)) return problem;
        token = token.Trim();
        return EnrolmentToken.Read(token).TryGet(out _, out var malformed) ? token : malformed;
    }

    private static byte[]? ReadInput(Func<Stream> openInput)
    {
        using var input = openInput();
        return BoundedFile.Read(input, EnrolmentToken.MaxLength);
    }

    private static Result<string> OfBytes(byte[]? bytes, string from) => bytes is null
        ? new Problem(ProblemCode.TokenMalformed, $"cannot read {from}: it is missing, not readable or longer than {EnrolmentToken.MaxLength} bytes", "save the line that `livepatch-server token create` printed in a file of its own")
        : Encoding.UTF8.GetString(bytes);
}
