using System.Text;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Core.Tests.Kernel;

/// <summary>Lines as kernels print them, and lines that are none.</summary>
public sealed class SymbolTextsTests
{
    [Theory]
    [InlineData("ffffffff812f3a10 t cmdline_proc_show", "cmdline_proc_show", "", 0xffffffff812f3a10)]
    [InlineData("ffffffffc0a41000 t ext4_iget\t[ext4]", "ext4_iget", "ext4", 0xffffffffc0a41000)]
    [InlineData("0000000000000000 A fixed_percpu_data", "fixed_percpu_data", "", 0UL)]
    [InlineData("", null, "", 0UL)]
    [InlineData("ffffffff812f3a10 t ", null, "", 0UL)]
    [InlineData("not a line of that file at all", null, "", 0UL)]
    [InlineData("ffffffff812f3a10 t \t[]", null, "", 0UL)]
    public void SymbolLine_IsRead(string line, string? name, string module, ulong address)
    {
        Assert.Equal(name is not null, SymbolLine.TryRead(Encoding.UTF8.GetBytes(line), out var symbol));
        if (name is null) return;
        Assert.Equal(
            (name, module, address),
            (Encoding.UTF8.GetString(symbol.Name), Encoding.UTF8.GetString(symbol.Module), symbol.Address));
    }

    [Theory]
    [InlineData("cmdline_proc_show", "cmdline_proc_show", "")]
    [InlineData("ext4_iget [ext4]", "ext4_iget", "ext4")]
    [InlineData("", "", "")]
    public void Function_IsRead(string line, string name, string module)
    {
        SymbolTexts.Function(Encoding.UTF8.GetBytes(line), out var read, out var holder);
        Assert.Equal((name, module), (Encoding.UTF8.GetString(read), Encoding.UTF8.GetString(holder)));
    }

    [Theory]
    [InlineData(
        "cmdline_proc_show (1) R I     \ttramp: 0xffffffffc0205000 (klp_ftrace_handler+0x0/0x1d0) "
            + "->klp_ftrace_handler+0x0/0x1d0",
        "vmlinux",
        "cmdline_proc_show",
        "RI",
        "klp_ftrace_handler")]
    [InlineData(
        "ext4_iget [ext4] (2)           ->arch_ftrace_ops_list_func+0x0/0x1e0",
        "ext4",
        "ext4_iget",
        "",
        "arch_ftrace_ops_list_func")]
    [InlineData(
        "do_exit (1)     D   M \ttramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x20)\n"
            + "\tdirect-->bpf_trampoline_6442509+0x0/0x1000",
        "vmlinux",
        "do_exit",
        "DM",
        "ftrace_regs_caller,call_direct_funcs,bpf_trampoline_6442509")]
    [InlineData("do_exit (1)", "vmlinux", "do_exit", "", "")]
    public void Hook_IsRead(string line, string holder, string name, string flags, string handlers)
    {
        var hook = SymbolTexts.Hook(line)!;
        Assert.Equal(
            (holder, name, flags, handlers), (hook.Object, hook.Name, hook.Flags, string.Join(',', hook.Handlers)));
    }

    [Theory]
    [InlineData("\tdirect-->bpf_trampoline_6442509+0x0/0x1000", "bpf_trampoline_6442509")]
    [InlineData("\tdirect-->my_tramp+0x0/0x10 [my_module]", "my_tramp")]
    [InlineData("\tdirect-->", null)]
    [InlineData("do_exit (1)     D   M \tdirect-->x+0x0", null)]
    public void DirectTarget_IsRead(string line, string? target) =>
        Assert.Equal(target, SymbolTexts.DirectTarget(line));

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData(" (1) R")]
    [InlineData("a b c (1) R")]
    [InlineData("name (1")]
    public void Hook_ThatIsNone_IsNull(string line) => Assert.Null(SymbolTexts.Hook(line));

    [Theory]
    [InlineData("ffffffff812f3a10  k  cmdline_proc_show+0x0    [FTRACE]", "vmlinux", "cmdline_proc_show", 0, false)]
    [InlineData("ffffffffc0a41010  r  ext4_iget+0x10  ext4 [DISABLED]", "ext4", "ext4_iget", 16, true)]
    [InlineData("ffffffff812f3a1b  k  cmdline_proc_show+0xb    ", "vmlinux", "cmdline_proc_show", 11, false)]
    public void Probe_IsRead(string line, string holder, string name, long offset, bool isReturn)
    {
        var probe = SymbolTexts.Probe(line)!;
        Assert.Equal((holder, name, offset, isReturn), (probe.Object, probe.Name, probe.Offset, probe.IsReturn));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ffffffff812f3a10 x name+0x0")]
    [InlineData("ffffffff812f3a10 k name")]
    [InlineData("ffffffff812f3a10 k +0x0")]
    public void Probe_ThatIsNone_IsNull(string line) => Assert.Null(SymbolTexts.Probe(line));

    [Theory]
    [InlineData(
        "13f762d3 I------     2 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 1",
        0x13f762d3,
        "keyring",
        ".builtin_trusted_keys")]
    [InlineData(
        "2d5d5a68 I------     1 perm 1f030000     0     0 asymmetri Some key: d4d1: X509.ecdsa-nist-p384 772ae0da []",
        0x2d5d5a68,
        "asymmetri",
        "Some key: d4d1")]
    [InlineData(
        "f103a0f8 I------     2 perm 09090000     0     0 blacklist bin:e3b0",
        unchecked((int)0xf103a0f8),
        "blacklist",
        "bin:e3b0")]
    public void KeyLine_IsRead(string line, int id, string type, string description) =>
        Assert.Equal(new KeyLine(id, type, description), KeyLine.Read(line));

    [Theory]
    [InlineData("")]
    [InlineData("zzz I 2 perm 1 0 0 keyring x: 1")]
    [InlineData("13f762d3 I------ 2 perm")]
    public void KeyLine_ThatIsNone_IsNull(string line) => Assert.Null(KeyLine.Read(line));
}
