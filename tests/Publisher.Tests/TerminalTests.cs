using System.Diagnostics;
using System.Text;

namespace LivepatchAgent.Publisher.Tests;

/// <summary>The program on a real terminal (a pseudo-terminal of script(1)), with somebody who types.</summary>
public sealed class TerminalTests
{
    private const string Secret = "correct horse";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Passphrase_IsAskedForTwiceAndNeverShown()
    {
        using var shop = new Workshop();
        var made = await TypedAsync(
            shop, "keygen --out . --bits 3072", ("Passphrase for the new key", Secret), ("The same again", Secret));
        Assert.Equal(0, made.Code);
        Assert.DoesNotContain("correct", made.Out, StringComparison.Ordinal);
        Assert.StartsWith(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            await File.ReadAllTextAsync(shop["publisher.key"], Deadline.Token),
            StringComparison.Ordinal);

        shop.Put();
        var wrong = await TypedAsync(
            shop,
            "sign patch.ko --key publisher.key --cert publisher.pem",
            ("Passphrase of publisher.key", "another horse"));
        Assert.NotEqual(0, wrong.Code);
        Assert.Contains("passphrase", wrong.Out, StringComparison.Ordinal);
        var signed = await TypedAsync(
            shop, "sign patch.ko --key publisher.key --cert publisher.pem", ("Passphrase of publisher.key", Secret));
        Assert.Equal(0, signed.Code);
        Assert.DoesNotContain("horse", wrong.Out + signed.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Passphrase_TypedDifferentlyTheSecondTime_MakesNoKey()
    {
        using var shop = new Workshop();
        var made = await TypedAsync(
            shop,
            "keygen --out . --bits 3072",
            ("Passphrase for the new key", Secret),
            ("The same again", "correct house"));
        Assert.NotEqual(0, made.Code);
        Assert.Contains("the two passphrases differ", made.Out, StringComparison.Ordinal);
        Assert.False(File.Exists(shop["publisher.key"]));
    }

    /// <summary>
    /// Types each answer when its question has been asked, and not before: what is typed ahead would be shown by the
    /// terminal.
    /// </summary>
    private static async Task<Ran> TypedAsync(
        Workshop shop, string words, params (string Question, string Answer)[] dialogue)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "livepatch-publisher.dll");
        var start = new ProcessStartInfo(
            "script", ["--quiet", "--return", "--flush", "--command", $"dotnet exec {program} {words}", "/dev/null"])
        {
            WorkingDirectory = shop.Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(Patience);
        var shown = new StringBuilder();
        var buffer = new char[1024];
        foreach (var (question, answer) in dialogue)
        {
            var from = shown.Length;
            while (!shown.ToString(from, shown.Length - from).Contains(question, StringComparison.Ordinal))
            {
                var read = await process.StandardOutput.ReadAsync(buffer, deadline.Token);
                Assert.True(read > 0, $"never asked \"{question}\": {shown}");
                shown.Append(buffer, 0, read);
            }

            // The question stands there a moment before the terminal stops to echo.
            await Task.Delay(300, deadline.Token);
            await process.StandardInput.WriteAsync(answer + "\n");
            await process.StandardInput.FlushAsync(deadline.Token);
        }

        shown.Append(await process.StandardOutput.ReadToEndAsync(deadline.Token));
        await process.WaitForExitAsync(deadline.Token);
        return new Ran(process.ExitCode, shown.ToString(), "");
    }
}
