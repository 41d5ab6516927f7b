using System.Text.Json;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;
using static LivepatchAgent.Daemon.Tests.Surroundings.KernelImage;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// What preflight asks is found in the kernel's memory, and is what the kernel's texts say. Where the memory is not as
/// it should be, the texts are read. Each test's texts have a name more, so that it shows which of the two was.
/// </summary>
public sealed class KernelMemoryTests
{
    private const string OnlyInText = "only_in_the_text";
    private const string Exported = "__ksymtab_seq_printf";

    private static readonly HostQuestions Questions = new(
        Names: Set("cmdline_proc_show", "version_proc_show", "show", "hidden", "nowhere", OnlyInText, Exported),
        Functions: Set("cmdline_proc_show", "version_proc_show", "show", "hidden", "split"),
        Objects: Set(),
        Exports: Set("seq_printf"),
        Signers: []);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Collect_ByMemory_SaysWhatTheTextsSay(bool isAbsolute)
    {
        using var root = Root(Image(isAbsolute).Build());
        var memory = Collect(root);
        File.Delete(root.Path("sys/kernel/tracing/dyn_ftrace_total_info"));
        root.Write("proc/kcore", "");
        var text = Collect(root);

        (string, int)[] symbols =
        [
            (Exported, 1), ("cmdline_proc_show", 1), ("hidden", 1), ("show", 2), ("split.cold", 1),
            ("version_proc_show", 1),
        ];
        Assert.Equal(symbols, Sorted(memory.Symbols!));
        (string, int)[] traceable = [("cmdline_proc_show", 1), ("show", 1), ("version_proc_show", 1)];
        Assert.Equal(traceable, Sorted(memory.Traceable!));
        Assert.Equal([KeyValuePair.Create("seq_printf", 0x11111111u)], memory.SymbolVersions!);
        Assert.Equal(1, text.CountOf("vmlinux", OnlyInText));
        Assert.Equal(Sorted(memory.Symbols!), Sorted(text.Symbols!).Where(s => s.Name != OnlyInText));
        Assert.Equal(Sorted(memory.Traceable!), Sorted(text.Traceable!));
    }

    public static TheoryData<string, Action<byte[]>> Damage => new()
    {
        { "a witness is elsewhere", m => m[At.FirstOffset] ^= 4 },
        { "a name has no length", m => m[At.FirstName + 8] = 0 },
        { "a name is longer than all", m => m.AsSpan(At.FirstName, 8).Fill(0xff) },
        { "no token ends", m => m.AsSpan(At.FirstToken).Replace((byte)0, (byte)'x') },
        { "no symbols", m => m.AsSpan(At.SymbolCount, 4).Clear() },
        { "very many symbols", m => m[At.SymbolCount + 2] = 0x20 },
        { "more symbols than any kernel has", m => m[At.SymbolCount + 3] = 0x7f },
    };

    [Theory]
    [MemberData(nameof(Damage))]
    public void Collect_OfSymbolsThatAreNotUnderstood_ReadsTheText(string what, Action<byte[]> damage)
    {
        Assert.NotEmpty(what);
        using var root = Root(Image().Build(damage));
        Assert.Equal(1, Collect(root).CountOf("vmlinux", OnlyInText));
    }

    public static TheoryData<string, Action<byte[]>> RecordDamage => new()
    {
        { "a record more than the kernel says", m => m[At.FirstGroupsCount]++ },
        { "a record less", m => m[At.FirstGroupsCount]-- },
        { "a number below 0", m => m.AsSpan(At.FirstGroupsCount, 4).Fill(0xff) },
        { "records that do not rise", m => m[At.FirstRecord + 1] = 0x50 },
        { "records that are not there", m => m[At.FirstGroupsRecords + 7] = 0 },
        { "a group that is its own next", m => BitConverter.TryWriteBytes(m.AsSpan(NextOfFirst), Base + NextOfFirst) },
    };

