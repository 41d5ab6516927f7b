using System.Diagnostics;

namespace LivepatchAgent.Publisher.Tests;

/// <summary>What one call of the program said.</summary>
internal sealed record Ran(int Code, string Out, string Error);

/// <summary>A publisher's working folder: real files, the real command line, in this process.</summary>
internal sealed class Workshop : IDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    public string Folder { get; } = Directory.CreateTempSubdirectory("publisher-tests-").FullName;

    public Dictionary<string, string> Variables { get; } = [];

    public Queue<string> Typed { get; } = [];

    public string this[string name] => Path.Combine(Folder, name);

    public static byte[] Module(string name) =>
        File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpus", "modules", name));

    /// <summary>A copy of a module of the corpus, as a build leaves it.</summary>
    public string Put(string corpus = "livepatch_cmdline-6.12.ko.bin", string name = "patch.ko")
    {
        File.WriteAllBytes(this[name], Module(corpus));
        return this[name];
    }

    public async Task<Ran> RunAsync(params string[] args)
    {
        var (say, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(args, new Surroundings
        {
            Out = say,
            Error = error,
            Variable = Variables.GetValueOrDefault,
            Clock = new FixedClock(),
            AskSecret = _ => Typed.TryDequeue(out var line) ? line : null,
            ShowsProgress = false,
        });
        return new Ran(code, say.ToString(), error.ToString());
    }

    /// <summary>Keys made once for all tests that only need some: RSA takes its time.</summary>
    public string[] Keys()
    {
        foreach (var file in Directory.GetFiles(SharedKeys.Value))
            File.Copy(file, this[Path.GetFileName(file)], overwrite: true);
        return ["--key", this["publisher.key"], "--cert", this["publisher.pem"]];
    }

    public async Task<string> SignedAsync(string name = "patch.ko")
    {
        var module = Put(name: name);
        var ran = await RunAsync(["sign", module, .. Keys()]);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        return module;
    }

    public async Task<string> ManifestAsync(string module, params string[] more)
    {
        string[] patch = ["--version", "2.1", "--sequence", "7", "--notice", "LPN-0002"];
        string[] worth = ["--fixes", "CVE-2026-0001,CVE-2026-0002", "--covered-until", "2027-06-30"];
        var ran = await RunAsync(["manifest", module, .. patch, .. worth, .. Keys(), .. more]);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        return Path.ChangeExtension(module, ".manifest");
    }

    /// <summary>Another program's opinion: its exit code and all it said.</summary>
    public async Task<Ran> ProgramAsync(string program, params string[] args)
    {
        var start = new ProcessStartInfo(program, args)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Folder,
        };
        using var process = Process.Start(start)!;
        var (say, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(Deadline.Token);
        return new Ran(process.ExitCode, await say, await error);
    }

    public static void AssertOneLine(Ran ran, int code, string contains)
    {
        Assert.Equal(code, ran.Code);
        Assert.Contains(contains, ran.Error, StringComparison.Ordinal);
        Assert.Equal(ran.Error.Length - 1, ran.Error.IndexOf('\n', StringComparison.Ordinal));
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static readonly Lazy<string> SharedKeys = new(() =>
    {
        var folder = Directory.CreateTempSubdirectory("publisher-tests-keys-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        using var workshop = new Workshop();
        var ran = workshop.RunAsync(
            "keygen",
            "--out",
            folder,
            "--bits",
            "3072",
            "--no-passphrase",
            "--name",
            "test publisher").GetAwaiter().GetResult();
        Assert.Equal(0, ran.Code);
        return folder;
    });

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Now;
    }
}
