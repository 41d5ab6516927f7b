using System.Runtime.InteropServices;
using LivepatchAgent.Core.Kernel;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Waits in read(2) on /dev/kmsg and calls back at each line of livepatch's own: sysfs gives no notification, the log
/// does. A thread of its own, asleep until the kernel says something.
/// </summary>
internal sealed partial class KernelLog(string path, Action wake)
{
    /// <summary>The kernel's CONSOLE_EXT_LOG_MAX: a record is never longer.</summary>
    private const int MaxRecord = 8192;

    /// <summary>True when the log can be read; without it the daemon looks instead of listening.</summary>
    public bool Start()
    {
        SafeFileHandle log;
        try
        {
            log = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            _ = Seek(log, 0, SeekEnd);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }

        new Thread(() => Listen(log), maxStackSize: 128 * 1024) { IsBackground = true, Name = "kmsg" }.Start();
        return true;
    }

    private void Listen(SafeFileHandle log)
    {
        var record = new byte[MaxRecord];
        while (true)
        {
            var length = Read(log, record, (nuint)record.Length);
            if (length > 0)
            {
                if (KernelTexts.IsLivepatchRecord(record.AsSpan(0, (int)length))) wake();
            }
            else if (length < 0 && Marshal.GetLastPInvokeError() is EPIPE or EINTR or EINVAL)
            {
                // Records were overwritten before we read them, or one is longer than any should be; have a look.
                wake();
            }
            else
            {
                return;
            }
        }
    }

    private const int EINTR = 4;
    private const int EINVAL = 22;
    private const int EPIPE = 32;
    private const int SeekEnd = 2;

    /// <summary>.NET takes the log for a pipe; the kernel can seek to its end nevertheless.</summary>
    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);

    /// <summary>For the same reason not RandomAccess.Read, which refuses what cannot seek.</summary>
    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(SafeFileHandle file, [Out] byte[] buffer, nuint length);
}