    [Theory]
    [MemberData(nameof(RecordDamage))]
    public void Collect_OfRecordsThatAreNotUnderstood_ReadsTheTexts(string what, Action<byte[]> damage)
    {
        Assert.NotEmpty(what);
        using var root = Root(Image().Build(damage));
        var facts = Collect(root);
        Assert.Equal(1, facts.CountOf("vmlinux", OnlyInText));
        Assert.Equal([("cmdline_proc_show", 1), ("show", 1), ("version_proc_show", 1)], Sorted(facts.Traceable!));
    }

    /// <summary>
    /// Cut off anywhere, it is never half believed: the answer is the memory's or the text's, which are the same here.
    /// </summary>
    [Fact]
    public void Collect_OfMemoryThatIsCutOff_SaysWhatTheTextsSay()
    {
        var image = Image();
        var whole = image.Build();
        using var root = Root(whole, image.Text);
        var (symbols, traceable) = (Sorted(Collect(root).Symbols!), Sorted(Collect(root).Traceable!));
        for (var length = 0; length < whole.Length; length += IsDense(length) ? 1 : 61)
        {
            File.WriteAllBytes(root.Path("proc/kcore"), whole[..length]);
            var facts = Collect(root);
            Assert.Equal(symbols, Sorted(facts.Symbols!));
            Assert.Equal(traceable, Sorted(facts.Traceable!));
        }
    }

    /// <summary>A module's symbols are not in vmlinux's table, nor is what a module exports.</summary>
    [Theory]
    [InlineData("ext4", "seq_printf")]
    [InlineData("", "ext4_export")]
    public void Collect_OfWhatVmlinuxDoesNotHave_ReadsTheText(string holder, string export)
    {
        var ext4 = "ffffffffc0a41000 t ext4_iget\t[ext4]\nffffffffc0a41010 t show\t[ext4]\n"
            + "ffffffffc0a42000 r __ksymtab_ext4_export\t[ext4]\n";
        var image = Image().Traceable(0xffffffffc0a41004);
        using var root = Root(image.Build(), image.Text + ext4, image.Total);
        root.Write("proc/modules", "ext4 1024000 1 - Live 0xffffffffc0a41000\n");
        var facts = Collect(root, Questions with
        {
            Names = Set("show", "__ksymtab_ext4_export"),
            Functions = Set("show", "ext4_iget", "cmdline_proc_show"),
            Objects = holder.Length > 0 ? Set(holder) : Set(),
            Exports = Set(export),
        });
        Assert.Equal(1, facts.CountOf("ext4", holder.Length > 0 ? "show" : "__ksymtab_ext4_export"));
        Assert.Equal(1, facts.Traceable!["vmlinux"]["cmdline_proc_show"]);
        if (holder.Length > 0) Assert.Equal([("ext4_iget", 1)], facts.Traceable["ext4"].Select(t => (t.Key, t.Value)));
    }

    public static TheoryData<string, bool, Action<byte[]>> Modules => new()
    {
        { "as it should be", true, _ => { } },
        { "it is another module's table", false, m => m[At.ModuleSymbol + 24 + 8] ^= 8 },
        { "no table behind kallsyms", false, m => m[At.Module + 64] ^= 8 },
        { "no symbols", false, m => m.AsSpan(At.ModuleSymbolCount, 4).Clear() },
        { "more symbols than are there", false, m => m[At.ModuleSymbolCount + 1] = 0x10 },
        { "a name beyond all", false, m => m.AsSpan(At.ModuleSymbol + 24, 4).Fill(0xff) },
        { "a name behind the end", false, m => m[At.ModuleSymbol + 24 + 1] = 0x70 },
        { "a table that is not there", false, m => m[At.Module + 72 + 7] = 0 },
    };

