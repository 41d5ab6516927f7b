using System.Text;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Fuzz;

/// <summary>Texts of the kernel and of this host.</summary>
internal static class TextTargets
{
    /// <summary>Every reader of sysfs, procfs and /dev/kmsg, each given the same bytes.</summary>
    public static void Kernel(ReadOnlySpan<byte> input)
    {
        var text = Encoding.UTF8.GetString(input);
        _ = KernelTexts.Lockdown(text);
        _ = KernelTexts.Flag(text);
        _ = KernelTexts.CommandLineSwitch(text);
        _ = KernelTexts.Mode(text);
        _ = KernelTexts.Function("vmlinux", text);
        _ = KernelTexts.Unit(text);
        _ = KernelTexts.PrettyName(text);
        foreach (var line in text.Split('\n'))
        {
            _ = KernelTexts.StackFrame(line);
            _ = SymbolTexts.Hook(line);
            _ = SymbolTexts.DirectTarget(line);
            _ = SymbolTexts.Probe(line);
            _ = KeyLine.Read(line);
        }

        foreach (var range in input.Split((byte)'\n'))
        {
            if (SymbolLine.TryRead(input[range], out var symbol)) _ = symbol.Address;
            SymbolTexts.Function(input[range], out _, out _);
        }

        _ = EfiSignatureLists.Certificates(input);
        _ = KernelTexts.IsLivepatchRecord(input);
        _ = KernelTexts.BuildId(input);
        if (input.Length >= sizeof(long)) _ = TaintFlags.Letters(BitConverter.ToInt64(input));
    }

    public static void State(ReadOnlySpan<byte> input)
    {
        if (StateJson.Read(input, "journal.json").TryGet(out var state, out _)) _ = StateJson.Write(state);
    }

    public static void History(ReadOnlySpan<byte> input)
    {
        var verifier = new HistoryVerifier();
        foreach (var range in input.Split((byte)'\n')) verifier.Take(input[range]);
        _ = verifier.End(new HistoryMark(), 0);
    }
}
