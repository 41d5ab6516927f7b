using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>
/// How many bytes each type writes, as the kernel's apply_relocate_add() of each architecture has it.
/// </summary>
public sealed class RelocationTypesTests
{
    [Theory]
    [InlineData(ElfFile.MachineX64, 4, 4)] // R_X86_64_PLT32
    [InlineData(ElfFile.MachineX64, 24, 8)] // R_X86_64_PC64
    [InlineData(ElfFile.MachineX64, 9, -1)] // R_X86_64_GOTPCREL
    [InlineData(ElfFile.MachineArm64, 283, 4)] // R_AARCH64_CALL26
    [InlineData(ElfFile.MachineArm64, 281, -1)]
    [InlineData(ElfFile.MachineS390, 0, 0)] // R_390_NONE
    [InlineData(ElfFile.MachineS390, 1, 1)] // R_390_8
    [InlineData(ElfFile.MachineS390, 2, 2)] // R_390_12
    [InlineData(ElfFile.MachineS390, 4, 4)] // R_390_32
    [InlineData(ElfFile.MachineS390, 15, 2)] // R_390_GOT16
    [InlineData(ElfFile.MachineS390, 20, 4)] // R_390_PLT32DBL
    [InlineData(ElfFile.MachineS390, 22, 8)] // R_390_64
    [InlineData(ElfFile.MachineS390, 26, 4)] // R_390_GOTENT
    [InlineData(ElfFile.MachineS390, 36, 8)] // R_390_PLTOFF64
    [InlineData(ElfFile.MachineS390, 59, 4)] // R_390_GOTPLT20
    [InlineData(ElfFile.MachineS390, 12, -1)] // R_390_RELATIVE, of shared objects
    [InlineData(ElfFile.MachineS390, 37, -1)] // R_390_TLS_LOAD
    [InlineData(ElfFile.MachineS390, 62, -1)]
    public void Width_OfAType_IsWhatTheKernelWrites(ushort machine, uint type, int width) =>
        Assert.Equal(width, RelocationTypes.Width(machine, type));
}
