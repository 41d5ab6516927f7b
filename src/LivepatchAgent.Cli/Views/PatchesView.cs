using System.Text;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>`patches` for people: every livepatch that the kernel has, and what each changes.</summary>
internal static class PatchesView
{
    public static string Render(AgentStatus status, DateTimeOffset now, Style style)
    {
        var release = style.Clean(status.Kernel.Release);
        if (status.Loaded.Count == 0) return $"the kernel has no livepatch loaded ({release})\n";
        var text = new StringBuilder();
        foreach (var loaded in status.Loaded)
        {
            var patch = status.Patch is { } ours && ours.Name == loaded.Name ? ours : null;
            var standing = $"{Standing(loaded)}{Applied(loaded, patch, now)}";
            text.Append($"{style.Clean(loaded.Name)}: {style.Of(MarkOf(loaded))} {standing}\n");
            Describe(text, patch, style);
            if (loaded.Replace is { } replaces)
                text.Append($"  replaces earlier livepatches: {(replaces ? "yes" : "no")}\n");
            Functions(text, loaded, style);
        }

        return text.ToString();
    }

    /// <summary>The kernel's two flags in words: "enabled" alone is not yet "every task runs it".</summary>
    public static string Standing(LoadedPatch loaded) => (loaded.Enabled, loaded.Transition) switch
    {
        (true, false) => "applied",
        (true, true) => "being applied, in transition",
        (false, true) => "being taken back, in transition",
        _ => "disabled",
    };

    private static Mark MarkOf(LoadedPatch loaded) => loaded switch
    {
        { Transition: true } => Mark.Wait,
        { Enabled: true } => Mark.Good,
        _ => Mark.Bad,
    };

    private static string Applied(LoadedPatch loaded, PatchStatus? patch, DateTimeOffset now)
    {
        var isInForce = loaded is { Enabled: true, Transition: false };
        return isInForce && patch?.AppliedAt is { } at ? $" {Words.Ago(at, now)}" : "";
    }

    private static void Describe(StringBuilder text, PatchStatus? patch, Style style)
    {
        if (patch is null)
        {
            text.Append("  not the patch that this agent is in charge of\n");
            return;
        }

        text.Append($"  version {PatchStateView.Name(patch, style)}{PatchStateView.Fixes(patch, style)}\n");
        if (patch.Withdrawn is { } why)
            text.Append($"  {style.Of(Mark.Bad)} withdrawn by its publisher: {style.Clean(why)}\n");
    }

    /// <summary>A line for each object, vmlinux or a module.</summary>
    private static void Functions(StringBuilder text, LoadedPatch loaded, Style style)
    {
        foreach (var group in loaded.Functions.GroupBy(function => function.Object, StringComparer.Ordinal))
        {
            var names = string.Join(", ", group.Select(Function));
            text.Append($"  {style.Clean(group.Key)}: {style.Clean(names)}\n");
        }
    }

    private static string Function(PatchedFunction function) =>
        function.Position > 0 ? $"{function.Name},{function.Position}" : function.Name;
}
