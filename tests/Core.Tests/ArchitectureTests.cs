using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace LivepatchAgent.Core.Tests;

/// <summary>
/// The star of design.md: Core depends on nothing of ours and does no I/O; hosts depend on Core and never on each
/// other.
/// </summary>
public sealed class ArchitectureTests
{
    private const string X509 = "M:System.Security.Cryptography.X509Certificates.";

    private static readonly string Sources = Path.Combine(Root(), "src");

    public static TheoryData<string> Hosts =>
        ["LivepatchAgent.Daemon", "LivepatchAgent.Cli", "LivepatchAgent.Server", "LivepatchAgent.Publisher"];

    [Fact]
    public void Projects_AreThoseOfTheDesign() =>
        Assert.Equal(
            [.. Hosts.Select(h => h.Data).Append("LivepatchAgent.Core").Order(StringComparer.Ordinal)],
            Directory.EnumerateFiles(Sources, "*.csproj", SearchOption.AllDirectories).Select(
                p => Path.GetFileNameWithoutExtension(p)!).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Host_ReferencesCoreAtMost(string host) =>
        Assert.All(
            Included(host, "ProjectReference"), r => Assert.Equal("LivepatchAgent.Core.csproj", Path.GetFileName(r)));

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Host_CompilesNothingOfAnother(string host) =>
        Assert.DoesNotContain(
            Included(host, "Compile"),
            i => i.Contains("..", StringComparison.Ordinal) && !i.StartsWith("../Shared/", StringComparison.Ordinal));

    [Fact]
    public void Core_ReferencesNothingOfOursAndFewOfOthers()
    {
        Assert.Empty(Included("LivepatchAgent.Core", "ProjectReference"));
        Assert.Empty(Included("LivepatchAgent.Core", "FrameworkReference"));
        Assert.Equal(
            ["Microsoft.CodeAnalysis.BannedApiAnalyzers", "System.Security.Cryptography.Pkcs"],
            Included("LivepatchAgent.Core", "PackageReference").Order(StringComparer.Ordinal));
    }

    /// <summary>Core's rooms, from the ground up. A room knows those below it and none above.</summary>
    private static readonly string[][] Floors = [["Wire"], ["Kernel"], ["Modules"], ["Trust", "History"], ["Agent"]];

    [Fact]
    public void CoreFolders_AreTheRoomsOfTheHouse() => Assert.Equal(
        Floors.SelectMany(f => f).Order(StringComparer.Ordinal),
        CoreFolders().Where(f => f is not ("bin" or "obj")).Order(StringComparer.Ordinal));

    /// <summary>So that there is no circle: each use of a room names it, by a using or in front of the type.</summary>
    [Fact]
    public void CoreFolders_PointDownwards()
    {
        var upwards = new List<string>();
        for (var floor = -1; floor < Floors.Length; floor++)
        {
            string[] rooms = floor < 0 ? [""] : Floors[floor];
            foreach (var room in rooms)
            {
                var hidden = Floors.Skip(floor).SelectMany(f => f).Where(r => r != room);
                foreach (var file in CoreFiles(room)) upwards.AddRange(Uses(file, [.. hidden]));
            }
        }

        Assert.Empty(upwards);
    }

    private static IEnumerable<string> CoreFolders() =>
        Directory.EnumerateDirectories(Path.Combine(Sources, "LivepatchAgent.Core")).Select(p => Path.GetFileName(p)!);

    private static string[] CoreFiles(string room) => Directory.GetFiles(
        Path.Combine(Sources, "LivepatchAgent.Core", room),
        "*.cs",
        room.Length == 0 ? SearchOption.TopDirectoryOnly : SearchOption.AllDirectories);

    private static IEnumerable<string> Uses(string file, string[] rooms)
    {
        foreach (var line in File.ReadLines(file))
        {
            var code = line.Split("//")[0];
            foreach (var room in rooms)
            {
                var isUsed = code.StartsWith($"using LivepatchAgent.Core.{room};", StringComparison.Ordinal)
                    || code.Contains($" {room}.Verified", StringComparison.Ordinal)
                    || code.Contains($"({room}.Verified", StringComparison.Ordinal);
                if (isUsed) yield return $"{Path.GetFileName(file)}: {line.Trim()}";
            }
        }
    }

    /// <summary>The compiled assembly, whatever the project file says.</summary>
    [Fact]
    public void CoreAssembly_ReferencesNeitherHostsNorSocketsNorProcesses()
    {
        string[] banned =
        [
            "System.Net.Http",
            "System.Net.Sockets",
            "System.Diagnostics.Process",
            "System.Console",
            "System.IO.MemoryMappedFiles",
            "System.Threading.Thread",
        ];
        Assert.All(typeof(Problem).Assembly.GetReferencedAssemblies(), a =>
        {
            Assert.False(
                a.Name!.StartsWith("LivepatchAgent", StringComparison.Ordinal)
                    || a.Name.StartsWith("livepatch-", StringComparison.Ordinal),
                a.Name);
            Assert.DoesNotContain(a.Name, banned);
            Assert.False(a.Name.StartsWith("Microsoft.", StringComparison.Ordinal), a.Name);
        });
    }

    [Theory]
    [InlineData("T:System.IO.File")]
    [InlineData("T:System.IO.FileInfo")]
    [InlineData("T:System.IO.FileStream")]
    [InlineData("T:System.IO.Directory")]
    [InlineData("T:System.IO.DirectoryInfo")]
    [InlineData("T:System.IO.RandomAccess")]
    [InlineData("T:System.IO.StreamWriter")]
    [InlineData("T:System.IO.FileSystemWatcher")]
    [InlineData(X509 + "X509Certificate2.CreateFromPemFile(System.String,System.String)")]
    [InlineData(X509 + "X509CertificateLoader.LoadCertificateFromFile(System.String)")]
    [InlineData("T:System.Net.Sockets.Socket")]
    [InlineData("T:System.Net.Http.HttpClient")]
    [InlineData("T:System.Diagnostics.Process")]
    [InlineData("T:System.Console")]
    [InlineData("T:System.Environment")]
    [InlineData("P:System.DateTime.Now")]
    [InlineData("P:System.DateTime.UtcNow")]
    [InlineData("P:System.DateTimeOffset.Now")]
    [InlineData("P:System.DateTimeOffset.UtcNow")]
    [InlineData("T:System.TimeProvider")]
    [InlineData("T:System.Diagnostics.Stopwatch")]
    [InlineData("T:System.Threading.Tasks.Task")]
    [InlineData("T:System.Threading.Tasks.Task`1")]
    [InlineData("T:System.Threading.Tasks.ValueTask")]
    [InlineData("T:System.Threading.Tasks.ValueTask`1")]
    [InlineData("T:System.Threading.Thread")]
    [InlineData("T:System.Threading.Timer")]
    [InlineData("T:System.Threading.PeriodicTimer")]
    [InlineData("T:System.Threading.Tasks.Parallel")]
    [InlineData("T:System.Random")]
    [InlineData("M:System.Guid.NewGuid")]
    [InlineData("T:System.Security.Cryptography.RandomNumberGenerator")]
    public void Core_Bans(string symbol)
    {
        Assert.Contains(
            symbol,
            File.ReadLines(
                Path.Combine(Sources, "LivepatchAgent.Core", "BannedSymbols.txt")).Select(l => l.Split(';')[0]));
        Assert.Contains("BannedSymbols.txt", Included("LivepatchAgent.Core", "AdditionalFiles"));
    }

    /// <summary>
    /// A ban holds as long as nothing takes it back: no pragma or attribute in any folder of Core, no setting above it.
    /// </summary>
    [Fact]
    public void Core_SuppressesNoBan()
    {
        var core = Path.Combine(Sources, "LivepatchAgent.Core");
        string[] settings = [Path.Combine(core, "LivepatchAgent.Core.csproj"), .. Settings(core)];
        Assert.All(
            Code("LivepatchAgent.Core").Concat(settings).SelectMany(File.ReadLines).Where(
                l => l.Contains("RS0030", StringComparison.Ordinal)),
            l => Assert.Equal("dotnet_diagnostic.RS0030.severity = error", l));
    }

    /// <summary>From the project's folder up to the repository's.</summary>
    private static IEnumerable<string> Settings(string folder) => folder.Length < Root().Length
        ? []
        :
        [
            .. Directory.EnumerateFiles(folder, ".editorconfig"),
            .. Directory.EnumerateFiles(folder, "*.globalconfig"),
            .. Directory.EnumerateFiles(folder, "Directory.*"),
            .. Settings(Path.GetDirectoryName(folder)!),
        ];

    /// <summary>The paths of the host stand in one place, so that a test's folder can stand for all of them.</summary>
    [Fact]
    public void Daemon_NamesPathsOfTheHostInOnePlace()
    {
        string[] roots = ["\"/sys", "\"/proc", "\"/etc", "\"/var", "\"sys/", "\"proc/", "\"etc/", "\"var/"];
        foreach (var file in Code("LivepatchAgent.Daemon").Where(f => Path.GetFileName(f) != "HostPaths.cs"))
            Assert.All(roots, r => Assert.DoesNotContain(r, File.ReadAllText(file), StringComparison.Ordinal));
    }

    /// <summary>
    /// So that another algorithm is added in one place. Envelopes are the platform's to check, and their algorithms are
    /// in the same tables.
    /// </summary>
    [Theory]
    [InlineData("Algorithms.cs", "VerifyHash(", "VerifyData(", "VerifyMu(")]
    [InlineData("CmsEnvelope.cs", "CheckSignature(", "CheckHash(")]
    [InlineData(
        "Algorithms.cs, SignatureAlgorithms.cs", "\"1.2.840.113549.1.1.", "\"1.2.840.10045.", "\"2.16.840.1.101.3.4.")]
    public void Signatures_AreJudgedInOnePlace(string files, params string[] signs)
    {
        var found = Directory.EnumerateDirectories(Sources).SelectMany(p => Code(Path.GetFileName(p)))
            .Where(f => File.ReadAllText(f) is var text && signs.Any(s => text.Contains(s, StringComparison.Ordinal)));
        Assert.Equal(files, string.Join(", ", found.Select(Path.GetFileName).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void Files_AreShortEnoughToRead() =>
        Assert.All(
            Directory.EnumerateDirectories(Sources).SelectMany(p => Code(Path.GetFileName(p))),
            f => Assert.True(File.ReadLines(f).Count() <= 400, f));

    private static IEnumerable<string> Code(string project) => Directory.EnumerateFiles(
        Path.Combine(Sources, project), "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal));

    private static string[] Included(string project, string item) =>
        [.. XDocument.Load(Path.Combine(
            Sources,
            project,
            project + ".csproj")).Descendants(item).Select(e => (string?)e.Attribute("Include") ?? "")];

    private static string Root([CallerFilePath] string here = "")
    {
        var folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "LivepatchAgent.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException("no LivepatchAgent.sln above " + here);
    }
}
