using System.Text.Json;
using System.Text.Json.Nodes;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>The writer that is written by hand says what the records say, all of it.</summary>
public sealed class ModuleJsonTests
{
    private static readonly JsonSerializerOptions Reflection = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
    };

    public static TheoryData<string> Samples => ["plain", "signed", "everything"];

    [Theory]
    [MemberData(nameof(Samples))]
    public void Write_SaysWhatTheRecordsHold(string which)
    {
        var facts = which switch
        {
            "plain" => ModuleReader.Read(Corpus.Module(Corpus.CmdlineV2)).Value,
            "signed" => ModuleReader.Read(
                ModuleSigner.Sign(Corpus.Module(Corpus.CmdlineSigned), TestKeys.Publisher)).Value,
            _ => Everything,
        };
        var written = JsonNode.Parse(ModuleJson.Write(facts));
        var expected = JsonSerializer.SerializeToNode(facts, Reflection);

        Assert.True(JsonNode.DeepEquals(expected, written), $"records: {expected}\n\nwritten: {written}");
    }

    /// <summary>Each list has an entry, each null a value.</summary>
    private static ModuleFacts Everything => ModuleReader.Read(Corpus.Module(Corpus.Cmdline)).Value with
    {
        RepeatedModinfo = ["license"],
        Tables = PatchTables.KpatchBuild,
        Replace = true,
        Functions = [new("vmlinux", "a"), new("ext4", "b", 2)],
        TableFaults = [new(TableFaultKind.SharedFunctions, "ext4"), new(TableFaultKind.FreedAfterInit, "ext4", "d")],
        CallSiteFaults = [new(CallSiteFaultKind.NoCall, ".text+0x8")],
        NoOpCallSites = 4,
        LoadedSize = 7,
        Callbacks = [new("ext4", CallbackMoment.PostUnpatch, "f")],
        States = [new(1, 2)],
        DynamicRelocations = [new("vmlinux", "x", 3)],
        NeededSymbols = ["klp_shadow_get", "a"],
        SymbolVersions = [new("a", uint.MaxValue)],
        ExtendedSymbolVersions = [new("a", 1)],
        LivepatchSymbols = [new("vmlinux", "y", 1, true)],
        LivepatchRelocations = [new("vmlinux", ".text", 4, true, false)],
        RelocationFaults = [new(RelocationFaultKind.NotMarked, ".klp.rela.vmlinux", "d", 3)],
        Signatures = [new()
        {
            ContentLength = 1,
            Length = 2,
            Type = "PGP",
            Fault = "no",
            Certificates = 1,
            TrailingBytes = 3,
            Signers = [new() { KeyId = "ab", Digest = "sha1", Algorithm = "rsa", HasSignedAttributes = true }],
        }],
        TrailingBytes = 5,
        BytesBehindSignature = 6,
    };
}
