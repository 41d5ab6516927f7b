using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Fuzz;

/// <summary>A module's file, and what is appended to it.</summary>
internal static class ModuleTargets
{
    private static readonly VerifiedManifest AnyManifest = new(new PatchManifest
    {
        Schema = PatchManifest.SchemaName,
        Version = "1",
        Sequence = 1,
        Notice = "n",
        KernelRelease = "6.12.0",
        Architecture = "x86_64",
        Module = new ManifestModule { Name = "m", Sha256 = new string('0', 64), Size = 0 },
        Fixes = [],
        CoveredUntil = new DateOnly(2030, 1, 1),
    }, new string('0', 64));

    /// <summary>
    /// What reading a file of this length may cost. The reader pays what it keeps out of the file's length and 64 KiB;
    /// lists that grow cost up to half as much again.
    /// </summary>
    public static long MostMemory(int length) => (128 << 10) + (3L * length / 2);

    public static void Module(ReadOnlySpan<byte> input)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var result = ModuleReader.Read(input);
        Within(MostMemory(input.Length), before, $"reading {input.Length} bytes");
        if (!result.TryGet(out var facts, out _)) return;
        before = GC.GetAllocatedBytesForCurrentThread();
        _ = ModuleSymbols.Read(input);
        Within(MostMemory(input.Length), before, $"reading the symbols of {input.Length} bytes");
        Written(() => ModuleText.Of(facts).Length, 12, "a text of so many characters");
        Written(() => ModuleJson.Write(facts).Length, 8, "a JSON of so many bytes");
        _ = Preflight.Run(facts, HostTargets.AnyHost);
    }

    /// <summary>Each of these promises less than the target as a whole.</summary>
    private static void Within(long most, long before, string what)
    {
        var cost = GC.GetAllocatedBytesForCurrentThread() - before;
        if (cost > most) throw new FuzzFindingException($"module: {what} cost {cost} bytes of memory");
    }

    /// <summary>
    /// Writers rent buffers, which the runtime makes anew when it has trimmed its pool: what is too much is measured
    /// once more, with a pool that is full.
    /// </summary>
    private static void Written(Func<int> write, int most, string what)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var length = write();
        if (GC.GetAllocatedBytesForCurrentThread() - before <= Most(length)) return;
        before = GC.GetAllocatedBytesForCurrentThread();
        length = write();
        Within(Most(length), before, $"{what} ({length})");

        long Most(int length) => (64 << 10) + ((long)most * length);
    }

    /// <summary>
    /// The input as a file's end, and as a PKCS#7 in a trailer that fits: the first rarely comes so far.
    /// </summary>
    public static void Signature(ReadOnlySpan<byte> input)
    {
        File(input);
        if (input.Length <= ModuleSignature.MaxPkcs7Length) File(ModuleSignature.Append([], input));
    }

    private static void File(ReadOnlySpan<byte> file)
    {
        _ = SignatureReader.Read(file, out _);
        _ = SignatureReader.BytesBehind(file);
        if (ModuleSignature.TryFind(file, file.Length, out var signature, out _))
            _ = ModuleProof.SignatureHolds(file, signature, DocumentTargets.Publishers);
        var manifest = new VerifiedManifest(
            AnyManifest.Content with { Module = AnyManifest.Content.Module with { Size = file.Length } },
            AnyManifest.Digest);
        if (ModuleVerifier.Begin(
            manifest, DocumentTargets.Publishers, file.Length, file).TryGet(out var verifier, out _))
            verifier.Dispose();
    }
}
