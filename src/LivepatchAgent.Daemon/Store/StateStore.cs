using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>journal.json (0600): the agent's memory, and before each effect its intent. One older copy is kept beside it.</summary>
internal sealed class StateStore(string folder)
{
    /// <summary>No state comes near it; a larger file is not read.</summary>
    private const int MaxSize = 4 << 20;

    private readonly string _file = Path.Combine(folder, "journal.json");
    private byte[] _saved = [];

    /// <summary>True when a newer agent's file is there: then nothing may be written.</summary>
    public bool ReadOnly { get; private set; }

    /// <summary>What was saved last, for a look at it: nothing is mended, and what cannot be read is an empty state.</summary>
    public AgentState Peek() => Read(_file).TryGet(out var state, out _) ? state : new AgentState();

    /// <summary>
    /// What was saved last. A damaged file is moved aside and its older copy taken; the problem then goes with the state.
    /// </summary>
    public (AgentState State, Problem? Problem) Load()
    {
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            AtomicFile.RemoveLeftovers(_file);
            if (!Path.Exists(_file) && !Path.Exists(Older)) return (new AgentState(), null);
            if (Read(_file).TryGet(out var state, out var problem)) return (state, null);
            var older = Read(Older);
            if (older.Problem is { Code: ProblemCode.StateNewer } newer) problem = newer;
            if (problem.Code == ProblemCode.StateNewer)
            {
                ReadOnly = true;
                return (Without(problem), problem);
            }

            if (Path.Exists(_file)) Directory.Move(_file, Aside());
            return (older.TryGet(out state, out _) ? state : Without(problem), problem);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var problem = DiskFault.Explain(e, $"read {_file}");
            return (Without(problem), problem);
        }
    }

    /// <summary>Saves what changed. Null when it is on the disk.</summary>
    public Problem? Save(AgentState state)
    {
        if (ReadOnly) return null;
        var text = StateJson.Write(state);
        if (text.AsSpan().SequenceEqual(_saved)) return null;
        try
        {
            if (File.Exists(_file)) File.Copy(_file, Older, overwrite: true);
            AtomicFile.Write(_file, text, FileRights.OwnerOnly);
            _saved = text;
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return DiskFault.Explain(e, $"save {_file}");
        }
    }

    private string Older => _file + ".old";

    private static AgentState Without(Problem problem) => new() { Phase = new Phase.NotEnrolled(problem) };

    /// <summary>Where the damaged file goes: kept for whoever looks into it, the one before makes room.</summary>
    private string Aside()
    {
        var aside = _file + ".damaged";
        if (Directory.Exists(aside)) Directory.Delete(aside, recursive: true);
        File.Delete(aside);
        return aside;
    }

    private static Result<AgentState> Read(string file)
    {
        try
        {
            return new FileInfo(file) is { Exists: true, Length: > MaxSize } ? StateJson.Read("too large"u8, file) : StateJson.Read(File.ReadAllBytes(file), file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return StateJson.Read([], file);
        }
    }
}
