using System.Runtime.CompilerServices;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>
/// The documents of one patch, as they are once their signatures were verified: made once and shared by all sequences.
/// Signatures have tests of their own; the model decides which of them hold.
/// </summary>
internal sealed class Papers
{
    public const int MaxNumber = 9;
    public const string Architecture = "x86_64";
    public static readonly string[] Releases = ["6.12.117+deb12-cloud-amd64", "6.1.0-40-cloud-amd64"];
    private static readonly Papers[][] All = [Of(0), Of(1)];
    private static readonly Papers[][] Namesakes = [NamesakesOf(0), NamesakesOf(1)];

    /// <summary>Another tool's livepatch, which no server of ours knows.</summary>
    public static readonly Papers Foreign = new(0, 0, "other_tool");

    private Papers(int release, int number, string? name = null)
    {
        var letter = (char)('a' + release);
        Name = name ?? NameOf(release, number);
        Manifest = $"{letter}{number}".PadRight(64, '0');
        Module = $"{letter}{number}".PadRight(64, '1');
        Withdrawal = $"{letter}{number}".PadRight(64, '2');
        Release = release;
        Number = number;
        Verified = NewManifest(Content(), Manifest);
        Proven = NewModule(Verified, Facts(), new string('5', 64));
        Entry = new CatalogueEntry { ManifestDigest = Manifest, Version = $"{number}.0", Sequence = number };
        WithdrawnEntry = Entry with { Withdrawal = Withdrawal };
        Taken = new PatchWithdrawal
        {
            Schema = PatchWithdrawal.SchemaName,
            ManifestDigest = Manifest,
            Reason = "it is bad",
        };
    }

    public string Name { get; }

    public string Manifest { get; }

    public string Module { get; }

    /// <summary>The build id that the kernel shows of this module.</summary>
    public string BuildId => "b1d" + Manifest;

    /// <summary>Digest of the withdrawal.</summary>
    public string Withdrawal { get; }

    /// <summary>Index into <see cref="Releases"/>.</summary>
    public int Release { get; }

    /// <summary>From 1, also its sequence.</summary>
    public int Number { get; }

    public VerifiedManifest Verified { get; }

    public VerifiedModule Proven { get; }

    public CatalogueEntry Entry { get; }

    public CatalogueEntry WithdrawnEntry { get; }

    public PatchWithdrawal Taken { get; }

    public static Papers For(int release, int number) => All[release][number - 1];

    /// <summary>The same patch, whose module is called as the one before it.</summary>
    public static Papers NamesakeFor(int release, int number) => Namesakes[release][number - 1];

    public static VerifiedCatalogue Signed(Catalogue content) => NewCatalogue(content);

    public static VerifiedPinSet Signed(PinSet content) => NewPinSet(content);

    private static Papers[] Of(int release) =>
        [.. Enumerable.Range(1, MaxNumber).Select(number => new Papers(release, number))];

    private static Papers[] NamesakesOf(int release) =>
    [
        .. Enumerable.Range(1, MaxNumber).Select(number => new Papers(release, number, NameOf(release, number - 1))),
    ];

    private static string NameOf(int release, int number) => $"patch_{(char)('a' + release)}{number}";

    private PatchManifest Content() => new()
    {
        Schema = PatchManifest.SchemaName,
        Version = $"{Number}.0",
        Sequence = Number,
        Notice = $"LPN-{Number:D4}",
        KernelRelease = Releases[Release],
        Architecture = Architecture,
        Module = new ManifestModule { Name = Name, Sha256 = Module, Size = 1000 },
        Fixes = [],
        CoveredUntil = new DateOnly(2099, 1, 1),
    };

    private ModuleFacts Facts() => new()
    {
        Name = Name,
        Vermagic = Releases[Release] + " SMP preempt mod_unload modversions ",
        Architecture = Architecture,
        IsLivepatch = true,
        Modinfo = [],
        BuildId = BuildId,
    };

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern VerifiedManifest NewManifest(PatchManifest content, string digest);

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern VerifiedModule NewModule(VerifiedManifest manifest, ModuleFacts facts, string signer);

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern VerifiedCatalogue NewCatalogue(Catalogue content);

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern VerifiedPinSet NewPinSet(PinSet content);
}

/// <summary>One patch in one sequence: what it does to a host, and what has become of it.</summary>
internal sealed class Patch(Papers papers, Behaviour behaviour)
{
    public Papers Papers { get; } = papers;

    public Behaviour Behaviour { get; set; } = behaviour;

    /// <summary>The server has its publisher's withdrawal.</summary>
    public bool Withdrawn { get; set; }

    public string Manifest => Papers.Manifest;

    public override string ToString() => $"{Papers.Name} ({Sequence.Word(Behaviour)})";
}
