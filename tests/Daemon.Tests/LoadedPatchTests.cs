using System.Text;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// The system states of livepatches that are loaded: out of the kernel's own list, else out of the files that they came
/// from.
/// </summary>
public sealed class LoadedPatchTests
{
    private const ulong Head = 0xffffffff82000000, First = Head + 0x100, Second = Head + 0x200;
    private const ulong FirstModule = Head + 0x300, SecondModule = Head + 0x400, States = Head + 0x500;
    private const int List = 32;

    private static readonly Dictionary<string, ulong> Addresses = new() { [PatchList.Symbol] = Head };
    private static readonly LoadedPatch[] Shown =
        [new("first", true, false, true, []), new("second", true, false, true, [])];

    [Fact]
    public void List_OfAKernel_HasTheStatesOfEachPatch()
    {
        var states = Read(_ => { })!;
        Assert.Equal([new SystemState(7, 3), new SystemState(9, 1)], states["first"]);
        Assert.Empty(states["second"]);
    }

    public static TheoryData<string, ulong, ulong> Broken => new()
    {
        { "the list leads nowhere", First + List, 0 },
        { "the list goes round without its head", Second + List, First + List },
        { "a node that does not know who led to it", Second + List + 8, Head },
        { "a module elsewhere", First, 0x1000 },
        { "a module of another name", FirstModule + 24, 0x7265_6874_6f },
        { "states elsewhere", First + 16, 0x1000 },
        { "states without an end", States + 48, 1 },
        { "replace that is no flag", First + 24, 2 },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void List_ThatIsNotAsItShouldBe_IsNotBelieved(string what, ulong at, ulong value) =>
        Assert.True(Read(memory => Write(memory, at, value)) is null, what);

    [Fact]
    public void List_ThatSysfsDoesNotShow_IsNotBelieved()
    {
        Assert.Null(Read(_ => { }, [Shown[0]]));
        Assert.Null(Read(_ => { }, [.. Shown, new("third", true, false, true, [])]));
        // On its way out: the list has left it behind already.
        Assert.NotNull(Read(_ => { }, [.. Shown, new("third", false, false, true, [])]));
        Assert.Null(PatchList.Read(null, Addresses, Shown));
    }

    [Theory]
    [InlineData("installed", true)]
    [InlineData("installed, another build", false)]
    [InlineData("installed, under another name", false)]
    [InlineData("nowhere", false)]
    public void Collect_WithoutTheKernelsList_GoesByFilesOfTheSameBuild(string what, bool isKnown)
    {
        using var root = new FakeRoot();
        var raw = Corpus.Module(Corpus.CmdlineV2);
        var module = ModuleReader.Read(raw).Value;
        var isAnotherBuild = what.Contains("another build", StringComparison.Ordinal);
        new FakeKernel(root.Folder).Take(module.Name, isAnotherBuild ? new string('0', 40) : module.BuildId);
        root.Write("proc/sys/kernel/osrelease", Workshop.Release + "\n");
        var file = what.Contains("another name", StringComparison.Ordinal) ? Corpus.Module(Corpus.Cmdline) : raw;
        if (what != "nowhere") Install(root, $"updates/{module.Name}.ko", file);
        var collector = new HostFactsCollector(root.Paths, new HostObserver(root.Paths, TimeProvider.System));
        var facts = collector.Collect(HostQuestions.Of(module));
        Assert.Equal(isKnown, facts.PatchStates!.ContainsKey(module.Name));
    }

    [Fact]
    public async Task Check_OfAPatchThatReplacesTheAgentsOwn_KnowsItsStates()
    {
        await using var host = await HostUnderTest.EnrolledAsync(Workshop.Patch(1));
        host.Write($"sys/module/{ModuleReader.Read(Workshop.Patch(1).Module).Value.Name}/version", "0.0.1\n");
        var runner = host.Preflight;
        var check = runner.OfFile(Workshop.Patch(2).Module, "two").Checks.Single(c => c.Check == "patch-stack");
        const string found =
            "it takes the place of livepatch_cmdline; with version 2 it is newer than livepatch_cmdline 0.0.1";
        Assert.Equal((CheckOutcome.Ok, found), (check.Outcome, check.Found));
    }

    internal static void Install(FakeRoot root, string path, byte[] file)
    {
        var folder = $"lib/modules/{Workshop.Release}";
        root.Write($"{folder}/{path}", "");
        File.WriteAllBytes(root.Path($"{folder}/{path}"), file);
        File.AppendAllText(root.Path($"{folder}/modules.dep"), $"{path}:\n");
    }

    /// <summary>An ELF core file with one segment, and in it two patches of which the first has two states.</summary>
    private static IReadOnlyDictionary<string, IReadOnlyList<SystemState>>? Read(
        Action<byte[]> change, LoadedPatch[]? shown = null)
    {
        using var root = new FakeRoot();
        root.Write("proc/kcore", "");
        var core = new byte[0x2000];
        "\u007fELF"u8.CopyTo(core);
        BitConverter.TryWriteBytes(core.AsSpan(32), 64L);
        BitConverter.TryWriteBytes(core.AsSpan(56), (ushort)1);
        BitConverter.TryWriteBytes(core.AsSpan(64), 1);
        BitConverter.TryWriteBytes(core.AsSpan(64 + 8), 0x1000L);
        BitConverter.TryWriteBytes(core.AsSpan(64 + 16), Head);
        BitConverter.TryWriteBytes(core.AsSpan(64 + 40), 0x1000L);
        Node(Head, First + List, Second + List);
        Node(First + List, Second + List, Head);
        Node(Second + List, Head, First + List);
        Write(core, First, FirstModule);
        Write(core, First + 16, States);
        Write(core, First + 24, 1);
        Write(core, Second, SecondModule);
        Name(FirstModule, "first");
        Name(SecondModule, "second");
        Write(core, States, 7);
        Write(core, States + 8, 3);
        Write(core, States + 24, 9);
        Write(core, States + 32, 1);
        change(core);
        // What follows the states is no row of zeros.
        for (var at = States + 72; at < Head + 0x1000; at += 8) Write(core, at, 1);
        File.WriteAllBytes(root.Path("proc/kcore"), core);
        using var memory = KernelMemory.Open(root.Paths.KernelMemory);
        Assert.NotNull(memory);
        return PatchList.Read(memory, Addresses, shown ?? Shown);

        void Node(ulong at, ulong next, ulong before)
        {
            Write(core, at, next);
            Write(core, at + 8, before);
        }

        void Name(ulong module, string name) =>
            Encoding.ASCII.GetBytes(name).CopyTo(core, (int)(0x1000 + module + 24 - Head));
    }

    private static void Write(byte[] core, ulong at, ulong value) =>
        BitConverter.TryWriteBytes(core.AsSpan((int)(0x1000 + at - Head)), value);
}
