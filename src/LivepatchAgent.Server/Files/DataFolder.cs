namespace LivepatchAgent.Server.Files;

/// <summary>
/// Where everything is; the only place that puts paths together. Names below it are fixed or checked digests.
/// </summary>
internal sealed class DataFolder(string root)
{
    public const string Default = "/var/lib/livepatch-server";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public string Root { get; } = Path.GetFullPath(root);

    /// <summary>As `--help` names a default.</summary>
    public override string ToString() => Root;

    public string Database => Path.Combine(Root, "server.db");

    public string Publishers => Path.Combine(Root, "publishers");

    /// <summary>Signed pin sets by version.</summary>
    public string Pins => Path.Combine(Root, "pins");

    /// <summary>Private keys that the server made for itself.</summary>
    public string Keys => Path.Combine(Root, "keys");

    public string TlsKey => Path.Combine(Keys, "tls.key");

    public string CatalogueKey => Path.Combine(Keys, "catalogue.key");

    /// <summary>The certificates in use, its own or given ones: what a new token pins.</summary>
    public string TlsCertificate => Path.Combine(Root, "tls.crt");

    public string CatalogueCertificate => Path.Combine(Root, "catalogue.crt");

    /// <summary>Uploads on their way; on the same file system as the blobs, so that a rename ends them.</summary>
    public string Uploads => Path.Combine(Root, "uploads");

    public string Blob(BlobKind kind, string sha256) => Path.Combine(Blobs(kind), sha256);

    public string Blobs(BlobKind kind) => Path.Combine(Root, "blobs", kind switch
    {
        BlobKind.Manifest => "manifests",
        BlobKind.Module => "modules",
        _ => "withdrawals",
    });

    public bool Exists => Directory.Exists(Root);

    public void Create()
    {
        Directory.CreateDirectory(Root, OwnerOnly);
        string[] below =
        [
            Publishers,
            Pins,
            Keys,
            Uploads,
            Blobs(BlobKind.Manifest),
            Blobs(BlobKind.Module),
            Blobs(BlobKind.Withdrawal),
        ];
        foreach (var folder in below) Directory.CreateDirectory(folder, OwnerOnly);
    }

    /// <summary>
    /// Held until disposed; null when another process holds it. The kernel lets go of it when the process dies.
    /// </summary>
    public FileStream? TryLock(string name)
    {
        try
        {
            return new FileStream(
                Path.Combine(Root, name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (Exists)
        {
            return null;
        }
    }
}

internal enum BlobKind
{
    Manifest,
    Module,
    Withdrawal,
}
