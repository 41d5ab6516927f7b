using System.Globalization;
using System.Text;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Model;

namespace LivepatchAgent.Server.Commands;

/// <summary>Lists as people read them; pure.</summary>
internal static class Views
{
    public static string Machines(IReadOnlyList<MachineRow> machines) => Table(
        "no machine is enrolled",
        ["ID", "HOSTNAME", "KERNEL", "STATE", "VERSION", "LAST CHECK-IN", "PROBLEM"],
        machines.Select(m => new[]
        {
            m.Id,
            m.Hostname,
            m.KernelRelease,
            State(m),
            m.Version ?? "-",
            Time(m.LastCheckIn),
            m.ProblemCode is null ? "-" : $"{m.ProblemCode}: {m.ProblemMessage}",
        }));

    public static string Patches(IReadOnlyList<PatchRow> patches) => Table(
        "no patch was published",
        ["KERNEL", "ARCH", "VERSION", "SEQUENCE", "NOTICE", "FIXES", "STATE"],
        patches.Select(p => new[]
        {
            p.KernelRelease,
            p.Architecture,
            p.Version,
            Number(p.Sequence),
            p.Notice,
            p.Fixes.Count == 0 ? "-" : string.Join(", ", p.Fixes),
            State(p),
        }));

    public static string Tokens(IReadOnlyList<TokenRow> tokens, DateTimeOffset now) => Table(
        "no token was made",
        ["ID", "CREATED", "EXPIRES", "USES", "STATE", "NOTE"],
        tokens.Select(t => new[]
        {
            t.Id,
            Time(t.CreatedAt),
            Time(t.ExpiresAt),
            $"{t.Uses}/{(t.MaxUses == 0 ? "unlimited" : Number(t.MaxUses))}",
            t.Refusal(now) is { } refusal ? Kebab.Of(refusal.Code)["token-".Length..] : "good",
            t.Note.Length == 0 ? "-" : t.Note,
        }));

    private static string State(MachineRow machine)
    {
        if (machine.RevokedAt is not null) return "revoked";
        var state = machine.State ?? "enrolled";
        return machine.Held ? $"{state}, held" : state;
    }

    private static string State(PatchRow patch) => patch switch
    {
        { Withdrawal: not null } => $"withdrawn: {patch.WithdrawnReason}",
        { PublishedAt: null } => "waits for its module",
        _ => "published",
    };

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset? time) =>
        time?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "never";

    private static string Table(string empty, string[] head, IEnumerable<string[]> rows)
    {
        // Hostnames and problems are the machines' words: what turns or hides text on a terminal is shown as it is.
        string[][] lines = [head, .. rows.Select(row => row.Select(PrintableText.Of).ToArray())];
        if (lines.Length == 1) return empty;
        var widths = head.Select((_, column) => lines.Max(line => line[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var line in lines)
        {
            var cells = line.Select((cell, column) => cell.PadRight(widths[column]));
            text.AppendLine(string.Join("  ", cells).TrimEnd());
        }

        return text.ToString().TrimEnd();
    }
}
