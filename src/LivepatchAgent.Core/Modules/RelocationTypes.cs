namespace LivepatchAgent.Core.Modules;

/// <summary>What the kernel's apply_relocate_add() knows (arch/*/kernel/module.c).</summary>
internal static class RelocationTypes
{
    /// <summary>Bytes that a relocation writes: 0 for one that writes none, -1 for a type that the kernel refuses.</summary>
    public static int Width(ushort machine, uint type) => machine switch
    {
        ElfFile.MachineX64 => X64(type),
        ElfFile.MachineArm64 => Arm64(type),
        // s390x has some forty, of all sizes: only that they write something inside is demanded.
        _ => type == 0 ? 0 : 1,
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
        314 => 4, // R_AARCH64_PLT32, Linux 6.3
        _ => -1,
    };
}
