using System.Text;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Core.Tests.History;

/// <summary>The chain: whole as it was written, and broken by whatever is done to it.</summary>
public sealed class HistoryChainTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    private static readonly HistoryEvent[] Events =
    [
        new(HistoryKind.Started) { Note = "livepatch-agentd 0.1.0 on 6.12.117+deb12-cloud-amd64" },
        new(HistoryKind.EnableAsked)
        {
            By = new HistoryBy(Uid: 0, Pid: 312, Program: "livepatch-agent"),
            Note = "with https://patches.example",
        },
        new(HistoryKind.Offered)
        {
            By = new HistoryBy(Server: "https://patches.example"),
            Patch = new HistoryPatch(new string('a', 64)),
        },
        new(HistoryKind.Verified)
        {
            Patch = new HistoryPatch(
                new string('a', 64), "livepatch_1", "1.0", new string('b', 64), new string('c', 64)),
        },
        new(HistoryKind.Refused)
        {
            Problem = new Problem(
                ProblemCode.ModuleUnsigned,
                "cannot load livepatch_1: it \"plays\" \e[2J\u202e",
                "cure"),
        },
    ];

    [Fact]
    public void Chain_AsWritten_IsWhole()
    {
        var (lines, mark) = Chain();
        var verdict = Verify(lines, mark);
        Assert.Equal(
            (true, 1, 5, mark.Hash, 0), (verdict.Whole, verdict.First, verdict.Last, verdict.Hash, verdict.Missed));
        Assert.Empty(verdict.Faults);
        Assert.All(lines, l => Assert.DoesNotContain(l, c => char.IsControl(c) || c == '\u202e'));
    }

    [Fact]
    public void Hash_IsOfTheLineAsItStandsBeforeIt()
    {
        // What docs/trust.md tells a person to do with sed and sha256sum.
        var (lines, _) = Chain();
        Assert.All(lines, line =>
        {
            var at = line.IndexOf(",\"hash\":", StringComparison.Ordinal);
            var hash = System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(line[..at]));
            Assert.Equal($",\"hash\":\"{Convert.ToHexStringLower(hash)}\"}}", line[at..]);
        });
    }

    [Fact]
    public void AnyBitFlipped_IsFound()
    {
        var (lines, mark) = Chain();
        var text = Text(lines);
        for (var i = 0; i < text.Length; i++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                text[i] ^= (byte)(1 << bit);
                Assert.False(VerifyBytes(text, mark).Whole, $"bit {bit} of byte {i}");
                text[i] ^= (byte)(1 << bit);
            }
        }

        Assert.True(VerifyBytes(text, mark).Whole);
    }

    [Fact]
    public void AnyCutAtTheEnd_IsFound()
    {
        var (lines, mark) = Chain();
        var text = Text(lines);
        for (var length = 0; length < text.Length; length++) Assert.False(
            VerifyBytes(text.AsSpan(0, length), mark).Whole, $"{length}");
    }

    [Fact]
    public void LinesLeftOutMovedDoubledOrAdded_AreFound()
    {
        var (lines, mark) = Chain();
        for (var i = 0; i < lines.Length; i++)
        {
            Assert.False(Verify([.. lines[..i], .. lines[(i + 1)..]], mark).Whole, $"without {i}");
            Assert.False(Verify([.. lines[..i], lines[i], .. lines[i..]], mark).Whole, $"{i} doubled");
            Assert.False(Verify([.. lines[..i], "", .. lines[i..]], mark).Whole, $"an empty line before {i}");
            for (var j = i + 1; j < lines.Length; j++)
            {
                var swapped = lines.ToArray();
                (swapped[i], swapped[j]) = (swapped[j], swapped[i]);
                Assert.False(Verify(swapped, mark).Whole, $"{i} and {j} exchanged");
                Assert.False(Verify([.. lines[..i], .. lines[j..]], mark).Whole, $"without {i} to {j}");
            }
        }

        var forged = HistoryLine.Write(6, mark.Hash, At, "boot-1", new HistoryEvent(HistoryKind.Stopped)).Text;
        Assert.Equal("entries 6 to 6 are not the agent's", Assert.Single(Verify([.. lines, forged], mark).Faults));
    }

    [Fact]
    public void LinesWrittenAnewWithRightHashes_AreFound()
    {
        var (lines, mark) = Chain();
        for (var from = 0; from < lines.Length; from++)
        {
            var previous = from == 0
                ? HistoryMark.Origin
                : HistoryLine.Read(Encoding.UTF8.GetBytes(lines[from - 1]), out _)!.Hash!;
            var one = HistoryLine.Write(from + 1, previous, At, "boot-1", new HistoryEvent(HistoryKind.Stopped)).Text;
            Assert.False(Verify([.. lines[..from], one, .. lines[(from + 1)..]], mark).Whole, $"{from} alone");
            var (all, hash) = (lines[..from].ToList(), previous);
            for (var n = from; n < lines.Length; n++)
            {
                (var text, hash) = HistoryLine.Write(n + 1, hash, At, "boot-1", new HistoryEvent(HistoryKind.Stopped));
                all.Add(text);
            }

            Assert.Equal(
                $"entry 5 is not the one that the agent wrote last", Assert.Single(Verify([.. all], mark).Faults));
        }
    }

    [Fact]
    public void Rotation_LetsTheOldestGoAndNoOther()
    {
        var (lines, mark) = Chain();
        var second = mark.With(Events[..2], written: 5, rotateFrom: 1, At, "boot-1");
        var third = second.With(Events[..1], written: 8, rotateFrom: 6, At, "boot-1");
        string[] newer = [.. second.Pending, .. third.Pending];
        Assert.Equal((6, 10), (HistoryLine.Read(Encoding.UTF8.GetBytes(newer[0]), out _)!.Number, third.Count));
        Assert.True(Verify(newer, third).Whole, string.Join(", ", Verify(newer, third).Faults));
        Assert.Equal("entries 6 to 7 are missing", Assert.Single(Verify(newer[2..], third).Faults));
        Assert.Equal(
            "entries 1 to 5 were let go and are there again",
            Assert.Single(Verify([.. lines, .. newer], third).Faults));
        // Before the second rotation the first file is still due.
        Assert.False(Verify(second.Pending, second).Whole);
    }

    [Fact]
    public void Pending_IsBoundedAndWhatIsDroppedIsCounted()
    {
        var (_, mark) = Chain();
        for (var i = 0; i < 100; i++) mark = mark.With(Events[..1], written: 5, null, At, "boot-1");
        Assert.InRange(mark.Pending.Count, 20, HistoryMark.MaxPending);
        Assert.Equal(100, mark.Missed + mark.Pending.Count);
        var waiting = mark.Pending;
        var after = mark.With(Events[..1], written: mark.Count, null, At, "boot-1");
        Assert.Equal(2, after.Pending.Count);
        var verdict = Verify([.. Chain().Lines, .. waiting, .. after.Pending], after);
        Assert.Equal((true, 100 - waiting.Count, 0), (verdict.Whole, verdict.Missed, after.Missed));
        Assert.True(Verify([.. Chain().Lines], mark).Whole, "lines that wait in the journal are not missing");
    }

    [Fact]
    public void Noise_OfAServerIsPacedAndEverythingElseIsKept()
    {
        HistoryEvent[] turn = [new(HistoryKind.Offered), new(HistoryKind.Refused)];
        var (mark, at) = (new HistoryMark(), At);
        for (var i = 0; i < 1000; i++) mark = mark.With(turn, mark.Count, null, at = at.AddSeconds(1), "boot-1");
        Assert.Equal((HistoryMark.MaxNoisePerHour, 2000 - HistoryMark.MaxNoisePerHour), (mark.Count, mark.Missed));
        mark = mark.With([new(HistoryKind.Loaded), turn[0]], mark.Count, null, at, "boot-1");
        Assert.Equal(["gap", "loaded"], mark.Pending.Select(l => Line(l).Kind));
        Assert.Equal(1901, Line(mark.Pending[0]).Missed);
        mark = mark.With(turn, mark.Count, null, At.AddHours(1), "boot-1");
        Assert.Equal(["offered", "refused"], mark.Pending.Select(l => Line(l).Kind));
    }

    [Fact]
    public void Resume_OfEachEndAFileCanHave()
    {
        var (lines, mark) = Chain(); // all five lines are still in the mark
        for (var there = 0; there <= 5; there++)
        {
            var start = mark.Resume(
                there == 0 ? null : Line(lines[there - 1]), readable: true, torn: there == 3 ? 17 : 0);
            Assert.Equal((mark, there), (start.Mark, start.Written));
            Assert.Equal(
                (there == 3 ? 1 : 0) + (there < 5 ? 1 : 0), start.Found.Count(e => e.Kind == HistoryKind.Repaired));
        }

        var later = mark.With(Events[..1], written: 5, null, At, "boot-2");
        var cut = later.Resume(Line(lines[3]), readable: true, torn: 0);
        Assert.Equal(HistoryKind.Damaged, Assert.Single(cut.Found).Kind);
        var goesOn = cut.Mark.With(cut.Found, cut.Written, null, At, "boot-2");
        Assert.False(Verify([.. lines[..4], .. goesOn.Pending], goesOn).Whole, "the break is there for ever");

        var lost = new HistoryMark().Resume(Line(lines[4]), readable: true, torn: 0);
        Assert.Equal((5, HistoryKind.Repaired), (lost.Mark.Count, Assert.Single(lost.Found).Kind));
        var further = lost.Mark.With(lost.Found, lost.Written, null, At, "boot-2");
        Assert.True(Verify([.. lines, .. further.Pending], further).Whole);

        Assert.Equal(HistoryKind.Damaged, Assert.Single(mark.Resume(null, readable: false, torn: 0).Found).Kind);
        var other = Chain(Events[1..]).Mark;
        Assert.Equal(
            HistoryKind.Damaged,
            Assert.Single((other with { Count = 5 }).Resume(Line(lines[4]), readable: true, torn: 0).Found).Kind);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("garbage")]
    [InlineData("""{"n":1,"prev":null,"at":"2026-11-23T12:00:00+00:00","boot":"b","kind":"started","hash":null}""")]
    public void Read_OfWhatIsNoLine_IsNothing(string text)
    {
        Assert.Null(HistoryLine.Read(Encoding.UTF8.GetBytes(text), out var fits));
        Assert.Null(HistoryLine.Read(Encoding.UTF8.GetBytes(text.PadRight(HistoryLine.MaxLength * 2)), out fits));
        Assert.False(fits);
    }

    private static (string[] Lines, HistoryMark Mark) Chain(HistoryEvent[]? events = null)
    {
        var mark = new HistoryMark().With(events ?? Events, 0, null, At, "boot-1");
        return ([.. mark.Pending], mark);
    }

    private static HistoryLine Line(string text) => HistoryLine.Read(Encoding.UTF8.GetBytes(text), out _)!;

    private static byte[] Text(IEnumerable<string> lines) =>
        Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l + "\n")));

    private static HistoryVerdict Verify(IEnumerable<string> lines, HistoryMark mark) => VerifyBytes(Text(lines), mark);

    /// <summary>As a file: what waits in the mark is not given, so that what is cut off is not healed by it.</summary>
    private static HistoryVerdict VerifyBytes(ReadOnlySpan<byte> text, HistoryMark mark)
    {
        var verifier = new HistoryVerifier();
        for (int end; (end = text.IndexOf((byte)'\n')) >= 0; text = text[(end + 1)..]) verifier.Take(text[..end]);
        return verifier.End(mark.Missed > 0 ? mark : mark with { Pending = [] }, text.Length);
    }
}
