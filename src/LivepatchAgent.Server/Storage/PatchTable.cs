using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

/// <summary>
/// Patches and the sequence of each kernel's catalogue. A patch is published when manifest and module are both here;
/// each publish and withdrawal raises the kernel's sequence in the same transaction.
/// </summary>
internal static class PatchTable
{
    private const string SameSlot =
        "architecture = $architecture AND kernel_release = $release AND sequence = $sequence";

    public static bool Exists(Session db, string manifest) =>
        db.Query("SELECT 1 FROM patches WHERE manifest = $manifest", _ => true, ("$manifest", manifest)).Count > 0;

    /// <summary>
    /// A patch's withdrawal, null in the list before it has one; an empty list when no patch has this manifest.
    /// </summary>
    public static List<string?> FindWithdrawal(Session db, string manifest) =>
        db.Query(
            "SELECT withdrawal FROM patches WHERE manifest = $manifest",
            row => row.TextOrNull(0),
            ("$manifest", manifest));

    /// <summary>
    /// Takes a manifest in, unpublished. A problem when another patch has its sequence, unless that one was neither
    /// published nor withdrawn: then it gives way.
    /// </summary>
    public static Problem? Insert(Session db, VerifiedManifest verified, DateTimeOffset now)
    {
        var manifest = verified.Content;
        (string, object?)[] slot =
        [
            ("$architecture", manifest.Architecture),
            ("$release", manifest.KernelRelease),
            ("$sequence", manifest.Sequence),
        ];
        if (Occupant(db, slot) is { } other)
        {
            var place = $"sequence {manifest.Sequence} of {manifest.KernelRelease} {manifest.Architecture}";
            var message = $"cannot publish the manifest: {place} is already another patch ({other})";
            return new Problem(ProblemCode.RequestInvalid, message, "give the new patch a higher sequence");
        }

        db.Run($"DELETE FROM patches WHERE {SameSlot}", slot);
        db.Run(
            """
            INSERT INTO patches (manifest, architecture, kernel_release, sequence,
                version, notice, fixes, module_sha256, module_size, received_at)
            VALUES ($manifest, $architecture, $release, $sequence, $version, $notice, $fixes, $module, $size, $now)
            """,
            [.. slot, ("$manifest", verified.Digest), ("$version", manifest.Version), ("$notice", manifest.Notice),
                ("$fixes", JsonSerializer.Serialize(manifest.Fixes, ColumnJson.Default.IReadOnlyListString)),
                ("$module", manifest.Module.Sha256), ("$size", manifest.Module.Size), ("$now", now)]);
        return null;
    }

    /// <summary>The sizes that manifests give for a module; an empty list when no manifest names it.</summary>
    public static List<long> ModuleSizes(Session db, string module) => db.Query(
        "SELECT DISTINCT module_size FROM patches WHERE module_sha256 = $module",
        row => row.GetInt64(0), ("$module", module));

    /// <summary>
    /// Those that patches were published with; more than one only if the bytes changed under their digest, which they
    /// cannot.
    /// </summary>
    public static List<long> PublishedSizes(Session db, string module) => db.Query(
        "SELECT DISTINCT module_size FROM patches WHERE module_sha256 = $module AND published_at IS NOT NULL",
        row => row.GetInt64(0), ("$module", module));

    /// <summary>
    /// Publishes every patch that waited for this module, which is now here, and returns the catalogues that changed.
    /// </summary>
    public static List<KernelPatches> PublishModule(Session db, string module, long size, DateTimeOffset now)
    {
        var ready = db.Query(
            """
            SELECT manifest, architecture, kernel_release FROM patches
            WHERE module_sha256 = $module AND module_size = $size AND published_at IS NULL
            """,
            row => (Manifest: row.GetString(0), Kernel: Kernel(row, 1)), ("$module", module), ("$size", size));
        foreach (var (manifest, kernel) in ready)
        {
            db.Run(
                "UPDATE patches SET published_at = $now WHERE manifest = $manifest",
                ("$manifest", manifest),
                ("$now", now));
            Raise(db, kernel);
        }

        return [.. ready.Select(r => r.Kernel).Distinct().Select(kernel => Load(db, kernel))];
    }

