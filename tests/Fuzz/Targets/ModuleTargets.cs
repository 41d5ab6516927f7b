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

    public static void Module(ReadOnlySpan<byte> input)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var result = ModuleReader.Read(input);
        // The reader's own promise is narrower than what showing its facts may cost.
        var cost = GC.GetAllocatedBytesForCurrentThread() - before;
        if (cost > (256 << 10) + (2L * input.Length)) throw new FuzzFindingException($"module: reading {input.Length} bytes cost {cost} bytes of memory");
        if (!result.TryGet(out var facts, out _)) return;
        _ = ModuleText.Of(facts);
        _ = ModuleJson.Write(facts);
        _ = ModuleSymbols.Read(input);
        _ = Preflight.Run(facts, HostTargets.AnyHost);
    }

    /// <summary>The input as a file's end, and as a PKCS#7 in a trailer that fits: the first rarely comes so far.</summary>
    public static void Signature(ReadOnlySpan<byte> input)
    {
        File(input);
        if (input.Length <= ModuleSignature.MaxPkcs7Length) File(ModuleSignature.Append([], input));
    }

    private static void File(ReadOnlySpan<byte> file)
    {
        _ = SignatureReader.Read(file, out _);
        _ = SignatureReader.BytesBehind(file);
        var manifest = new VerifiedManifest(AnyManifest.Content with { Module = AnyManifest.Content.Module with { Size = file.Length } }, AnyManifest.Digest);
        if (ModuleVerifier.Begin(manifest, DocumentTargets.Publishers, file.Length, file).TryGet(out var verifier, out _)) verifier.Dispose();
    }
}
