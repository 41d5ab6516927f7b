using System.Runtime.InteropServices;

namespace LivepatchAgent.Shared.Tls;

/// <summary>
/// The framework builds a chain for each TLS certificate, a pinned one and a server's own too, and at the first reads all the
/// system's CAs for it and keeps them: 2 MiB and, in 150 files, the longest part of a start. A program that asks them nothing,
/// or asks them itself, leaves them alone.
/// </summary>
internal static partial class SystemTrust
{
    private static (string? File, string? Folders)? _before;

    /// <summary><c>SSL_CERT_FILE</c> and <c>SSL_CERT_DIR</c> as the program was given them, see openssl-env(7).</summary>
    public static (string? File, string? Folders) Variables => _before ?? (Environment.GetEnvironmentVariable("SSL_CERT_FILE"), Environment.GetEnvironmentVariable("SSL_CERT_DIR"));

    /// <summary>For the life of the process, so to be said before its first TLS.</summary>
    public static void LeaveUnread()
    {
        _before ??= Variables;
        // The framework's native part asks libc, which Environment.SetEnvironmentVariable does not change.
        _ = SetEnvironment("SSL_CERT_FILE", "/dev/null", 1);
        _ = SetEnvironment("SSL_CERT_DIR", "/dev/null", 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
