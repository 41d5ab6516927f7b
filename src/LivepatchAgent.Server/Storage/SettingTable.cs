using System.Globalization;

namespace LivepatchAgent.Server.Storage;

/// <summary>What the commands beside the server must know of it.</summary>
internal static class SettingTable
{
    private const string UrlName = "url";
    private const string ThresholdName = "threshold";

    /// <summary>The address that tokens name; null before the server first ran.</summary>
    public static Uri? Url(Session db) => Get(db, UrlName) is { } url ? new Uri(url) : null;

    public static int SetUrl(Session db, Uri url) => Set(db, UrlName, url.GetLeftPart(UriPartial.Authority));

    /// <summary>
    /// The highest that a token was ever made with: hosts that it enrolled load nothing that fewer publishers have
    /// signed.
    /// </summary>
    public static int Threshold(Session db) =>
        int.TryParse(Get(db, ThresholdName), NumberStyles.None, CultureInfo.InvariantCulture, out var threshold)
            ? threshold
            : 1;

    public static void RaiseThreshold(Session db, int threshold)
    {
        if (threshold > Threshold(db)) Set(db, ThresholdName, threshold.ToString(CultureInfo.InvariantCulture));
    }

    public static string? Get(Session db, string name) =>
        db.Query(
            "SELECT value FROM settings WHERE name = $name", row => row.GetString(0), ("$name", name)).FirstOrDefault();

    public static int Set(Session db, string name, string value) => db.Run(
        """
        INSERT INTO settings (name, value) VALUES ($name, $value)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """,
        ("$name", name), ("$value", value));
}
