using System.Runtime.InteropServices;

namespace LivepatchAgent.Shared.Tls;

/// <summary>
/// The framework builds a chain for each TLS certificate, pinned ones and a server's own included. For the first one it
/// reads all of the system's CAs and keeps them: 2 MiB in 150 files, the longest part of a start. A program that does
/// not ask the CAs, or asks them in its own way, leaves them unread.
/// </summary>
internal static partial class SystemTrust
{
    private const string FileName = "SSL_CERT_FILE";
    private const string FoldersName = "SSL_CERT_DIR";
    private static (string? File, string? Folders)? _before;

    /// <summary>
    /// <c>SSL_CERT_FILE</c> and <c>SSL_CERT_DIR</c> as the program was given them, see openssl-env(7).
    /// </summary>
    public static (string? File, string? Folders) Variables => _before ?? (Variable(FileName), Variable(FoldersName));

    /// <summary>Holds for the life of the process; call it before the first TLS connection.</summary>
    public static void LeaveUnread()
    {
        _before ??= Variables;
        // The framework's native part asks libc, which Environment.SetEnvironmentVariable does not change.
        _ = SetEnvironment(FileName, "/dev/null", 1);
        _ = SetEnvironment(FoldersName, "/dev/null", 1);
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name);

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
