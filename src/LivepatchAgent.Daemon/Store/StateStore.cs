using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;

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

    /// <summary>
    /// What was saved last. A damaged file is moved aside and its older copy taken; the problem then goes with the state.
    /// </summary>
    public (AgentState State, Problem? Problem) Load()
    {
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (!File.Exists(_file) && !File.Exists(Older)) return (new AgentState(), null);
        var problem = Read(_file, out var state);
        if (state is not null) return (state, null);
        if (problem!.Code == ProblemCode.StateNewer)
        {
            ReadOnly = true;
            return (new AgentState { Phase = new Phase.NotEnrolled(problem) }, problem);
        }

        if (File.Exists(_file)) File.Move(_file, _file + ".damaged", overwrite: true);
        Read(Older, out var older);
        return older is not null ? (older, problem) : (new AgentState { Phase = new Phase.NotEnrolled(problem) }, problem);
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
            AtomicFile.Write(_file, text, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            _saved = text;
            return null;
        }
        catch (IOException e)
        {
            return AtomicFile.Explain(e, $"save {_file}");
        }
    }

    private string Older => _file + ".old";

    private static Problem? Read(string file, out AgentState? state)
    {
        state = null;
        try
        {
            if (new FileInfo(file) is { Exists: true, Length: > MaxSize }) return StateJson.Read("too large"u8, file).Problem;
            if (StateJson.Read(File.ReadAllBytes(file), file).TryGet(out state, out var problem)) return null;
            return problem;
        }
        catch (IOException)
        {
            return StateJson.Read([], file).Problem;
        }
    }
}
