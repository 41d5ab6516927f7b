using System.Globalization;
using System.Text;

namespace LivepatchAgent.Core.Kernel;

/// <summary>
/// A line of /proc/kallsyms, in place: <c>ffffffff812f3a10 t cmdline_proc_show</c>, and for a module's a tab and
/// <c>[module]</c>.
/// </summary>
public readonly ref struct SymbolLine
{
    private const int AddressLength = 16, NameStart = 19;

    private SymbolLine(ReadOnlySpan<byte> address, ReadOnlySpan<byte> name, ReadOnlySpan<byte> module)
    {
        AddressText = address;
        Name = name;
        Module = module;
    }

    /// <summary>16 hexadecimal digits; all 0 where the kernel hides them.</summary>
    public ReadOnlySpan<byte> AddressText { get; }

    public ReadOnlySpan<byte> Name { get; }

    /// <summary>Empty for vmlinux.</summary>
    public ReadOnlySpan<byte> Module { get; }

    public ulong Address =>
        System.Buffers.Text.Utf8Parser.TryParse(AddressText, out ulong address, out _, 'x') ? address : 0;

    public static bool TryRead(ReadOnlySpan<byte> line, out SymbolLine symbol)
    {
        symbol = default;
        if (line.Length <= NameStart || line[AddressLength] != ' ' || line[AddressLength + 2] != ' ') return false;
        var name = line[NameStart..];
        ReadOnlySpan<byte> module = [];
        if (name[^1] == ']')
        {
            var tab = name.LastIndexOf((byte)'\t');
            if (tab <= 0 || tab + 2 >= name.Length) return false;
            module = name[(tab + 2)..^1];
            name = name[..tab];
        }

        symbol = new SymbolLine(line[..AddressLength], name, module);
        return true;
    }
}

/// <summary>Lines of tracefs and debugfs about functions. What is not understood gives nothing.</summary>
public static class SymbolTexts
{
    /// <summary>A line of available_filter_functions: <c>name</c> or <c>name [module]</c>.</summary>
    public static void Function(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> module)
    {
        var space = line.IndexOf((byte)' ');
        name = space < 0 ? line : line[..space];
        module = space < 0 ? [] : Bracketed(line[(space + 1)..]);
    }

    /// <summary>
    /// A line of enabled_functions: <c>name [module] (1) R I</c>, padding, and where it leads, as
    /// <c>tramp: 0xffffffffc0001000 (klp_ftrace_handler+0x0/0x1a0)</c> and
    /// <c>-&gt;arch_ftrace_ops_list_func+0x0/0x1e0</c>.
    /// </summary>
    public static FunctionHook? Hook(ReadOnlySpan<char> line)
    {
        var count = line.IndexOf(" (");
        if (count <= 0) return null;
        var (name, holder) = NameAndObject(line[..count]);
        var rest = line[(count + 2)..];
        var close = rest.IndexOf(')');
        if (name.Length == 0 || close < 0) return null;
        rest = rest[(close + 1)..];
        var end = rest.IndexOfAny("\t-:(");
        var flags = new StringBuilder();
        foreach (var range in (end < 0 ? rest : rest[..end]).Split(' '))
        {
            var word = (end < 0 ? rest : rest[..end])[range];
            if (word.Length == 1 && char.IsAsciiLetterUpper(word[0])) flags.Append(word[0]);
        }

        var handlers = new List<string>();
        for (var plus = rest.IndexOf('+'); plus > 0 && handlers.Count < 8; plus = rest.IndexOf('+'))
        {
            var start = rest[..plus].LastIndexOfAny("( >") + 1;
            if (start > 0 && start < plus)
            {
                var handler = rest[start..plus].ToString();
                if (!handlers.Contains(handler)) handlers.Add(handler);
            }

            rest = rest[(plus + 1)..];
        }

        return new FunctionHook(holder, name, flags.ToString(), handlers);
    }

    /// <summary>
    /// The line of enabled_functions below a function that is called directly:
    /// <c>direct--&gt;bpf_trampoline_6442509+0x0/0x1000</c>.
    /// </summary>
    public static string? DirectTarget(ReadOnlySpan<char> line)
    {
        const string Mark = "direct-->";
        var text = line.TrimStart();
        if (!text.StartsWith(Mark, StringComparison.Ordinal)) return null;
        var plus = text.IndexOf('+');
        return plus > Mark.Length ? text[Mark.Length..plus].ToString() : null;
    }

    /// <summary>
    /// A line of kprobes/list: <c>ffffffff812f3a10  k  cmdline_proc_show+0x0  [module] [FTRACE]</c>; r for a kretprobe.
    /// </summary>
    public static KernelProbe? Probe(string line)
    {
        var words = line.Split((char[]?)[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 3 || words[1] is not ("k" or "r" or "p" or "j")) return null;
        var plus = words[2].LastIndexOf('+');
        if (plus <= 0 || Offset(words[2].AsSpan(plus + 1)) is not { } offset) return null;
        // What is in brackets is a state in capitals, or the module.
        var bracketed = words.Skip(3).Select(w => w.Trim('[', ']'));
        var module = bracketed.FirstOrDefault(w => w.Any(char.IsAsciiLetterLower));
        return new KernelProbe(module ?? "vmlinux", words[2][..plus], offset, words[1] == "r");
    }

    private static long? Offset(ReadOnlySpan<char> text)
    {
        const NumberStyles Hex = NumberStyles.AllowHexSpecifier;
        if (long.TryParse(text.TrimStart("0x"), Hex, CultureInfo.InvariantCulture, out var offset)) return offset;
        // TrimStart takes off the digit of a plain zero as well.
        return text is "0x0" or "0" ? 0 : null;
    }

    private static (string Name, string Object) NameAndObject(ReadOnlySpan<char> text)
    {
        var space = text.IndexOf(' ');
        if (space < 0) return (text.ToString(), "vmlinux");
        var module = text[(space + 1)..].Trim();
        return module is ['[', .., ']'] ? (text[..space].ToString(), module[1..^1].ToString()) : ("", "");
    }

    private static ReadOnlySpan<byte> Bracketed(ReadOnlySpan<byte> text) =>
        text.Length > 2 && text[0] == '[' && text[^1] == ']' ? text[1..^1] : [];
}
