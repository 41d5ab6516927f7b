using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>`lab exec --lines`: commands in one host, one after the other, by one process of this machine.</summary>
internal sealed class ExecLines : IDisposable
{
    private readonly Process _process;

    public ExecLines(string host)
    {
        _process = Command.Start(Checkout.Lab, ["exec", host, "--lines"], withInput: true);
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginErrorReadLine();
    }

    /// <exception cref="TimeoutException">It can be asked nothing more.</exception>
    public async Task<Ran> RunAsync(string[] words, string? input, int seconds)
    {
        var asked = new JsonObject
        {
            ["words"] = new JsonArray([.. words.Select(word => (JsonNode)word)]),
            ["input"] = input,
            ["timeout"] = seconds,
        };
        var shown = Command.Shown(words[0], words[1..]);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds + 90));
        try
        {
            await _process.StandardInput.WriteLineAsync(asked.ToJsonString().AsMemory(), limit.Token);
            await _process.StandardInput.FlushAsync(limit.Token);
            var answer = await _process.StandardOutput.ReadLineAsync(limit.Token)
                ?? throw new InvalidOperationException("lab exec --lines ended");
            var said = JsonNode.Parse(answer)!;
            return new Ran(shown, (int)said["status"]!, (string)said["out"]!, (string)said["error"]!);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{shown} did not end in time");
        }
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }
}
