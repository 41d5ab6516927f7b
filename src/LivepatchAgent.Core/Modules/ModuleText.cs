using System.Globalization;
using System.Text;

using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a module's file says, for people, as lines.</summary>
public static class ModuleText
{
    private const string NotVisible = "not visible in the file";

    public static string Of(ModuleFacts facts)
    {
        var text = new Lines();
        text.Add("name", facts.Name);
        text.Add("kernel", $"{facts.KernelRelease} {facts.Architecture}");
        text.Add("vermagic", facts.Vermagic.TrimEnd());
        text.Add("livepatch", facts.IsLivepatch ? "yes" : "no");
        if (facts.IsLivepatch) Patch(text, facts);
        Needs(text, facts);
        text.Add("struct module", $"{facts.ThisModuleSize} bytes");
        if (facts.BuildId is not null) text.Add("build id", facts.BuildId);
        foreach (var entry in facts.Modinfo)
        {
            var isShown = entry.Key is not ("name" or "vermagic" or "livepatch");
            if (isShown || facts.RepeatedModinfo.Contains(entry.Key)) text.Add("modinfo", $"{entry.Key}={entry.Value}");
        }

        if (facts.RepeatedModinfo.Count > 0)
        {
            var keys = string.Join(", ", facts.RepeatedModinfo);
            text.Add("mind", $"more than one {keys} in modinfo: the kernel takes the first");
        }

        Signatures(text, facts);
        return text.ToString();
    }

    private static void Patch(Lines text, ModuleFacts facts)
    {
        text.Add("tables", facts.Tables switch
        {
            PatchTables.KlpPatch => "struct klp_patch, static",
            PatchTables.KpatchBuild => "kpatch-build's",
            PatchTables.KlpBuild => "klp-build's",
            _ => NotVisible,
        });
        text.Add("replace", facts.Replace switch
        {
            true => "yes, takes the place of all older patches",
            false => "no",
            null => NotVisible,
        });
        if (facts.Functions.Count == 0) text.Add("functions", facts.Tables is null ? NotVisible : "none");
        foreach (var fault in facts.TableFaults)
            text.Add("fault", $"{fault.Object}: {Kebab.Of(fault.Kind)}{Detail(fault.Detail)}");
        foreach (var function in facts.Functions)
            text.Add("function", $"{function.Object}:{function.Name}{Position(function.Position)}");
        if (facts.Callbacks.Count == 0) text.Add("callbacks", facts.Tables is null ? NotVisible : "none");
        foreach (var callback in facts.Callbacks)
        {
            var function = callback.Function.Length > 0 ? callback.Function : "a function without a symbol";
            text.Add("callback", $"{Kebab.Of(callback.Moment)} of {callback.Object}: {function}");
        }

        text.Add("states", facts.States switch
        {
            null => NotVisible,
            [] => "none",
            var states => string.Join(", ", states.Select(s => $"{s.Id} in version {s.Version}")),
        });
        var calls = string.Join(", ", facts.StateCalls);
        text.Add("shadow data", calls.Length == 0
            ? "none: it calls nothing for it"
            : $"calls {calls}; with which ids is {NotVisible}");
        Relocations(text, facts);
    }

    private static void Relocations(Lines text, ModuleFacts facts)
    {
        foreach (var symbol in facts.LivepatchSymbols)
        {
            var mark = symbol.IsMarked ? "" : " (not marked as one)";
            text.Add("klp symbol", $"{symbol.Object}:{symbol.Name},{symbol.Position}{mark}");
        }

        foreach (var rela in facts.LivepatchRelocations)
        {
            var mark = rela.IsMarked ? "" : " (flag missing)";
            var allocation = rela.IsAllocated ? "" : " (not allocated)";
            text.Add("klp rela", $"{rela.Count} for {rela.Object}{rela.Section}{mark}{allocation}");
        }

        foreach (var fault in facts.RelocationFaults)
        {
            var times = fault.Count > 1 ? $", {fault.Count} times" : "";
            text.Add("fault", $"{fault.Section}: {Kebab.Of(fault.Kind)}{Detail(fault.Detail)}{times}");
        }

        foreach (var fault in facts.CallSiteFaults) text.Add("fault", $"{fault.Place}: {Kebab.Of(fault.Kind)}");
        foreach (var relocation in facts.DynamicRelocations)
            text.Add("dynrela", $"{relocation.Object}:{relocation.Symbol}{Position(relocation.Position)}");
    }