    [Theory]
    [MemberData(nameof(Modules))]
    public void Collect_OfALoadedModule_ByMemoryWhereItIsUnderstood(string what, bool isByMemory, Action<byte[]> damage)
    {
        Assert.NotEmpty(what);
        (string Name, ulong Address)[] symbols =
        [
            ("ext4_iget", 0xffffffffc0a41000), ("show", 0xffffffffc0a41100), ("twin", 0xffffffffc0a41200),
            ("twin", 0xffffffffc0a41300), ("", 7),
        ];
        var image = Image().Traceable(0xffffffffc0a41004, 0xffffffffc0a41304);
        var named = symbols.Where(s => s.Name.Length > 0).Select(s => $"{s.Address:x16} t {s.Name}\t[ext4]\n");
        var text = image.Text + string.Concat(named) + $"{Base + 0x800:x16} t {OnlyInText}\n";
        using var root = Root(image.Module(symbols).Build(damage), text, image.Total);
        root.Write("proc/modules", "ext4 1024000 1 - Live 0xffffffffc0a41000\n");
        root.Write("sys/module/ext4/sections/.gnu.linkonce.this_module", $"0x{ModuleAddress:x16}\n");
        var facts = Collect(root, Questions with
        {
            Names = Set("show", "twin", "ext4_iget", OnlyInText),
            Functions = Set("show", "twin", "ext4_iget"),
            Objects = Set("ext4"),
            Exports = Set(),
        });

        Assert.Equal(isByMemory ? 0 : 1, facts.CountOf("vmlinux", OnlyInText));
        Assert.Equal([("ext4_iget", 1), ("show", 1), ("twin", 2)], Sorted(facts.Symbols!, "ext4"));
        Assert.Equal([("ext4_iget", 1), ("twin", 1)], Sorted(facts.Traceable!, "ext4"));
        Assert.Equal([("show", 1)], Sorted(facts.Traceable!));
    }

    [Fact]
    public void Collect_WhereTheTextHidesAddresses_ReadsTheListOfWhatCanBeTraced()
    {
        var image = Image();
        var hidden = image.Text.Split('\n').Select(l => l.Length > 16 ? new string('0', 16) + l[16..] : l);
        using var root = Root([], string.Join('\n', hidden));
        Assert.Equal([("cmdline_proc_show", 1), ("show", 1)], Sorted(Collect(root).Traceable!));
    }

    private const int NextOfFirst = At.FirstGroupsRecords - 8;

    /// <summary>In the headers, the tables of tokens and the numbers each length is tried.</summary>
    private static bool IsDense(int length) =>
        length is > 0x40 and < 0x400 or > 0x5000 and < 0x5100 or > 0x7000 and < 0x7040;

    private static KernelImage Image(bool isAbsolute = true) => new KernelImage { IsAbsolute = isAbsolute }
        .Add("cmdline_proc_show", Base + 0x100)
        .Add("version_alias", Base + 0x200).Add("version_proc_show", Base + 0x200)
        .Add("show", Base + 0x300).Add("show", Base + 0x400)
        .Add("hidden", Base + 0x500)
        .Add("split.cold", Base + 0x600).Add("splitter", Base + 0x610)
        .Add("other", Base + 0x700)
        .Export("seq_printf", 0, 0x11111111)
        .Traceable(Base + 0x104, Base + 0x200, Base + 0x304).Traceable(Base + 0x704);

    private static FakeRoot Root(byte[] memory, string? text = null, long? total = null)
    {
        var root = new FakeRoot();
        root.Write("proc/kallsyms", text ?? $"{Image().Text}{Base + 0x800:x16} t {OnlyInText}\n");
        root.Write("sys/kernel/tracing/available_filter_functions", "cmdline_proc_show\nversion_alias\nshow\nother\n");
        root.Write("sys/kernel/tracing/dyn_ftrace_total_info", $"{total ?? Image().Total} pages:187 groups: 28\n");
        File.WriteAllBytes(root.Path("proc/kcore"), memory);
        return root;
    }

    private static HostFacts Collect(FakeRoot root, HostQuestions? questions = null)
    {
        var collector = new HostFactsCollector(root.Paths, new HostObserver(root.Paths, TimeProvider.System));
        return collector.Collect(questions ?? Questions);
    }

    private static IReadOnlyList<(string Name, int Count)> Sorted(
        IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>> table, string holder = "vmlinux") =>
        [.. table[holder].OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => (s.Key, s.Value))];

    private static HashSet<string> Set(params string[] names) => [.. names];
}
