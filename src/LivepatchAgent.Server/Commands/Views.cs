using System.Globalization;
using System.Text;
using LivepatchAgent.Core.Modules;
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
            m.Id, m.Hostname, m.KernelRelease, m.RevokedAt is not null ? "revoked" : m.State ?? "enrolled", m.Version ?? "-", Time(m.LastCheckIn),
            m.ProblemCode is null ? "-" : $"{m.ProblemCode}: {m.ProblemMessage}",
        }));

    public static string Patches(IReadOnlyList<PatchRow> patches) => Table(
        "no patch is here",
        ["KERNEL", "ARCH", "VERSION", "SEQUENCE", "NOTICE", "FIXES", "STATE"],
        patches.Select(p => new[]
        {
            p.KernelRelease, p.Architecture, p.Version, p.Sequence.ToString(CultureInfo.InvariantCulture), p.Notice, p.Fixes.Count == 0 ? "-" : string.Join(", ", p.Fixes),
            p.Withdrawal is not null ? $"withdrawn: {p.WithdrawnReason}" : p.PublishedAt is null ? "waits for its module" : "published",
        }));

    public static string Tokens(IReadOnlyList<TokenRow> tokens, DateTimeOffset now) => Table(
        "no token was made",
        ["ID", "CREATED", "EXPIRES", "USES", "STATE", "NOTE"],
        tokens.Select(t => new[]
        {
            t.Id, Time(t.CreatedAt), t.ExpiresAt is null ? "never" : Time(t.ExpiresAt), $"{t.Uses}/{(t.MaxUses == 0 ? "unlimited" : t.MaxUses.ToString(CultureInfo.InvariantCulture))}",
            t.Refusal(now) is { } refusal ? Core.Wire.Kebab.Of(refusal.Code)["token-".Length..] : "good", t.Note.Length == 0 ? "-" : t.Note,
        }));

    private static string Time(DateTimeOffset? time) => time?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "never";

    private static string Table(string empty, string[] head, IEnumerable<string[]> rows)
    {
        // Hostnames and problems are the machines' words: what turns or hides text on a terminal is shown as it is.
        string[][] lines = [head, .. rows.Select(row => row.Select(PrintableText.Of).ToArray())];
        if (lines.Length == 1) return empty;
        var widths = head.Select((_, column) => lines.Max(line => line[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var line in lines) text.AppendLine(string.Join("  ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        return text.ToString().TrimEnd();
    }
}
