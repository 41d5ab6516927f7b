namespace LivepatchAgent.Core.Kernel;

/// <summary>What the kernel means by the errno of finit_module(2) or delete_module(2), in words.</summary>
public static class LoadVerdict
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ENOEXEC = 8;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int EINVAL = 22;
    public const int EFBIG = 27;
    public const int ENOSYS = 38;
    public const int ENOKEY = 126;
    public const int EKEYREJECTED = 129;

    private const string KernelLog = "see the kernel's log (`journalctl -k`) for the line it left";
    private const string OwnBuild = $"publish a patch built for exactly this kernel; {KernelLog}";
    private const string Import = "mokutil --import publisher.der";

    /// <param name="errno">As finit_module left it.</param>
    /// <param name="lockdown">The lockdown level in force, for the cure.</param>
    public static Problem OfLoading(string name, int errno, string? lockdown)
    {
        var (code, why, cure) = errno switch
        {
            EKEYREJECTED or ENOKEY =>
                (ProblemCode.KernelKeyRejected, "the kernel has no key for its signature", Enrolment(lockdown)),
            EPERM => (
                ProblemCode.KernelNotPermitted,
                $"the kernel does not permit it (lockdown: {lockdown ?? "unknown"})",
                "module loading may be off (kernel.modules_disabled=1), or the daemon lacks CAP_SYS_MODULE"),
            ENOEXEC => (
                ProblemCode.KernelModuleFormat,
                "the kernel does not accept the file as a module of its own build",
                OwnBuild),
            ENOENT => (ProblemCode.KernelSymbolMissing, "it needs a symbol that this kernel does not have", OwnBuild),
            EINVAL => (ProblemCode.KernelInvalidArgument, "the kernel rejects it as invalid", KernelLog),
            EEXIST => (
                ProblemCode.KernelModuleExists,
                "a module of this name is loaded already",
                $"remove module {name} by hand, then run `livepatch-agent refresh`"),
            EBUSY => (
                ProblemCode.KernelBusy,
                "the kernel is busy, for instance with another transition",
                "it is tried again"),
            ENOMEM =>
                (ProblemCode.KernelNoMemory, "the kernel lacks the memory for it", "free memory; it is tried again"),
            ENOSYS => (
                ProblemCode.KernelWithoutLivepatch,
                "this kernel loads no modules",
                "boot a kernel with CONFIG_MODULES and CONFIG_LIVEPATCH"),
            _ => (ProblemCode.KernelError, $"the kernel answered errno {errno}", KernelLog),
        };
        return new Problem(code, $"cannot load {name}: {why}", cure);
    }

    private static string Enrolment(string? lockdown) => lockdown is null or "none"
        ? $"enrol the publisher's certificate: `{Import}`, then reboot"
        : $"Secure Boot is on: enrol the publisher's certificate with `{Import}`, then reboot";

    /// <summary>Whether the same call may succeed a little later.</summary>
    public static bool InPassing(int errno) => errno is EBUSY or EAGAIN or ENOMEM;
}
