using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Rollout;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

/// <summary>A patch as people list it.</summary>
internal sealed record PatchRow
{
    public required string Manifest { get; init; }

    public required string Architecture { get; init; }

    public required string KernelRelease { get; init; }

    public required long Sequence { get; init; }

    public required string Version { get; init; }

    public required string Notice { get; init; }

    public required IReadOnlyList<string> Fixes { get; init; }

    public required DateTimeOffset ReceivedAt { get; init; }

    /// <summary>Null until its module is here: no host sees it before.</summary>
    public DateTimeOffset? PublishedAt { get; init; }

    public string? Withdrawal { get; init; }

    public string? WithdrawnReason { get; init; }
}

/// <summary>
/// Patches and the sequence of each kernel's catalogue. A patch is published when manifest and module are both here;
/// each publish and withdrawal raises the kernel's sequence in the same transaction.
/// </summary>
internal static class PatchTable
{
    public static bool Exists(SqliteConnection db, string manifest) =>
        db.Query("SELECT 1 FROM patches WHERE manifest = $manifest", _ => true, ("$manifest", manifest)).Count > 0;

    /// <summary>The withdrawal of a patch, null in the list while there is none; an empty list when there is no such patch.</summary>
    public static List<string?> FindWithdrawal(SqliteConnection db, string manifest) =>
        db.Query("SELECT withdrawal FROM patches WHERE manifest = $manifest", row => row.TextOrNull(0), ("$manifest", manifest));

    /// <summary>Takes a manifest in, unpublished. A problem when its sequence is another patch's; one that was neither published nor withdrawn gives way.</summary>
    public static Problem? Insert(SqliteConnection db, VerifiedManifest verified, DateTimeOffset now)
    {
        var manifest = verified.Content;
        (string, object?)[] slot = [("$architecture", manifest.Architecture), ("$release", manifest.KernelRelease), ("$sequence", manifest.Sequence)];
        const string sameSlot = "architecture = $architecture AND kernel_release = $release AND sequence = $sequence";
        var taken = db.Query($"SELECT version, notice FROM patches WHERE {sameSlot} AND (published_at IS NOT NULL OR withdrawal IS NOT NULL)", row => (row.GetString(0), row.GetString(1)), slot);
        if (taken is [var (version, notice), ..])
            return new Problem(ProblemCode.RequestInvalid, $"cannot publish the manifest: sequence {manifest.Sequence} of {manifest.KernelRelease} {manifest.Architecture} is already another patch ({version}, {notice})", "give the new patch a higher sequence");
        db.Run($"DELETE FROM patches WHERE {sameSlot}", slot);
        db.Run("""
            INSERT INTO patches (manifest, architecture, kernel_release, sequence, version, notice, fixes, module_sha256, module_size, received_at)
            VALUES ($manifest, $architecture, $release, $sequence, $version, $notice, $fixes, $module, $size, $now)
            """,
            [.. slot, ("$manifest", verified.Digest), ("$version", manifest.Version), ("$notice", manifest.Notice),
                ("$fixes", JsonSerializer.Serialize(manifest.Fixes, ServerJson.Default.IReadOnlyListString)),
                ("$module", manifest.Module.Sha256), ("$size", manifest.Module.Size), ("$now", now)]);
        return null;
    }

    /// <summary>The sizes that manifests give for a module; none when no manifest names it.</summary>
    public static List<long> ModuleSizes(SqliteConnection db, string module) =>
        db.Query("SELECT DISTINCT module_size FROM patches WHERE module_sha256 = $module", row => row.GetInt64(0), ("$module", module));

    /// <summary>Those that patches were published with; more than one only if the bytes changed under their digest, which they cannot.</summary>
    public static List<long> PublishedSizes(SqliteConnection db, string module) =>
        db.Query("SELECT DISTINCT module_size FROM patches WHERE module_sha256 = $module AND published_at IS NOT NULL", row => row.GetInt64(0), ("$module", module));

