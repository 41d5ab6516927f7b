using System.Runtime.InteropServices;

namespace LivepatchAgent.Fuzz;

/// <summary>A parser of foreign bytes as something that can be called with any bytes at all.</summary>
internal delegate void Parse(ReadOnlySpan<byte> input);

/// <param name="Name">Of the target and of its folder of the corpus.</param>
/// <param name="Parse">Ends without an exception, whatever the input is.</param>
/// <param name="BytesPerByte">What each byte of the input may cost in allocated memory, beside <see
/// cref="Allowance"/>.</param>
internal sealed record FuzzTarget(string Name, Parse Parse, int BytesPerByte)
{
    /// <summary>What any input may cost: an exception and its trace, a message, lists that grow.</summary>
    public long Allowance { get; private init; } = 512 << 10;

    public static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(1);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        // What reading a file costs is bounded far lower there. Its text and JSON are shown as well: each name twice,
        // each byte of it in up to 6 characters.
        new("module", ModuleTargets.Module, 48) { Allowance = 3 << 20 },
        new("signature", ModuleTargets.Signature, 64),
        new("manifest", DocumentTargets.Manifest, 128),
        new("catalogue", DocumentTargets.Catalogue, 128),
        new("pins", DocumentTargets.Pins, 128),
        new("token", DocumentTargets.Token, 64),
        new("wire", DocumentTargets.Wire, 128),
        new("local", LocalTargets.Local, 128),
        new("kernel", TextTargets.Kernel, 64),
        new("memory", MemoryTargets.Memory, 64),
        new("kcore", KernelTargets.Core, 64),
        new("structures", KernelTargets.Structures, 64),
        // What is packed may become 256 times as large, and is copied once if its length was not known.
        new("packed", InstalledTargets.Packed, 600),
        new("depmod", InstalledTargets.Depmod, 128),
        new("state", TextTargets.State, 128),
        new("history", TextTargets.History, 128),
        new("host", HostTargets.Host, 256),
    ];

    /// <summary>
    /// Runs it and looks what it took. A parser is interrupted by the collector now and then, so a time too long counts
    /// only if it is so twice.
    /// </summary>
    /// <returns>Processor time.</returns>
    /// <exception cref="FuzzFindingException">It took more than a second, or more memory than its input may
    /// cost.</exception>
    public TimeSpan Check(ReadOnlySpan<byte> input)
    {
        var time = TimeOf(input);
        if (time > MaxTime) time = TimeOf(input);
        return time > MaxTime
            ? throw new FuzzFindingException($"{Name}: {input.Length} bytes took {time.TotalMilliseconds:0} ms")
            : time;
    }

    private TimeSpan TimeOf(ReadOnlySpan<byte> input)
    {
        var (started, allocated) = (ThreadClock.Now(), GC.GetAllocatedBytesForCurrentThread());
        Parse(input);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        if (allocated > Allowance + ((long)BytesPerByte * input.Length))
            throw new FuzzFindingException($"{Name}: {input.Length} bytes cost {allocated} bytes of memory");
        return ThreadClock.Now() - started;
    }
}

/// <summary>
/// This thread's processor time: fuzzing runs for hours beside other work, which is nothing a parser can help. See
/// clock_gettime(2).
/// </summary>
internal static partial class ThreadClock
{
    private const int ThreadCpuTime = 3;

    public static unsafe TimeSpan Now()
    {
        var time = stackalloc long[2];
        return GetTime(ThreadCpuTime, time) == 0
            ? TimeSpan.FromTicks((time[0] * TimeSpan.TicksPerSecond) + (time[1] / TimeSpan.NanosecondsPerTick))
            : throw new InvalidOperationException("no clock of a thread");
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static unsafe partial int GetTime(int clock, long* time);
}

/// <summary>An input that a parser did not stand.</summary>
internal sealed class FuzzFindingException(string message) : Exception(message);
