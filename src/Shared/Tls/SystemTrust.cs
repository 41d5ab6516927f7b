using System.Runtime.InteropServices;

namespace LivepatchAgent.Shared.Tls;

/// <summary>
/// The framework builds a chain for each TLS certificate, a pinned one and a server's own too, and at the first reads all the
/// system's CAs for it and keeps them: 2 MiB and, in 150 files, the longest part of a start. A program that asks them nothing,
/// or asks them itself, leaves them alone.
/// </summary>
internal static partial class SystemTrust
{
    /// <summary>For the life of the process, so to be said before its first TLS; <c>SSL_CERT_FILE</c> and <c>SSL_CERT_DIR</c> stay as they were to <see cref="Environment"/>.</summary>
    public static void LeaveUnread()
    {
        // Once read, the framework's copy of the environment no longer follows libc's.
        _ = Environment.GetEnvironmentVariable("SSL_CERT_FILE");
        _ = SetEnvironment("SSL_CERT_FILE", "/dev/null", 1);
        _ = SetEnvironment("SSL_CERT_DIR", "/dev/null", 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
