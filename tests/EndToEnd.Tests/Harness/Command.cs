using System.Diagnostics;
using System.Text;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>What a program said and how it ended.</summary>
internal sealed record Ran(string What, int Status, string Out, string Error)
{
    /// <summary>Standard output, of a program that must have succeeded.</summary>
    public string Good()
    {
        Assert.True(Status == 0, $"{this}");
        return Out.TrimEnd('\n');
    }

    public override string ToString() => $"{What} ended with status {Status}\n--- stdout\n{Out}\n--- stderr\n{Error}";
}

/// <summary>Programs of this machine.</summary>
internal static class Command
{
    public static async Task<Ran> RunAsync(
        string program, IEnumerable<string> arguments, string? input = null, TimeSpan? atMost = null)
    {
        var words = arguments.ToArray();
        using var process = Start(program, words, input is not null);
        using var limit = new CancellationTokenSource(atMost ?? TimeSpan.FromMinutes(5));
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var error = process.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
            }

            await process.WaitForExitAsync(limit.Token);
            return new Ran(Shown(program, words), process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Shown(program, words)} did not end in time");
        }
    }

    public static Process Start(string program, IEnumerable<string> arguments, bool withInput = false)
    {
        var starting = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = withInput,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        return Process.Start(starting) ?? throw new InvalidOperationException($"cannot start {program}");
    }

    public static string Shown(string program, string[] words)
    {
        var text = $"{Path.GetFileName(program)} {string.Join(' ', words)}";
        return text.Length > 300 ? text[..300] + "…" : text;
    }
}
