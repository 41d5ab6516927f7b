using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>
/// history.jsonl and, before it, history.jsonl.old (0600): only ever appended to, whole lines, synced. Nothing waits
/// for them: what the disk does not take stays in the journal's mark, and is counted when even that is full.
/// </summary>
/// <param name="folder">Where they lie.</param>
/// <param name="maxSize">Bytes from which on a file is put aside; two are kept.</param>
internal sealed class HistoryLog(string folder, long maxSize = 4 << 20)
{
    /// <summary>Answers of the local API stay well below what the CLI reads.</summary>
    private const int MaxAnswer = 512 * 1024;

    private static readonly string Rotated = Kebab.Of(HistoryKind.Rotated);
    private readonly Lock _lock = new();
    private readonly string _file = Path.Combine(folder, "history.jsonl");
    private HistoryMark _mark = new();
    private long _written;
    private bool _started;
    private bool _unsure;

    private string Older => _file + ".old";

    private string Next => _file + ".new";

    /// <summary>
    /// Looks what the file has, and cuts off what a power cut left unfinished. Until then nothing is kept.
    /// </summary>
    public HistoryStart Start(HistoryMark mark)
    {
        lock (_lock)
        {
            HistoryStart start;
            try
            {
                FinishRotation();
                var current = File.Exists(_file) || !File.Exists(Older) ? _file : Older;
                var (last, readable, torn) = LineFile.End(current);
                start = mark.Resume(last, readable, torn);
                if (torn > 0) LineFile.CutOff(current, torn);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                var note = DiskFault.Explain(e, $"read {_file}").Message;
                start = new HistoryStart(mark, mark.Count, [new HistoryEvent(HistoryKind.Damaged) { Note = note }]);
            }

            (_mark, _written, _started) = (start.Mark, start.Written, true);
            return start;
        }
    }

    /// <summary>
    /// The mark with these at its end; saved with the state that it belongs to, it is given to <see cref="Write"/>.
    /// </summary>
    public HistoryMark Add(HistoryMark mark, IReadOnlyList<HistoryEvent> events, DateTimeOffset at, string boot)
    {
        lock (_lock)
        {
            if (!_started) return mark;
            var mayRotate = events.Count > 0 && mark.Unwritten(_written).Count == 0;
            return mark.With(events, _written, mayRotate ? Full() : null, at, boot);
        }
    }

    /// <summary>Appends what the file does not have yet. Null when it has all.</summary>
    public Problem? Write(HistoryMark mark)
    {
        lock (_lock)
        {
            if (!_started) return null;
            _mark = mark;
            if (mark.Unwritten(_written).Count == 0) return null;
            try
            {
                if (_unsure) LookAgain(mark);
                var lines = mark.Unwritten(_written);
                var rotated = lines.TakeWhile(l => !IsRotation(l)).Count();
                LineFile.Append(_file, lines.Take(rotated));
                if (rotated < lines.Count)
                {
                    File.Delete(Next);
                    LineFile.Append(Next, lines.Skip(rotated));
                    if (File.Exists(_file)) File.Move(_file, Older, overwrite: true);
                    FinishRotation();
                }

                _written = mark.Count;
                return null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                _unsure = true;
                return DiskFault.Explain(e, $"write {_file}");
            }
        }
    }

    /// <summary>The last entries as JSON (<see cref="HistoryAnswer"/>), each as it stands in the file.</summary>
    public byte[] Read(int limit, bool verify)
    {
        var tail = new Tail(limit);
        var verifier = verify ? new HistoryVerifier() : null;
        HistoryVerdict? verdict;
        lock (_lock)
        {
            var torn = ReadFiles(Take);

            // Only what never came into the file may be missing there.
            var waiting = _mark.Unwritten(_written);
            foreach (var text in waiting) tail.Add(Encoding.UTF8.GetBytes(text));
            verdict = verifier?.End(_mark with { Pending = waiting }, torn);
        }

        return Answer(tail.Lines, verdict);

        void Take(ReadOnlySpan<byte> line)
        {
            verifier?.Take(line);
            tail.Add(line);
        }
    }

    /// <returns>How many bytes are behind the last line end of the newer file.</returns>
    private long ReadFiles(LineFile.LineAction take)
    {
        long torn = 0;
        foreach (var file in new[] { Older, _file })
        {
            try
            {
                torn = LineFile.Read(file, take);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                torn = 0; // what cannot be read is missing, and the verdict says so
            }
        }

        return torn;
    }

    /// <summary>The last lines, as many as were asked for and as an answer has room for.</summary>
    private sealed class Tail(int limit)
    {
        private readonly Queue<byte[]> _lines = [];
        private int _size;

        public IEnumerable<byte[]> Lines => _lines;

        public void Add(ReadOnlySpan<byte> line)
        {
            if (HistoryLine.Read(line, out _) is null) return;
            _lines.Enqueue(line.ToArray());
            _size += line.Length;
            while (_lines.Count > limit || _size > MaxAnswer) _size -= _lines.Dequeue().Length;
        }
    }

    private static byte[] Answer(IEnumerable<byte[]> lines, HistoryVerdict? verdict)
    {
        using var body = new MemoryStream();
        using (var writer = new System.Text.Json.Utf8JsonWriter(body))
        {
            writer.WriteStartObject();
            writer.WriteString("schema", HistoryAnswer.SchemaName);
            writer.WriteStartArray("entries");
            foreach (var line in lines) writer.WriteRawValue(line, skipInputValidation: true);
            writer.WriteEndArray();
            if (verdict is not null)
            {
                writer.WritePropertyName("verification");
                System.Text.Json.JsonSerializer.Serialize(writer, verdict, HistoryJson.Default.HistoryVerdict);
            }

            writer.WriteEndObject();
        }

        return body.ToArray();
    }

    /// <summary>The number of the file's first line, when it has grown enough.</summary>
    private long? Full()
    {
        try
        {
            var info = new FileInfo(_file);
            if (!info.Exists || info.Length < maxSize) return null;
            return LineFile.Begin(_file)?.Number ?? _written;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>After a write that failed: how much of it is there, whole.</summary>
    private void LookAgain(HistoryMark mark)
    {
        FinishRotation();
        var (last, readable, torn) = LineFile.End(_file);
        if (torn > 0) LineFile.CutOff(_file, torn);
        if (readable && last is not null && last.Number > _written && last.Number <= mark.Count) _written = last.Number;
        _unsure = false;
    }

    private void FinishRotation()
    {
        if (!File.Exists(Next)) return;
        // Begun and not come to the renaming: its lines are still in the journal.
        if (File.Exists(_file)) File.Delete(Next);
        else File.Move(Next, _file);
        AtomicFile.SyncFolder(folder);
    }

    private static bool IsRotation(string line) =>
        HistoryLine.Read(Encoding.UTF8.GetBytes(line), out _)?.Kind == Rotated;
}
