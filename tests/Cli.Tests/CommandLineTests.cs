using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LivepatchAgent.Cli.Tests;

public sealed class CommandLineTests
{
    private const string Secret = "lpa1.c2VjcmV0.00000000";

    [Theory]
    [InlineData("it names no verb")]
    [InlineData("\"frobnicate\" is not a verb or option that can stand here", "frobnicate")]
    [InlineData("\"--loud\" is not a verb or option that can stand here", "status", "--loud")]
    [InlineData("\"extra\" is not a verb or option that can stand here", "status", "extra")]
    [InlineData("--format takes text, json or yaml", "status", "--format", "xml")]
    [InlineData("--timeout takes seconds, 1 to 86400", "refresh", "--timeout", "soon")]
    [InlineData("--timeout takes seconds, 1 to 86400", "refresh", "--timeout", "0")]
    [InlineData("there is no such verb to explain", "help", "frobnicate")]
    [InlineData("enable takes a token or --token-file, and one of them only", "enable")]
    [InlineData("enable takes a token or --token-file, and one of them only", "enable", Secret, "--token-file", "f")]
    [InlineData("enable takes one token and its options", "enable", Secret, Secret)]
    [InlineData("enable takes one token and its options", "enable", Secret, "hunter2")]
    [InlineData("an argument is out of place", Secret)]
    [InlineData("an argument is out of place", "refresh", Secret)]
    [InlineData("\"enabel\" is not a verb or option that can stand here", "enabel", Secret)]
    [InlineData("\"@/etc/passwd\" is not a verb or option that can stand here", "@/etc/passwd")]
    public void Usage_WhenWrong_Is64AndOneLineWithoutTheToken(string why, params string[] args)
    {
        var ran = Run.Of("/nonexistent", args);
        Assert.Equal((ExitCode.Usage, "", $"cannot understand the command line: {why}; see `livepatch-agent help`\n"), (ran.Code, ran.Out, ran.Error));
        Assert.DoesNotContain("lpa1", ran.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", ran.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--format", "status")]
    [InlineData("--timeout", "refresh")]
    [InlineData("--socket", "status")]
    public void Usage_WhenAnOptionHasNoValue_Is64AndOneLine(string option, string verb)
    {
        var ran = Run.Of("/nonexistent", verb, option);
        Assert.Equal((ExitCode.Usage, 1), (ran.Code, ran.Error.Count(c => c == '\n')));
    }

    [Theory]
    [InlineData("help")]
    [InlineData("--help")]
    [InlineData("help", "enable")]
    [InlineData("enable", "--help")]
    [InlineData("help", "status")]
    public void Help_IsGivenOnStandardOutput(params string[] args)
    {
        var ran = Run.Of("/nonexistent", args);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Contains("Usage:", ran.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Version_IsTheAssemblys() =>
        Assert.Equal($"livepatch-agent {typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion}\n", Run.Of("/nonexistent", "version").Out);

    /// <summary>`(livepatch-agent status; echo more) >file`: each writes where the other stopped.</summary>
    [Fact]
    public void Output_ToASharedFile_GoesOnWhereOthersStopped()
    {
        var path = Path.GetTempFileName();
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write))
        {
            var descriptor = (int)file.DangerousGetHandle();
            new OutputStream(descriptor).Write("one\n"u8);
            new OutputStream(descriptor).Write("two\n"u8);
        }
        Assert.Equal("one\ntwo\n", File.ReadAllText(path));
        File.Delete(path);
    }

    [Fact]
    public void Output_ToAFullDevice_IsAnError()
    {
        using var full = File.OpenHandle("/dev/full", FileMode.Open, FileAccess.Write);
        Assert.Throws<IOException>(() => new OutputStream((int)full.DangerousGetHandle()).Write("x"u8));
    }

    [Fact]
    public void Documentation_NamesEveryVerbAndExitCode()
    {
        var page = File.ReadAllText(Path.Combine(Repository(), "docs", "cli.md"));
        foreach (var command in CommandLine.Root(SomeSurroundings()).Subcommands)
            Assert.Contains($"`{command.Name}", page, StringComparison.Ordinal);
        var documented = Regex.Matches(page, @"^\| (\d+) \|", RegexOptions.Multiline).Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
        var codes = typeof(ExitCode).GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic).Where(field => field.IsLiteral).Select(field => (int)field.GetRawConstantValue()!);
        Assert.Equal(codes.Order(), documented.Order());
    }

    [Fact]
    public void Documentation_OfStatus_NamesEveryWord()
    {
        var page = File.ReadAllText(Path.Combine(Repository(), "docs", "status.md"));
        foreach (var word in Words<Core.Wire.PatchState>().Concat(Words<Core.Wire.CoverageState>()).Concat(Words<Core.Wire.CheckInResult>()).Concat(Words<Core.Wire.ActivityKind>()))
            Assert.Contains($"`{word}`", page, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Words<T>()
        where T : struct, Enum => Enum.GetValues<T>().Select(Core.Wire.Kebab.Of);

    private static Surroundings SomeSurroundings() => new()
    {
        Out = TextWriter.Null,
        Error = TextWriter.Null,
        ReadInput = (_, read) => read(Stream.Null),
        Variable = _ => null,
        Clock = TimeProvider.System,
        Terminal = new Terminal(false, false, true),
        ErrorTerminal = new Terminal(false, false, true),
    };

    private static string Repository([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));
}
