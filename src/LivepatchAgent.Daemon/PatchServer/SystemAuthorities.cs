using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using LivepatchAgent.Shared.Tls;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>
/// The CAs that this system trusts, for servers whose token pins no key: read when a server is to be judged and let go,
/// since kept they are a tenth of the daemon's memory.
/// </summary>
internal static class SystemAuthorities
{
    private const long MaxFile = 16 * 1024 * 1024;
    private static readonly EnumerationOptions Readable = new() { IgnoreInaccessible = true };

    /// <summary>
    /// <c>SSL_CERT_FILE</c>, else the first of the system's bundles that is there, and what is in the folders of
    /// <c>SSL_CERT_DIR</c> (openssl-env(7)). What cannot be read vouches for nobody.
    /// </summary>
    public static X509Certificate2Collection Read(IEnumerable<string> bundles)
    {
        var found = new X509Certificate2Collection();
        var (file, folders) = SystemTrust.Variables;
        if ((file ?? bundles.FirstOrDefault(File.Exists)) is { } bundle) Add(found, bundle);
        foreach (var folder in folders?.Split(':', StringSplitOptions.RemoveEmptyEntries).Where(Directory.Exists) ?? [])
        {
            foreach (var one in Directory.EnumerateFiles(folder, "*", Readable)) Add(found, one);
        }

        return found;
    }

    private static void Add(X509Certificate2Collection found, string file)
    {
        try
        {
            using var handle = File.OpenHandle(file);
            var length = RandomAccess.GetLength(handle);
            if (length > MaxFile) return;
            var text = new byte[length];
            found.ImportFromPem(Encoding.Latin1.GetString(text, 0, RandomAccess.Read(handle, text, 0)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            // The refusal that follows says that no trusted CA was found.
        }
    }
}
