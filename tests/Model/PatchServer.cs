using System.Globalization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>The server and its publisher: what they have, what they say, and whether they answer.</summary>
internal sealed class PatchServer
{
    public const string Address = "https://patches.example";
    private const int CheckInSeconds = 4 * 3600;
    private static readonly string Unknown = new('f', 64);
    private readonly List<Patch>[] _patches = [[], []];
    private long _sequence = 1;
    private long _highest;
    private string? _tag;

    public bool Away { get; set; }

    /// <summary>The next call is taken and its answer does not arrive.</summary>
    public bool LosesAnswer { get; set; }

    /// <summary>The next answer to a check-in is another server's.</summary>
    public bool Stranger { get; set; }

    /// <summary>It assigns the oldest patch in place of the newest.</summary>
    public bool OffersOldest { get; private set; }

    public long Pins { get; private set; }

    /// <summary>Changes with everything that a host may want to look at.</summary>
    public string Tag => _tag ??= $"tag-{_sequence.ToString(CultureInfo.InvariantCulture)}";

    public IReadOnlyList<Patch> Of(int release) => _patches[release];

    public Patch? Find(string manifest)
    {
        foreach (var list in _patches)
        {
            foreach (var patch in list)
            {
                if (patch.Manifest == manifest) return patch;
            }
        }

        return null;
    }

    public Patch? ByWithdrawal(string document)
    {
        foreach (var list in _patches)
        {
            foreach (var patch in list)
            {
                if (patch.Withdrawn && patch.Papers.Withdrawal == document) return patch;
            }
        }

        return null;
    }

    public void Publish(int release, Behaviour behaviour)
    {
        var list = _patches[release];
        if (list.Count == Papers.MaxNumber) return;
        var number = list.Count + 1;
        var isNamesake = behaviour == Behaviour.Namesake;
        var papers = isNamesake ? Papers.NamesakeFor(release, number) : Papers.For(release, number);
        list.Add(new Patch(papers, behaviour));
        Changed();
    }

    public void Withdraw(int release, bool newest)
    {
        var list = _patches[release];
        var patch = newest ? list.FindLast(p => !p.Withdrawn) : list.Find(p => !p.Withdrawn);
        if (patch is null) return;
        patch.Withdrawn = true;
        Changed();
    }

    /// <summary>An old database, brought past the sequence that hosts have seen: it knows of no withdrawal.</summary>
    public void Forget()
    {
        foreach (var patch in _patches.SelectMany(list => list)) patch.Withdrawn = false;
        Changed();
    }

    /// <summary>A backup is restored: the catalogue's sequence is one that hosts have gone past.</summary>
    public void GoBack()
    {
        _highest = Math.Max(_highest, _sequence);
        _sequence = Math.Max(1, _sequence - 4);
        _tag = null;
    }

    /// <summary>The operator publishes until the sequence has passed the one before the backup.</summary>
    public void CatchUp()
    {
        if (_sequence <= _highest) _sequence = _highest;
        Changed();
    }

    public void Offer(bool oldest)
    {
        if (OffersOldest == oldest) return;
        OffersOldest = oldest;
        Changed();
    }

    public void RaisePins()
    {
        Pins++;
        Changed();
    }

    /// <summary>What a host of this kernel is to run: the newest patch that was not withdrawn.</summary>
    public Patch? Assigned(int release)
    {
        var list = _patches[release];
        return OffersOldest ? list.Find(p => !p.Withdrawn) : list.FindLast(p => !p.Withdrawn);
    }

    /// <param name="release">The host's kernel.</param>
    /// <param name="now">The server's time, which is right.</param>
    public Assignment Answer(int release, DateTimeOffset now)
    {
        var stranger = Stranger;
        Stranger = false;
        return new Assignment
        {
            Tag = stranger ? "stranger" : Tag,
            ManifestDigest = stranger ? Unknown : Assigned(release)?.Manifest,
            PinsVersion = Pins == 0 ? null : Pins,
            CheckInSeconds = CheckInSeconds,
            Now = now,
        };
    }

    public Catalogue Catalogue(int release, DateTimeOffset now) => new()
    {
        Schema = Core.Wire.Catalogue.SchemaName,
        Architecture = Papers.Architecture,
        KernelRelease = Papers.Releases[release],
        Sequence = _sequence,
        IssuedAt = now,
        ExpiresAt = now.AddDays(7),
        Patches = [.. _patches[release].Select(p => p.Withdrawn ? p.Papers.WithdrawnEntry : p.Papers.Entry)],
    };

    private void Changed()
    {
        _sequence++;
        _tag = null;
    }
}
