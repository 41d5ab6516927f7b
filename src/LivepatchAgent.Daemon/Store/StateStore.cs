using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>
/// journal.json (0600): the agent's memory, and before each effect its intent. One older copy is kept beside it, and
/// makes it possible to save on a full disk (<see cref="TwinFile"/>), so a user who fills it keeps no patch off.
/// </summary>
internal sealed class StateStore(string folder)
{
    /// <summary>No state comes near it; a larger file is not read.</summary>
    private const int MaxSize = 4 << 20;

    private const UnixFileMode OwnerOnly =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _file = Path.Combine(folder, "journal.json");
    private byte[] _saved = [];

    /// <summary>True when a newer agent's file is there: then nothing may be written.</summary>
    public bool ReadOnly { get; private set; }

    /// <summary>
    /// True while the journal may be there and the disk does not give it. That is no damage: nothing is written or
    /// moved, and <see cref="Load"/> is to be tried again.
    /// </summary>
    public bool Unread { get; private set; }

    /// <summary>
    /// What was saved last. A file that is no journal is moved aside and the older copy taken; the problem then goes
    /// with the state. A read error moves nothing, see <see cref="Unread"/>.
    /// </summary>
    public (AgentState State, Problem? Problem) Load()
    {
        Unread = false;
        try
        {
            Directory.CreateDirectory(folder, OwnerOnly);
            AtomicFile.RemoveLeftovers(_file);
            return Newest();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Unread = true;
            var problem = DiskFault.Explain(e, $"read {_file}");
            problem = problem with { Cure = $"{problem.Cure}, and {Problem.TriedAgain}" };
            return (Without(problem), problem);
        }
    }

    private (AgentState State, Problem? Problem) Newest()
    {
        var newest = Read(_file);
        if (newest is { } journal && journal.TryGet(out var state, out _)) return (state, null);
        var older = Read(Older);
        if (newest is null && older is null) return (new AgentState(), null);
        var problem = newest is { } unusable ? unusable.Problem! : StateJson.Read([], _file).Problem!;
        if (older is { Problem: { Code: ProblemCode.StateNewer } newer }) problem = newer;
        if (problem.Code == ProblemCode.StateNewer)
        {
            ReadOnly = true;
            return (Without(problem), problem);
        }

        if (newest is not null) Directory.Move(_file, Aside());
        if (older is not { } copy || !copy.TryGet(out state, out _)) return (Without(problem), problem);

        // The next state is written over the older copy: that must not be the only good one.
        File.Move(Older, _file);
        AtomicFile.SyncFolder(folder);
        return (state, problem);
    }

    /// <summary>Saves what changed. Null when it is on the disk.</summary>
    public Problem? Save(AgentState state)
    {
        if (ReadOnly || Unread) return null;
        var text = StateJson.Write(state);
        if (text.AsSpan().SequenceEqual(_saved)) return null;
        try
        {
            TwinFile.Write(_file, Older, text, FileRights.OwnerOnly);
            _saved = text;
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return DiskFault.Explain(e, $"save {_file}");
        }
    }

    private string Older => _file + ".old";

    private static AgentState Without(Problem problem) => new AgentState().InPhase(new Phase.NotEnrolled(problem));

    /// <summary>Where the damaged file goes: kept for those who look into it; the one before makes room.</summary>
    private string Aside()
    {
        var aside = _file + ".damaged";
        if (Directory.Exists(aside)) Directory.Delete(aside, recursive: true);
        File.Delete(aside);
        return aside;
    }

    /// <summary>The state, or why the file is no journal. Null when there is no such file.</summary>
    /// <exception cref="IOException">It may be there, and the disk does not give it.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    private static Result<AgentState>? Read(string file)
    {
        // Whatever a folder has in it, it was not written here.
        if (Directory.Exists(file)) return StateJson.Read("a folder"u8, file);
        try
        {
            using var handle = File.OpenHandle(file, share: FileShare.ReadWrite | FileShare.Delete);
            return StateJson.Read(BoundedFile.Read(handle, MaxSize) ?? "too large"u8, file);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }
}