    /// <summary>Publishes every patch that waited for this module, which is now here, and returns the catalogues that changed.</summary>
    public static List<KernelPatches> PublishModule(SqliteConnection db, string module, long size, DateTimeOffset now)
    {
        var ready = db.Query(
            "SELECT manifest, architecture, kernel_release FROM patches WHERE module_sha256 = $module AND module_size = $size AND published_at IS NULL",
            row => (Manifest: row.GetString(0), Kernel: new KernelKey(row.GetString(1), row.GetString(2))), ("$module", module), ("$size", size));
        foreach (var (manifest, kernel) in ready)
        {
            db.Run("UPDATE patches SET published_at = $now WHERE manifest = $manifest", ("$manifest", manifest), ("$now", now));
            Raise(db, kernel);
        }

        return [.. ready.Select(r => r.Kernel).Distinct().Select(kernel => Load(db, kernel))];
    }

    /// <summary>Marks a patch withdrawn and returns the catalogues that changed.</summary>
    /// <param name="instead">The withdrawal whose place it takes: nothing changes when another was faster.</param>
    public static List<KernelPatches> Withdraw(SqliteConnection db, string withdrawal, PatchWithdrawal content, string? instead)
    {
        var changed = db.Query(
            "UPDATE patches SET withdrawal = $withdrawal, withdrawn_reason = $reason WHERE manifest = $manifest AND withdrawal IS $instead RETURNING architecture, kernel_release, published_at IS NOT NULL",
            row => (Kernel: new KernelKey(row.GetString(0), row.GetString(1)), Published: row.GetBoolean(2)),
            ("$withdrawal", withdrawal), ("$reason", content.Reason), ("$manifest", content.Manifest), ("$instead", instead));
        if (changed is not [(var kernel, true)]) return [];
        Raise(db, kernel);
        return [Load(db, kernel)];
    }

    public static List<KernelPatches> LoadAll(SqliteConnection db) =>
        [.. db.Query("SELECT architecture, release FROM kernels", row => new KernelKey(row.GetString(0), row.GetString(1))).Select(kernel => Load(db, kernel))];

    public static List<PatchRow> All(SqliteConnection db) => db.Query("""
        SELECT manifest, architecture, kernel_release, sequence, version, notice, fixes, received_at, published_at, withdrawal, withdrawn_reason
        FROM patches ORDER BY architecture, kernel_release, sequence
        """,
        row => new PatchRow
        {
            Manifest = row.GetString(0),
            Architecture = row.GetString(1),
            KernelRelease = row.GetString(2),
            Sequence = row.GetInt64(3),
            Version = row.GetString(4),
            Notice = row.GetString(5),
            Fixes = JsonSerializer.Deserialize(row.GetString(6), ServerJson.Default.IReadOnlyListString)!,
            ReceivedAt = row.Time(7),
            PublishedAt = row.TimeOrNull(8),
            Withdrawal = row.TextOrNull(9),
            WithdrawnReason = row.TextOrNull(10),
        });

    private static void Raise(SqliteConnection db, KernelKey kernel) => db.Run(
        "INSERT INTO kernels (architecture, release, sequence) VALUES ($architecture, $release, 1) ON CONFLICT DO UPDATE SET sequence = sequence + 1",
        ("$architecture", kernel.Architecture), ("$release", kernel.Release));

    private static KernelPatches Load(SqliteConnection db, KernelKey kernel)
    {
        (string, object?)[] key = [("$architecture", kernel.Architecture), ("$release", kernel.Release)];
        var sequence = db.Query("SELECT sequence FROM kernels WHERE architecture = $architecture AND release = $release", row => row.GetInt64(0), key)[0];
        var entries = db.Query(
            "SELECT manifest, version, sequence, withdrawal FROM patches WHERE architecture = $architecture AND kernel_release = $release AND published_at IS NOT NULL ORDER BY sequence",
            row => new CatalogueEntry { Manifest = row.GetString(0), Version = row.GetString(1), Sequence = row.GetInt64(2), Withdrawal = row.TextOrNull(3) }, key);
        return new KernelPatches(kernel, sequence, entries);
    }
}
