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
            if (entry.Key is not ("name" or "vermagic" or "livepatch") || facts.RepeatedModinfo.Contains(entry.Key)) text.Add("modinfo", $"{entry.Key}={entry.Value}");
        }

        if (facts.RepeatedModinfo.Count > 0) text.Add("mind", $"more than one {string.Join(", ", facts.RepeatedModinfo)} in modinfo: the kernel takes the first");
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
        text.Add("replace", facts.Replace switch { true => "yes, takes the place of all older patches", false => "no", null => NotVisible });
        if (facts.Functions.Count == 0) text.Add("functions", facts.Tables is null ? NotVisible : "none");
        foreach (var fault in facts.TableFaults)
        {
            var detail = fault.Detail.Length > 0 ? $" ({fault.Detail})" : "";
            text.Add("fault", $"{fault.Object}: {Kebab.Of(fault.Kind)}{detail}");
        }

        foreach (var function in facts.Functions) text.Add("function", $"{function.Object}:{function.Name}{(function.Position > 0 ? $",{function.Position}" : "")}");
        if (facts.Callbacks.Count == 0) text.Add("callbacks", facts.Tables is null ? NotVisible : "none");
        foreach (var callback in facts.Callbacks) text.Add("callback", $"{Kebab.Of(callback.Moment)} of {callback.Object}: {(callback.Function.Length > 0 ? callback.Function : "a function without a symbol")}");
        text.Add("states", facts.States switch
        {
            null => NotVisible,
            [] => "none",
            var states => string.Join(", ", states.Select(s => $"{s.Id} in version {s.Version}")),
        });
        var calls = string.Join(", ", facts.StateCalls);
        text.Add("shadow data", calls.Length == 0 ? "none: it calls nothing for it" : $"calls {calls}; with which ids is {NotVisible}");
        foreach (var symbol in facts.LivepatchSymbols) text.Add("klp symbol", $"{symbol.Object}:{symbol.Name},{symbol.Position}{(symbol.IsMarked ? "" : " (not marked as one)")}");
        foreach (var rela in facts.LivepatchRelocations)
            text.Add("klp rela", $"{rela.Count} for {rela.Object}{rela.Section}{(rela.IsMarked ? "" : " (flag missing)")}{(rela.IsAllocated ? "" : " (not allocated)")}");
        foreach (var fault in facts.RelocationFaults) text.Add("fault", $"{fault.Section}: {Kebab.Of(fault.Kind)}{(fault.Detail.Length > 0 ? $" ({fault.Detail})" : "")}{(fault.Count > 1 ? $", {fault.Count} times" : "")}");
        foreach (var fault in facts.CallSiteFaults) text.Add("fault", $"{fault.Place}: {Kebab.Of(fault.Kind)}");
        foreach (var relocation in facts.DynamicRelocations) text.Add("dynrela", $"{relocation.Object}:{relocation.Symbol}{(relocation.Position > 0 ? $",{relocation.Position}" : "")}");
    }

    /// <summary>Each symbol with its CRC where there is one. What has a CRC and no symbol (module_layout) stands at the end.</summary>
    private static void Needs(Lines text, ModuleFacts facts)
    {
        var crcs = new Dictionary<string, uint>(StringComparer.Ordinal);
        foreach (var version in facts.ExtendedSymbolVersions ?? facts.SymbolVersions ?? []) crcs.TryAdd(version.Name, version.Crc);
        foreach (var name in facts.NeededSymbols) text.Add("needs", crcs.Remove(name, out var crc) ? $"{name} {Crc(crc)}" : name);
        foreach (var (name, crc) in crcs) text.Add("version of", $"{name} {Crc(crc)}");
        if (facts.SymbolVersions is null && facts.ExtendedSymbolVersions is null) text.Add("versions", "none of symbols: built without CONFIG_MODVERSIONS");
    }

    private static void Signatures(Lines text, ModuleFacts facts)
    {
        if (facts.TrailingBytes > 0) text.Add("mind", $"{facts.TrailingBytes} bytes between the end of the ELF file and {(facts.Signatures.Count > 0 ? "its signature" : "the end of the file")}");
        if (facts.BytesBehindSignature > 0) text.Add("mind", $"a signature with {facts.BytesBehindSignature} bytes behind it: to a kernel the module is unsigned");
        if (facts.Signatures.Count == 0) text.Add("signature", "none");
        for (var i = 0; i < facts.Signatures.Count; i++)
        {
            var signature = facts.Signatures[i];
            text.Add("signature", $"{signature.Type} of {signature.Length} bytes over {signature.ContentLength} bytes{(i > 0 ? "; under another one, so no kernel looks at it" : "")}");
            foreach (var signer in signature.Signers)
                text.Add("  signer", $"{(signer.KeyId is null ? $"serial {signer.Serial} of {signer.Issuer}" : $"key id {signer.KeyId}")}, {signer.Algorithm} with {signer.Digest}{(signer.HasSignedAttributes ? ", over attributes" : "")}");
            if (signature.Certificates > 0) text.Add("  brings", $"{signature.Certificates} certificates, which count for nothing");
            if (signature.TrailingBytes > 0) text.Add("  mind", $"{signature.TrailingBytes} bytes behind the PKCS#7");
            if (signature.Fault is not null) text.Add("  mind", signature.Fault);
        }

        if (facts.Signatures.Count > 0) text.Add("", "nothing of a signature was checked");
    }

    private static string Crc(uint crc) => string.Create(CultureInfo.InvariantCulture, $"0x{crc:x8}");

    private sealed class Lines
    {
        private readonly StringBuilder _text = new();

        public void Add(string name, string value) => _text.Append((name.Length > 0 ? name + ":" : "").PadRight(14)).Append(' ').Append(PrintableText.Of(value)).Append('\n');

        public override string ToString() => _text.ToString();
    }
}
