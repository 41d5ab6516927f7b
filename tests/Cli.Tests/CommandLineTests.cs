using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;

namespace LivepatchAgent.Cli.Tests;

public sealed class CommandLineTests
{
    private const string Secret = "lpa1.c2VjcmV0.00000000";

    [Theory]
    [InlineData("it names no verb")]
    [InlineData("\"frobnicate\" is not a valid verb or option here", "frobnicate")]
    [InlineData("\"--loud\" is not a valid verb or option here", "status", "--loud")]
    [InlineData("\"extra\" is not a valid verb or option here", "status", "extra")]
    [InlineData("--format takes text, json or yaml", "status", "--format", "xml")]
    [InlineData("--timeout takes seconds, 1 to 86400", "refresh", "--timeout", "soon")]
    [InlineData("--timeout takes seconds, 1 to 86400", "refresh", "--timeout", "0")]
    [InlineData("there is no such verb to explain", "help", "frobnicate")]
    [InlineData("enable takes either a token or --token-file", "enable")]
    [InlineData("enable takes either a token or --token-file", "enable", Secret, "--token-file", "f")]
    [InlineData("enable takes one token and its options", "enable", Secret, Secret)]
    [InlineData("enable takes one token and its options", "enable", Secret, "hunter2")]
    [InlineData("an argument is out of place", Secret)]
    [InlineData("an argument is out of place", "refresh", Secret)]
    [InlineData("\"enabel\" is not a valid verb or option here", "enabel", Secret)]
    [InlineData("\"@/etc/passwd\" is not a valid verb or option here", "@/etc/passwd")]
    public void Usage_WhenWrong_Is64AndOneLineWithoutTheToken(string why, params string[] args)
    {
        var ran = Run.Of("/nonexistent", args);
        Assert.Equal((ExitCode.Usage, ""), (ran.Code, ran.Out));
        Assert.Equal($"cannot understand the command line: {why}; see `livepatch-agent help`\n", ran.Error);
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
    public void Version_IsTheAssemblys()
    {
        var attribute = typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!;
        Assert.Equal($"livepatch-agent {attribute.InformationalVersion}\n", Run.Of("/nonexistent", "version").Out);
    }

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

    /// <summary>`livepatch-agent status | head -0`: no message, as nobody reads it.</summary>
    [Theory]
    [InlineData(32, "")] // EPIPE
    [InlineData(28, "cannot write to standard output: no room; make room where the output goes\n")] // ENOSPC
    public void Output_ThatCannotBeWritten_Is1(int errno, string line)
    {
        using var error = new StringWriter();
        using var output = new FailingWriter(new IOException("no room", errno));
        Assert.Equal(ExitCode.Failed, CommandLine.Run(["version"], Run.Around(output, error)));
        Assert.Equal(line, error.ToString());
    }

    [Fact]
    public void Output_WhenStandardErrorIsFullToo_IsStill1()
    {
        using var full = new FailingWriter(new IOException("no room", 28));
        Assert.Equal(ExitCode.Failed, CommandLine.Run(["version"], Run.Around(full, full)));
    }

    [Fact]
    public void Bug_IsOneLineWithItsName()
    {
        using var error = new StringWriter();
        using var output = new FailingWriter(new InvalidOperationException("odd"));
        Assert.Equal(ExitCode.Failed, CommandLine.Run(["version"], Run.Around(output, error)));
        const string bug = "cannot go on, this is a bug: InvalidOperationException: odd";
        Assert.Equal($"{bug}; please report it with the command that you ran\n", error.ToString());
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
        var page = Repository.Page("cli.md");
        var root = CommandLine.Root(Run.Around(TextWriter.Null, TextWriter.Null));
        foreach (var command in root.Subcommands) Assert.Contains($"`{command.Name}", page, StringComparison.Ordinal);
        var rows = Regex.Matches(page, @"^\| (\d+) \|", RegexOptions.Multiline);
        var documented = rows.Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
        var constants = typeof(ExitCode).GetFields().Where(field => field.IsLiteral);
        Assert.Equal(constants.Select(field => (int)field.GetRawConstantValue()!).Order(), documented.Order());
    }

    [Fact]
    public void Documentation_OfStatus_NamesEveryWord()
    {
        var page = Repository.Page("status.md");
        string[] words =
        [
            .. Words<PatchState>(),
            .. Words<CoverageState>(),
            .. Words<CheckInResult>(),
            .. Words<ActivityKind>(),
        ];
        Assert.All(words, word => Assert.Contains($"`{word}`", page, StringComparison.Ordinal));
    }

    private static IEnumerable<string> Words<T>()
        where T : struct, Enum => Enum.GetValues<T>().Select(Kebab.Of);

    /// <summary>Takes what is written and fails when it is to be flushed.</summary>
    private sealed class FailingWriter(Exception failure) : StringWriter
    {
        public override void Flush() => throw failure;
    }
}