    private static string Detail(string detail) => detail.Length > 0 ? $" ({detail})" : "";

    private static string Position(long position) => position > 0 ? $",{position}" : "";

    /// <summary>
    /// Each symbol with its CRC where there is one. What has a CRC and no symbol (module_layout) stands at the end.
    /// </summary>
    private static void Needs(Lines text, ModuleFacts facts)
    {
        var crcs = new Dictionary<string, uint>(StringComparer.Ordinal);
        foreach (var version in facts.ExtendedSymbolVersions ?? facts.SymbolVersions ?? [])
            crcs.TryAdd(version.Name, version.Crc);
        foreach (var name in facts.NeededSymbols)
            text.Add("needs", crcs.Remove(name, out var crc) ? $"{name} {Crc(crc)}" : name);
        foreach (var (name, crc) in crcs) text.Add("version of", $"{name} {Crc(crc)}");
        if (facts.SymbolVersions is null && facts.ExtendedSymbolVersions is null)
            text.Add("versions", "none of symbols: built without CONFIG_MODVERSIONS");
    }

    private static void Signatures(Lines text, ModuleFacts facts)
    {
        if (facts.TrailingBytes > 0)
        {
            var end = facts.Signatures.Count > 0 ? "its signature" : "the end of the file";
            text.Add("mind", $"{facts.TrailingBytes} bytes between the end of the ELF file and {end}");
        }

        if (facts.BytesBehindSignature > 0)
        {
            var behind = $"{facts.BytesBehindSignature} bytes behind it";
            text.Add("mind", $"a signature with {behind}: to a kernel the module is unsigned");
        }

        if (facts.Signatures.Count == 0) text.Add("signature", "none");
        for (var i = 0; i < facts.Signatures.Count; i++)
        {
            var signature = facts.Signatures[i];
            var sizes = $"{signature.Length} bytes over {signature.ContentLength} bytes";
            var below = i > 0 ? "; under another one, so no kernel looks at it" : "";
            text.Add("signature", $"{signature.Type} of {sizes}{below}");
            foreach (var signer in signature.Signers) text.Add("  signer", Words(signer));
            if (signature.Certificates > 0)
                text.Add("  brings", $"{signature.Certificates} certificates, which count for nothing");
            if (signature.TrailingBytes > 0) text.Add("  mind", $"{signature.TrailingBytes} bytes behind the PKCS#7");
            if (signature.Fault is not null) text.Add("  mind", signature.Fault);
        }

        if (facts.Signatures.Count > 0) text.Add("", "nothing of a signature was checked");
    }

    private static string Words(SignatureSigner signer)
    {
        var key = signer.KeyId is null ? $"serial {signer.Serial} of {signer.Issuer}" : $"key id {signer.KeyId}";
        var attributes = signer.HasSignedAttributes ? ", over attributes" : "";
        return $"{key}, {signer.Algorithm} with {signer.Digest}{attributes}";
    }

    private static string Crc(uint crc) => string.Create(CultureInfo.InvariantCulture, $"0x{crc:x8}");

    private sealed class Lines
    {
        private readonly StringBuilder _text = new();

        public void Add(string name, string value)
        {
            var label = name.Length > 0 ? name + ":" : "";
            _text.Append(label.PadRight(14)).Append(' ').Append(PrintableText.Of(value)).Append('\n');
        }

        public override string ToString() => _text.ToString();
    }
}
