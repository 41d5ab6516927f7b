using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Daemon.Host;

/// <summary>agent.conf as it was read last; a file with a mistake changes nothing.</summary>
internal sealed class LiveSettings
{
    private readonly HostPaths _paths;
    private AgentSettings _current = new();

    public LiveSettings(HostPaths paths)
    {
        _paths = paths;
        Reload();
    }

    public AgentSettings Current => Volatile.Read(ref _current);

    /// <summary>What is wrong with the file, if anything.</summary>
    public Problem? Problem { get; private set; }

    public void Reload()
    {
        var text = SmallFile.Read(_paths.Config) ?? (File.Exists(_paths.Config) ? null : "");
        if (text is null)
        {
            Problem = new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use {_paths.Config}: it cannot be read or is too large",
                "look at its size, owner and mode; until then nothing changes");
            return;
        }

        var read = AgentSettings.Parse(text, _paths.Config);
        if (read.TryGet(out var settings, out var problem)) Volatile.Write(ref _current, settings);
        Problem = problem;
    }
}
