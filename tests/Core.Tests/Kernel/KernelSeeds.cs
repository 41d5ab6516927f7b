using System.Buffers.Binary;
using LivepatchAgent.Daemon.Tests.Surroundings;
using LivepatchAgent.Fuzz;

namespace LivepatchAgent.Core.Tests.Kernel;

/// <summary>
/// The kernel's memory for fuzzing to begin with: a core file, and structures as small as they can be.
/// </summary>
internal static class KernelSeeds
{
    private const ulong Base = KernelTargets.Base;

    public static IEnumerable<(string Target, string Name, byte[] Bytes)> All()
    {
        yield return ("kcore", "absolute", Image(true).BuildSmall());
        yield return (
            "kcore",
            "relative",
            Image(false).Module(("ext4_iget", 0xffffffffc0a41000), ("show", 0xffffffffc0a41100)).BuildSmall());
        yield return ("structures", "records", Structure('r', 4, Words(
            Base + 8, // the first of two groups: the next one, its records, their number
            Base + 32, Base + 56, 2,
            0, Base + 88, 2,
            Base + 0x100, 0, Base + 0x204, 0,
            Base + 0x300, 0, Base + 0x400, 0)));
        yield return (
            "structures",
            "records-change",
            Structure(
                'r',
                2,
                Words(Base + 8, 0, Base + 32, 2, Base + 0x100, 0, Base + 0x204, 0),
                after: 6,
                place: 120 + 32 + 16 + 1,
                change: 1));
        yield return (
            "structures",
            "exports",
            Structure(
                'e',
                4,
                [
                    .. Rows((0, 0), (0, 44), (0, 41), (0, 0)),
                    .. Words(0x1111_1111_2222_2222, 0x3333_3333_4444_4444),
                    .. "CRYPTO\0NET\0"u8,
                    .. new byte[8],
                ]));
        yield return (
            "structures", "exports-without-a-text", Structure('e', 2, [.. Rows((4, 12), (4, 1 << 20)), .. Words(7)]));
        yield return ("structures", "patches", Patches());
        yield return ("structures", "patches-change", Patches(after: 4, place: 120 + 8, change: 0x10));
        yield return ("structures", "module", Module());
        yield return ("structures", "module-changes", Module(after: 5, place: 120 + 56 + 24, change: 0x40));
    }

    private static KernelImage Image(bool isAbsolute) => new KernelImage { IsAbsolute = isAbsolute }
        .Add(
            "cmdline_proc_show",
            Base + 0x100).Add(
                "version_alias",
                Base + 0x200).Add(
                    "version_proc_show",
                    Base + 0x200).Add("show", Base + 0x300).Add("show", Base + 0x400).Add("split.cold", Base + 0x600)
        .Export("seq_printf", 0, 0x11111111)
        .Module(("show", Base + 0x500))
        .Traceable(Base + 0x104, Base + 0x200, Base + 0x304).Traceable(Base + 0x704);

    /// <summary>The list's head, a patch with two states, one with none, their modules, and the states.</summary>
    private static byte[] Patches(byte after = 0, ushort place = 0, byte change = 0)
    {
        const ulong First = Base + 16, Second = First + 48;
        const ulong FirstModule = Second + 48, SecondModule = FirstModule + 80;
        const ulong States = SecondModule + 80, List = 32;
        return Structure('p', 0, [
            .. Words(First + List, Second + List),
            .. Words(FirstModule, 0, States, 1, Second + List, Base),
            .. Words(SecondModule, 0, 0, 0, Base, First + List),
            .. new byte[24], .. Name("first"), .. new byte[24], .. Name("second"),
            .. Words(7, 3, 0, 9, 1, 0, 0, 0, 0)], after, place, change);

        static byte[] Name(string name) =>
            [.. System.Text.Encoding.ASCII.GetBytes(name), .. new byte[56 - name.Length]];
    }

    /// <summary>
    /// Of struct module what matters, its symbols (rows of 24 bytes: the name, and at 8 the address), their names.
    /// </summary>
    private static byte[] Module(byte after = 0, ushort place = 0, byte change = 0) => Structure('m', 0, [
        .. Words(7, Base + 8, Base + 16 + 8, Base + 56, 3, Base + 56 + 72, 0),
        .. Words(0, 0, 0, 1, Base, 0, 15, Base + 0x100, 0),
        .. "\0__this_module\0wanted\0"u8, .. new byte[8]], after, place, change);

    private static byte[] Structure(
        char which, ushort number, byte[] memory, byte after = 0, ushort place = 0, byte change = 0) =>
        [(byte)which, (byte)number, (byte)(number >> 8), after, (byte)place, (byte)(place >> 8), change, 0, .. memory];

    private static byte[] Rows(params (int Name, int Namespace)[] rows) =>
        [.. rows.SelectMany(
            r => (byte[])[0, 0, 0, 0, .. BitConverter.GetBytes(r.Name), .. BitConverter.GetBytes(r.Namespace)])];

    private static byte[] Words(params ulong[] words)
    {
        var bytes = new byte[words.Length * sizeof(ulong)];
        for (var i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(
            bytes.AsSpan(i * sizeof(ulong)), words[i]);
        return bytes;
    }
}
