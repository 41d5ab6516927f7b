using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using LivepatchAgent.EndToEnd.Tests.Harness;

[assembly: AssemblyFixture(typeof(Workshop))]

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>A signed module with the manifest beside it.</summary>
internal sealed record Patch(string Module, string Manifest);

/// <summary>
/// The publisher's side: one key pair for all tests and runs, modules built once for each kernel, patches made of them.
/// </summary>
public sealed class Workshop : IAsyncLifetime
{
    private readonly string _work = Directory.CreateTempSubdirectory("livepatch-e2e-").FullName;
    private readonly ConcurrentDictionary<string, Lazy<Task<string>>> _built = new();
    private int _count;

    internal static string PublisherKey => Path.Combine(Checkout.Cache, "keys/publisher.key");

    internal static string PublisherCertificate => Path.Combine(Checkout.Cache, "keys/publisher.pem");

    public async ValueTask InitializeAsync()
    {
        if (File.Exists(PublisherKey)) return;
        var fresh = Path.Combine(_work, "keys");
        await ToolAsync("keygen", "--out", fresh, "--name", "End-to-end tests", "--no-passphrase");
        Appear(fresh, Path.Combine(Checkout.Cache, "keys"));
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_work, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>A file of the test's own.</summary>
    internal string Fresh(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_work, $"{Interlocked.Increment(ref _count)}"));
        return Path.Combine(folder.FullName, name);
    }

    /// <summary>The unsigned module of tests/lab/patches, for the kernel.</summary>
    internal async Task<string> BuiltAsync(HostKind kind, string module)
    {
        var folder = await _built.GetOrAdd(kind.Kernel, kernel => new(() => BuildAsync(kernel))).Value;
        return Path.Combine(folder, module + ".ko");
    }

    /// <summary>The module signed by the publisher.</summary>
    internal async Task<string> SignedAsync(string unsigned)
    {
        var signed = Fresh(Path.GetFileName(unsigned));
        await ToolAsync("sign", unsigned, "--out", signed, "--key", PublisherKey, "--cert", PublisherCertificate);
        return signed;
    }

    /// <summary>The main way: built, signed, described, as a publisher would.</summary>
    internal async Task<Patch> PatchAsync(HostKind kind, string module, string version, long sequence) =>
        await DescribedAsync(await SignedAsync(await BuiltAsync(kind, module)), version, sequence);

    internal static async Task<Patch> DescribedAsync(string signed, string version, long sequence)
    {
        (await DescribeAsync(signed, version, sequence)).Good();
        return new Patch(signed, Path.ChangeExtension(signed, ".manifest"));
    }

    /// <summary>The publisher's key, as options of its tool.</summary>
    internal static string[] Signing => ["--key", PublisherKey, "--cert", PublisherCertificate];

    /// <summary>A signed set of the pins as they are.</summary>
    internal async Task<string> PinsAsync(PatchServer server, int version)
    {
        var pins = Fresh($"pins-{version}");
        await ToolAsync(
        [
            "pins", "create", "--version", $"{version}", "--publisher", PublisherCertificate,
            "--catalogue", Path.Combine(server.Data, "catalogue.crt"), "--tls", await server.PinAsync(),
            "--out", pins, .. Signing,
        ]);
        return pins;
    }

    internal static Task<Ran> DescribeAsync(string module, string version, long sequence)
    {
        var fixes = Enumerable.Range(1, (int)sequence).Select(n => $"CVE-2026-{n:D4}");
        string[] words =
        [
            "manifest", module, "--version", version, "--sequence", $"{sequence}", "--notice", $"LPN-{sequence:D4}",
            "--fixes", string.Join(',', fixes), "--covered-until", "2099-06-30", .. Signing,
        ];
        return Command.RunAsync(Checkout.Publisher, words);
    }

    internal static async Task ToolAsync(params string[] words) =>
        (await Command.RunAsync(Checkout.Publisher, words)).Good();

    internal static string Sha256(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));

    private static async Task<string> BuildAsync(string kernel)
    {
        var sources = Checkout.At("tests/lab/patches");
        string[] words = ["headers", "--kernel", kernel];
        var headers = (await Command.RunAsync(Checkout.Lab, words, atMost: TimeSpan.FromMinutes(10))).Good();
        var done = Path.Combine(Checkout.Cache, "modules", Digest(sources, Path.GetFileName(headers)));
        if (Directory.Exists(done)) return done;
        var making = Directory.CreateDirectory(Path.Combine(Checkout.Cache, "making")).FullName;
        var fresh = Path.Combine(making, Guid.NewGuid().ToString("N"));
        (await Command.RunAsync("make", ["-s", "-C", sources, $"KDIR={headers}", $"OUT={fresh}"])).Good();
        Directory.Delete(Path.Combine(fresh, "build"), recursive: true);
        Appear(fresh, done);
        return done;
    }

    private static string Digest(string sources, string kernel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(kernel));
        var files = Directory.EnumerateFiles(sources, "*", SearchOption.AllDirectories);
        foreach (var file in files.Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(sources, file)));
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>A folder comes into the cache whole or not at all; another run may have been quicker.</summary>
    private static void Appear(string made, string place)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        try
        {
            // Not Directory.Move: the temporary folder may be on another file system.
            var near = place + "." + Guid.NewGuid().ToString("N");
            using (var copy = System.Diagnostics.Process.Start("cp", ["-a", made, near])) copy.WaitForExit();
            Directory.Move(near, place);
        }
        catch (IOException) when (Directory.Exists(place))
        {
            // it was
        }
    }
}
