namespace LivepatchAgent.Core.Tests;

/// <summary>Real files beside the tests.</summary>
internal static class Corpus
{
    public const string Cmdline = "livepatch_cmdline-6.12.ko.bin";
    public const string CmdlineSigned = "livepatch_cmdline-6.12-sign-file.ko.bin";
    public const string CmdlineV2 = "livepatch_cmdline_v2-6.12.ko.bin";
    public const string CmdlineV2Older = "livepatch_cmdline_v2-6.1.ko.bin";

    public static byte[] Module(string name) =>
        File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpus", "modules", name));
}
