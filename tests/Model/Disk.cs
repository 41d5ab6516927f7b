using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Model;

/// <summary>
/// What outlasts the daemon and the power: the journal with its older copy, the store of patches, the history's file,
/// the mark of an orderly end. A write is whole and synced, or it did not happen.
/// </summary>
/// <remarks>
/// The journal is kept as the value whose bytes are on the disk. The bytes are made where they are read, at each start
/// of the daemon, and in thorough runs at each save: writing is a pure function of the value.
/// </remarks>
internal sealed class Disk
{
    private const int MaxCleanEnds = 13;
    private readonly List<string> _manifests = [];
    private readonly List<string> _modules = [];
    private readonly List<string> _rotten = [];
    private string? _lastLine;

    /// <summary>Nothing new goes onto it. The journal is saved all the same, in the room that it keeps.</summary>
    public bool Full { get; set; }

    /// <summary>It takes nothing at all.</summary>
    public bool Failing { get; set; }

    /// <summary>A file that is not there yet cannot be written.</summary>
    public bool IsShut => Full || Failing;

    /// <summary>For so many starts the journal cannot be read.</summary>
    public int Unreadable { get; set; }

    public bool Damaged { get; set; }

    /// <summary>Each save is read back and compared.</summary>
    public bool Thorough { get; init; }

    /// <summary>The last start had to take the older copy.</summary>
    public bool WentBack { get; private set; }

    public AgentState? Journal { get; private set; }

    public AgentState? Older { get; private set; }

    /// <summary>The boots that ended in order, the newest first, as far as the mark has room for them.</summary>
    public IReadOnlyList<string> CleanEnds { get; private set; } = [];

    /// <summary>How often the journal was written.</summary>
    public int Writes { get; private set; }

    /// <summary>How many entries the history's file has.</summary>
    public long HistoryCount { get; private set; }

    /// <summary>
    /// The mark of a boot that ends in order. It needs room on the disk no more than the journal does.
    /// </summary>
    public void Note(string bootId)
    {
        if (!Failing) CleanEnds = [bootId, .. CleanEnds.Take(MaxCleanEnds - 1)];
    }

    /// <summary>False when the disk fails. What is on it already is not written again.</summary>
    public bool Save(AgentState state)
    {
        if (Journal is not null && (ReferenceEquals(state, Journal) || state.Equals(Journal))) return true;
        if (Failing) return false;
        if (Thorough) ReadBack(state);
        Older = Journal;
        Journal = state;
        Writes++;
        return true;
    }

    /// <summary>What a daemon that starts reads, through the bytes; null when there is nothing.</summary>
    public AgentState? Load()
    {
        WentBack = Damaged;
        if (Damaged) Journal = Older;
        Damaged = false;

        return Journal is { } state ? ReadBack(state) : null;
    }

    private static AgentState ReadBack(AgentState state)
    {
        var text = StateJson.Write(state);
        var read = StateJson.Read(text, "journal.json");
        if (read.Problem is { } problem) throw new InvalidOperationException($"it is not read back: {problem}");
        // Written again it is the same, but where the reader goes back a step on purpose.
        var isSame = StateJson.Write(read.Value).AsSpan().SequenceEqual(text);
        if (!isSame && !Beliefs.IsAboutToLoad(state))
            throw new InvalidOperationException("it is read back as something else");
        return read.Value;
    }

    /// <summary>The history's lines that the file lacks. False when the disk does not take them.</summary>
    public bool Write(HistoryMark mark)
    {
        if (mark.Count == HistoryCount) return true;
        var lines = mark.Unwritten(HistoryCount);
        if (lines.Count == 0) return true;
        if (IsShut) return false;
        if (lines.Count != mark.Count - HistoryCount)
            throw new InvalidOperationException($"the history has a hole after entry {HistoryCount}");
        _lastLine = lines[^1];
        HistoryCount = mark.Count;
        return true;
    }

    /// <summary>As the daemon looks at the history when it starts.</summary>
    public HistoryStart Resume(HistoryMark mark)
    {
        var line = _lastLine is null ? null : HistoryLine.Read(System.Text.Encoding.UTF8.GetBytes(_lastLine), out _);
        var start = mark.Resume(line, readable: true, torn: 0);
        HistoryCount = start.Written;
        return start;
    }

    public bool HasManifest(string digest) => _manifests.Contains(digest);

    public bool HasModule(string digest) => _modules.Contains(digest);

    public bool IsRotten(string digest) => _rotten.Contains(digest);

    public void StoreManifest(string digest)
    {
        if (!_manifests.Contains(digest)) _manifests.Add(digest);
    }

    public void StoreModule(string digest)
    {
        if (!_modules.Contains(digest)) _modules.Add(digest);
    }

    public void Drop(string module)
    {
        _modules.Remove(module);
        _rotten.Remove(module);
    }

    /// <summary>Every module's bytes change.</summary>
    public void Rot()
    {
        _rotten.Clear();
        _rotten.AddRange(_modules);
    }

    public void Tidy(IReadOnlyList<string> manifests, IReadOnlyList<string> modules)
    {
        _manifests.RemoveAll(m => !manifests.Contains(m));
        _modules.RemoveAll(m => !modules.Contains(m));
        _rotten.RemoveAll(m => !modules.Contains(m));
    }
}
