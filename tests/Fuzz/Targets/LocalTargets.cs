using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Fuzz;

/// <summary>What the CLI reads by hand, from whoever listens on the socket.</summary>
internal static class LocalTargets
{
    private const int Smallest = 1;

    /// <summary>
    /// An answer of HTTP as it comes, in one piece and in pieces of the first byte's size, which has to come to the
    /// same; its body, and all of the input, as a status.
    /// </summary>
    public static void Local(ReadOnlySpan<byte> input)
    {
        _ = StatusReader.Read(input.ToArray());
        if (input.IsEmpty) return;
        var (whole, pieces) = (Answer(input[1..], int.MaxValue), Answer(input[1..], input[0] + Smallest));
        if (whole is ApiAnswer.Reply said)
        {
            if (pieces is not ApiAnswer.Reply other
                || other.Code != said.Code
                || !other.Body.AsSpan().SequenceEqual(said.Body))
                throw new FuzzFindingException("local: what is read depends on the size of the pieces");
            _ = StatusReader.Read(said.Body);
        }
        else if (pieces.GetType() != whole.GetType())
        {
            throw new FuzzFindingException("local: whether it can be read depends on the size of the pieces");
        }
    }

    private static ApiAnswer Answer(ReadOnlySpan<byte> bytes, int piece)
    {
        var answer = new HttpAnswer();
        while (true)
        {
            var room = answer.Room();
            var length = Math.Min(Math.Min(piece, room.Length), bytes.Length);
            bytes[..length].CopyTo(room);
            bytes = bytes[length..];
            if (answer.Take(length) is { } taken) return taken;
        }
    }
}
