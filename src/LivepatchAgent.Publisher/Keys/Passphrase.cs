using System.CommandLine;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Publisher.Files;

namespace LivepatchAgent.Publisher.Keys;

/// <summary>
/// Where the passphrase of a key comes from: a file, the environment, or the person at the terminal, in this order.
/// Never argv.
/// </summary>
internal sealed class Passphrase(Surroundings surroundings)
{
    public const string Variable = "LIVEPATCH_PASSPHRASE";
    private const int Shortest = 8;

    public Option<string?> FileOption { get; } = new("--passphrase-file")
    {
        Description = "File with the key's passphrase in its first line, readable by its owner only; "
            + $"without it, ${Variable} or a prompt",
        HelpName = "FILE",
    };

    /// <summary>For a key that exists.</summary>
    public Result<string> Get(ParseResult parsed, string keyPath)
    {
        if (!Given(parsed).TryGet(out var given, out var problem)) return problem;
        if (given.Length > 0) return given;
        return surroundings.AskSecret($"Passphrase of {keyPath}") is { Length: > 0 } answer
            ? answer
            : new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use {keyPath}: it is encrypted and no passphrase was given",
                $"give --passphrase-file FILE or set {Variable}");
    }

    /// <summary>For a new key: asked for twice.</summary>
    public Result<string> Choose(ParseResult parsed)
    {
        if (!Given(parsed).TryGet(out var given, out var problem)) return problem;
        if (given.Length > 0) return Checked(given);
        if (surroundings.AskSecret("Passphrase for the new key") is not { Length: > 0 } first)
            return new Problem(
                ProblemCode.RequestInvalid,
                "cannot make a key: no passphrase was given",
                $"give --passphrase-file FILE, set {Variable}, or give --no-passphrase");
        return surroundings.AskSecret("The same again") == first
            ? Checked(first)
            : new Problem(ProblemCode.RequestInvalid, "cannot make a key: the two passphrases differ", "try again");
    }

    /// <summary>Empty when neither file nor environment has one.</summary>
    private Result<string> Given(ParseResult parsed)
    {
        if (parsed.GetValue(FileOption) is not { } path) return surroundings.Variable(Variable) ?? "";
        if (!LocalFile.ReadPrivate(path).TryGet(out var bytes, out var problem)) return problem;
        var line = Encoding.UTF8.GetString(bytes).Split('\n', 2)[0].TrimEnd('\r');
        return line.Length > 0 ? line : new Problem(
            ProblemCode.RequestInvalid,
            $"cannot use {path}: its first line is empty",
            "put the passphrase there");
    }

    private static Result<string> Checked(string passphrase) => passphrase.Length >= Shortest
        ? passphrase
        : new Problem(
            ProblemCode.RequestInvalid,
            $"cannot make a key: the passphrase has fewer than {Shortest} characters",
            "choose a longer one");
}