    /// <summary>Marks a patch withdrawn and returns the catalogues that changed.</summary>
    /// <param name="instead">The withdrawal whose place it takes: nothing changes when another was faster.</param>
    public static List<KernelPatches> Withdraw(Session db, string withdrawal, PatchWithdrawal content, string? instead)
    {
        var changed = db.Query(
            """
            UPDATE patches SET withdrawal = $withdrawal, withdrawn_reason = $reason
            WHERE manifest = $manifest AND withdrawal IS $instead
            RETURNING architecture, kernel_release, published_at IS NOT NULL
            """,
            row => (Kernel: Kernel(row, 0), Published: row.GetBoolean(2)),
            ("$withdrawal", withdrawal), ("$reason", content.Reason),
            ("$manifest", content.ManifestDigest), ("$instead", instead));
        if (changed is not [(var kernel, true)]) return [];
        Raise(db, kernel);
        return [Load(db, kernel)];
    }

    public static List<KernelPatches> LoadAll(Session db)
    {
        var kernels = db.Query("SELECT architecture, release FROM kernels", row => Kernel(row, 0));
        return [.. kernels.Select(kernel => Load(db, kernel))];
    }

    public static List<PatchRow> All(Session db) => db.Query(
        """
        SELECT manifest, architecture, kernel_release, sequence, version, notice, fixes,
            received_at, published_at, withdrawal, withdrawn_reason
        FROM patches ORDER BY architecture, kernel_release, sequence
        """,
        row => new PatchRow
        {
            ManifestDigest = row.GetString(0),
            Architecture = row.GetString(1),
            KernelRelease = row.GetString(2),
            Sequence = row.GetInt64(3),
            Version = row.GetString(4),
            Notice = row.GetString(5),
            Fixes = JsonSerializer.Deserialize(row.GetString(6), ColumnJson.Default.IReadOnlyListString)!,
            ReceivedAt = row.Time(7),
            PublishedAt = row.TimeOrNull(8),
            Withdrawal = row.TextOrNull(9),
            WithdrawnReason = row.TextOrNull(10),
        });

    /// <summary>The patch that has this sequence for good, as people know it.</summary>
    private static string? Occupant(Session db, (string, object?)[] slot) => db.Query(
        $"""
        SELECT version, notice FROM patches
        WHERE {SameSlot} AND (published_at IS NOT NULL OR withdrawal IS NOT NULL)
        """,
        row => $"{row.GetString(0)}, {row.GetString(1)}", slot).FirstOrDefault();

    private static void Raise(Session db, KernelKey kernel) => db.Run(
        """
        INSERT INTO kernels (architecture, release, sequence) VALUES ($architecture, $release, 1)
        ON CONFLICT DO UPDATE SET sequence = sequence + 1
        """,
        ("$architecture", kernel.Architecture), ("$release", kernel.Release));

    private static KernelPatches Load(Session db, KernelKey kernel)
    {
        (string, object?)[] key = [("$architecture", kernel.Architecture), ("$release", kernel.Release)];
        var sequence = db.Query(
            "SELECT sequence FROM kernels WHERE architecture = $architecture AND release = $release",
            row => row.GetInt64(0), key)[0];
        var entries = db.Query(
            """
            SELECT manifest, version, sequence, withdrawal FROM patches
            WHERE architecture = $architecture AND kernel_release = $release AND published_at IS NOT NULL
            ORDER BY sequence
            """,
            Entry, key);
        return new KernelPatches(kernel, sequence, entries);
    }

    private static CatalogueEntry Entry(SqliteDataReader row) => new()
    {
        ManifestDigest = row.GetString(0),
        Version = row.GetString(1),
        Sequence = row.GetInt64(2),
        Withdrawal = row.TextOrNull(3),
    };

    private static KernelKey Kernel(SqliteDataReader row, int column) =>
        new(row.GetString(column), row.GetString(column + 1));
}
