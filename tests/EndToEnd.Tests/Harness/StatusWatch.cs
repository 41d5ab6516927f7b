using System.Diagnostics;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>
/// The daemon's held status calls, one after the other, by one process in the host: each new status arrives as it is
/// made. To ask again and again would be most of the work that an emulated host has.
/// </summary>
internal sealed class StatusWatch : IDisposable
{
    /// <summary>
    /// HTTP/1.0, so that an answer is its body and the end of the line. Goes on through restarts of the daemon.
    /// </summary>
    private const string Script = """
        use Socket; $| = 1; my $after = 0;
        my $daemon = pack_sockaddr_un('/run/livepatch-agent/agent.sock');
        while (1) {
            my ($answer, $line) = '';
            if (socket($line, PF_UNIX, SOCK_STREAM, 0) && connect($line, $daemon)) {
                syswrite $line, "GET /v1/status?after=$after&wait=50 HTTP/1.0\r\n\r\n";
                1 while sysread $line, $answer, 65536, length $answer;
            }
            my ($head, $body) = split /\r\n\r\n/, $answer, 2;
            if (($head // '') =~ m{^HTTP/1.. 200 } && $body =~ /"revision": *(\d+)/) {
                next if $1 <= $after;
                $after = $1;
                print $body =~ s/\s*\n\s*/ /gr, "\n";
            } else { select undef, undef, undef, 0.3 }
        }
        """;

    private readonly Process _process;
    private readonly Lock _gate = new();
    private AgentStatus? _latest;
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public StatusWatch(string host)
    {
        _process = Command.Start(Checkout.Lab, ["exec", host, "--timeout", "3000", "--", "perl", "-e", Script]);
        _process.ErrorDataReceived += static (_, _) => { };
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    /// <summary>It ends with the host's boot.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>The latest that came, once there is one above the revision; null when none came in time.</summary>
    public async Task<AgentStatus?> AboveAsync(long revision, TimeSpan atMost)
    {
        var end = DateTime.UtcNow + atMost;
        while (true)
        {
            Task news;
            lock (_gate)
            {
                if (_latest?.Revision > revision) return _latest;
                news = _news.Task;
            }

            var left = end - DateTime.UtcNow;
            if (left <= TimeSpan.Zero || await Task.WhenAny(news, Task.Delay(left)) != news) return null;
        }
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null) return;
        AgentStatus? status;
        try
        {
            status = JsonSerializer.Deserialize(line, WireJson.Default.AgentStatus);
        }
        catch (JsonException)
        {
            return; // the daemon died while it answered
        }

        lock (_gate)
        {
            _latest = status;
            _news.TrySetResult();
            _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
