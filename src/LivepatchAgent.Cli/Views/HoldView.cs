using System.Text;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>A hold in words: since when, by whom, and what it keeps out.</summary>
internal static class HoldView
{
    public static string Since(HoldStatus hold, Style style) =>
        $"since {Words.Instant(hold.Since)}{By(hold.By, style)}";

    /// <summary>The lines of `status`, and of `refresh` on a held host; nothing without a hold.</summary>
    public static void Lines(StringBuilder text, HoldStatus? hold, Style style)
    {
        if (hold is null) return;
        text.Append($"held: {Since(hold, style)}; new patches are not loaded\n");
        if (hold.Available is not { } patch) return;
        var version = $"{PatchStateView.Name(patch, style)}{PatchStateView.Fixes(patch, style)}";
        text.Append($"available patch: {version}; not loaded, as this host is held\n");
        text.Append("  cure: run `sudo livepatch-agent unhold` to load it\n");
    }

    private static string By(HoldAsker? by, Style style)
    {
        if (by?.Uid is not { } uid) return "";
        return by.Program is { } program ? $" by uid {uid} ({style.Clean(program)})" : $" by uid {uid}";
    }
}
