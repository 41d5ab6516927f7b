using System.Runtime.InteropServices;
using LivepatchAgent.Core.Kernel;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// finit_module(2) and delete_module(2), errno as the result: 0 when the kernel did it. A transition may still run when
/// finit_module returns. The one seam to the kernel besides the root path; tests of decisions put a table here.
/// </summary>
internal class ModuleLoader
{
    /// <summary>Gives the kernel the very file that was verified: the open handle, not the path.</summary>
    public virtual int Load(VerifiedModuleFile module) => Native.FinitModule(module.Handle);

    public virtual int Remove(string name) => Native.DeleteModule(name);
}

/// <summary>glibc has no wrapper for either call: syscall(2) by number.</summary>
internal static partial class Native
{
    private const int NonBlocking = 0x800; // O_NONBLOCK: do not wait for its users

    public static int FinitModule(SafeFileHandle handle)
    {
        var result = Syscall3(FinitModuleNumber, handle, "", 0);
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    public static int DeleteModule(string name)
    {
        var result = Syscall2(DeleteModuleNumber, name, NonBlocking);
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    // arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h (arm64)
    private static long FinitModuleNumber => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 313 : 273;

    private static long DeleteModuleNumber => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 176 : 106;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long Syscall3(long number, SafeFileHandle fd, string arguments, int flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long Syscall2(long number, string name, uint flags);
}
