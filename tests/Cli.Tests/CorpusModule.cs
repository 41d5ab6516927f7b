namespace LivepatchAgent.Cli.Tests;

/// <summary>A livepatch for 6.12 that sign-file signed; the bytes are Core's sample.</summary>
internal static class CorpusModule
{
    public static readonly string Path = System.IO.Path.Combine(
        AppContext.BaseDirectory, "corpus", "modules", "livepatch_cmdline-6.12-sign-file.ko.bin");
}
