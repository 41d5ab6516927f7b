using System.IO.Compression;
using System.Text;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>What lies below /lib/modules, for fuzzing to begin with.</summary>
internal static class InstalledSeeds
{
    private const string Lists = "kernel/fs/overlayfs/overlay.ko.xz:\n"
        + "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/jbd2/jbd2.ko\n"
        + "/opt/x/dkms-module.ko.zst: kernel/lib/crc16.ko\n"
        + "kernel/fs/fuse/fuse.ko\n";

    // What `for i in $(seq 0 23); do echo "$((i * i)) a module"; done` prints, by xz and zstd as they are, and as
    // others may call them.
    private const string
        Xz =
            "/Td6WFoAAAFpIt42AgAhAQAAAAA3J5fW4AEpAFRdABgICKL7OuT15IS36EpVVOmbwgXyKSS2M0wLmgXCL5DdaGBgFBHMna8v"
            + "4ou9vucpb8XVmlK8Ua4F6TPzGz12SGdOib0XgsOZWaoEByMG8KY/O5QVlAA8wGToAAFsqgIAAABAVP0sPjANiwIAAAAAAVla",
        XzOfManyFilters =
            "/Td6WFoAAATm1rRGAgEEACEBEACLIW9J4AEpAFRdABgICKL7OuT15IS36EpVVOmbwgXyKSS2M0wLmgXCL5DdaGBgFBHMna8v"
            + "4ou9vucpb8XVmlK8Ua4F6TPzGz12SGdOib0XgsOZWaoEByMG8KY/O5QVlABZdFx8yR/XAQABcKoCAAAAoJbpWLHEZ/sCAAAA"
            + "AARZWg==",
        Zstd =
            "KLUv/WQqAG0CAMKDCxDQ50XxeDz4kSxlkimwRDEC6bv4q16021Kcz8ZsYn9XK455tDM2X1BMIuiEESoXqBAotfsGoBMXAxCe"
            + "HQ6OX27P7J0cD1+NYNBSH5XnsA==",
        ZstdOfAPipe =
            "KLUv/QRYZQMAdAMwIGEgbW9kdWxlCjE0OTE2MjUzNjQ5NjQ4MTEwMDEyNDQ2OTk2MjI1ODkzMjQzNjE0NDQ0ODUyFwDAYGAw"
            + "GFgwnIHtwHZgaz1cCzwuwMbAYGDgHo4BvAfYGGwMNgYbv2xc1EawGdjCW0kCH5XnsA==";

    public static IEnumerable<(string Target, string Name, byte[] Bytes)> All()
    {
        yield return ("depmod", "lists", [40, .. Encoding.UTF8.GetBytes(Lists)]);
        yield return (
            "packed",
            "gzip",
            [(byte)'g', .. Gzip(string.Concat(Enumerable.Range(0, 24).Select(i => $"{i * i} a module\n")))]);
        yield return ("packed", "xz", [(byte)'x', .. Convert.FromBase64String(Xz)]);
        yield return ("packed", "xz-filters", [(byte)'x', .. Convert.FromBase64String(XzOfManyFilters)]);
        yield return ("packed", "zstd", [(byte)'z', .. Convert.FromBase64String(Zstd)]);
        yield return ("packed", "zstd-pipe", [(byte)'z', .. Convert.FromBase64String(ZstdOfAPipe)]);
    }

    private static byte[] Gzip(string text)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            gzip.Write(Encoding.UTF8.GetBytes(text));
        return packed.ToArray();
    }
}
