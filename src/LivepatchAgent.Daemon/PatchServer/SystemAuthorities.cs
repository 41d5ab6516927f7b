using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>
/// The CAs that this system trusts, for servers whose token pins no key: read when a server is to be judged and let go, since they
/// take more memory than all else that the daemon keeps.
/// </summary>
internal static class SystemAuthorities
{
    private const long MaxFile = 16 * 1024 * 1024;

    /// <summary><c>SSL_CERT_FILE</c>, else the first of the system's bundles that is there, and what is in the folders of <c>SSL_CERT_DIR</c> (openssl-env(7)). What cannot be read vouches for nobody.</summary>
    public static X509Certificate2Collection Read(IEnumerable<string> bundles)
    {
        var found = new X509Certificate2Collection();
        if ((Environment.GetEnvironmentVariable("SSL_CERT_FILE") ?? bundles.FirstOrDefault(File.Exists)) is { } bundle) Add(found, bundle);
        var folders = Environment.GetEnvironmentVariable("SSL_CERT_DIR")?.Split(':', StringSplitOptions.RemoveEmptyEntries) ?? [];
        foreach (var file in folders.Where(Directory.Exists).SelectMany(Directory.EnumerateFiles)) Add(found, file);
        return found;
    }

    private static void Add(X509Certificate2Collection found, string file)
    {
        try
        {
            if (new FileInfo(file) is { Exists: true, Length: <= MaxFile }) found.ImportFromPemFile(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            // The refusal that follows says that no trusted CA was found.
        }
    }
}
