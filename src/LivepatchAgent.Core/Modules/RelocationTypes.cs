namespace LivepatchAgent.Core.Modules;

/// <summary>What the kernel's apply_relocate_add() knows (arch/*/kernel/module.c).</summary>
internal static class RelocationTypes
{
    /// <summary>
    /// Bytes that a relocation writes: 0 for one that writes none, -1 for a type that the kernel refuses.
    /// </summary>
    public static int Width(ushort machine, uint type) => machine switch
    {
        ElfFile.MachineX64 => X64(type),
        ElfFile.MachineArm64 => Arm64(type),
        _ => S390(type),
    };

    /// <summary>Whether the kernel demands that the place be zero before.</summary>
    public static bool WantsZero(ushort machine) => machine == ElfFile.MachineX64;

    /// <summary>R_X86_64_NONE, _64, _PC32, _PLT32, _32, _32S, _PC64.</summary>
    private static int X64(uint type) => type switch
    {
        0 => 0,
        1 or 24 => 8,
        2 or 4 or 10 or 11 => 4,
        _ => -1,
    };

    /// <summary>R_AARCH64_NONE, then data (ABS, PREL) and instructions.</summary>
    private static int Arm64(uint type) => type switch
    {
        0 or 256 => 0,
        257 or 260 => 8,
        258 or 261 => 4,
        259 or 262 => 2,
        (>= 263 and <= 280) or (>= 282 and <= 293) or 299 => 4,
        // R_AARCH64_PLT32, Linux 6.3.
        314 => 4,
        _ => -1,
    };

    /// <summary>
    /// R_390_NONE, then by size those of values, PC, GOT and PLT; none of shared objects and thread-local data (9 to
    /// 12, 37 to 56).
    /// </summary>
    private static int S390(uint type) => type switch
    {
        0 => 0,
        1 => 1,
        2 or 3 or 6 or (>= 15 and <= 18) or 27 or 29 or 30 or 34 => 2,
        4 or 5 or 7 or 8 or 13 or 14 or (>= 19 and <= 21) or 26 or 31 or 33 or 35 or (>= 57 and <= 59) => 4,
        (>= 22 and <= 25) or 28 or 32 or 36 => 8,
        _ => -1,
    };
}
