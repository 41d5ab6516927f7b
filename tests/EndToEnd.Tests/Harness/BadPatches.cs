using System.Runtime.InteropServices;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>What the publisher's tool refuses to make: a publisher who errs, or one whose tool is another.</summary>
internal static class BadPatches
{
    /// <summary>A manifest, rightly signed, of whatever file it is.</summary>
    public static Patch Crafted(string module, string name, string version, long sequence, string kernelRelease)
    {
        var manifest = new PatchManifest
        {
            Schema = PatchManifest.SchemaName,
            Version = version,
            Sequence = sequence,
            Notice = $"LPN-{sequence:D4}",
            KernelRelease = kernelRelease,
            Architecture = "x86_64",
            Module = new ManifestModule
            {
                Name = name,
                Sha256 = Workshop.Sha256(module),
                Size = new FileInfo(module).Length,
            },
            Fixes = [],
            CoveredUntil = new DateOnly(2099, 6, 30),
        };
        using var signer = X509Certificate2.CreateFromPemFile(Workshop.PublisherCertificate, Workshop.PublisherKey);
        var path = module + ".manifest";
        var json = JsonSerializer.SerializeToUtf8Bytes(manifest, WireJson.Default.PatchManifest);
        File.WriteAllBytes(path, CmsEnvelope.Sign(json, signer));
        return new Patch(module, path);
    }

    /// <summary>One bit of the file is another; <paramref name="where"/> counts from the end when negative.</summary>
    public static string Flipped(this Workshop workshop, string module, long where)
    {
        var bytes = File.ReadAllBytes(module);
        bytes[where < 0 ? bytes.Length + where : where] ^= 1;
        return workshop.Written(module, bytes);
    }

    public static string Truncated(this Workshop workshop, string module) =>
        workshop.Written(module, File.ReadAllBytes(module)[..^1000]);

    /// <summary>livepatch_init_fails with another default of its parameter: finit_module is given none.</summary>
    public static string FailingWith(this Workshop workshop, string initFails, int errno)
    {
        var bytes = File.ReadAllBytes(initFails);
        // The one int of .data that is 16 (EBUSY), right where objcopy says .data is.
        var table = Command.RunAsync("readelf", ["-SW", initFails]).GetAwaiter().GetResult().Good();
        var line = table.Split('\n').Single(l => l.Contains("] .data ", StringComparison.Ordinal));
        var columns = line.Split(']')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var data = bytes.AsSpan(Convert.ToInt32(columns[3], 16), Convert.ToInt32(columns[4], 16));
        var values = MemoryMarshal.Cast<byte, int>(data);
        Assert.Equal(1, values.Count(16));
        values[values.IndexOf(16)] = errno;
        return workshop.Written(initFails, bytes);
    }

    public static string Digest(this Patch patch) => Workshop.Sha256(patch.Manifest);

    private static string Written(this Workshop workshop, string like, byte[] bytes)
    {
        var path = workshop.Fresh(Path.GetFileName(like));
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
