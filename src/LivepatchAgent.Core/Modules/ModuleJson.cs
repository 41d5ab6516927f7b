using System.Text.Encodings.Web;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// <c>inspect --format json</c>. Written by hand: the CLI has no other use for JsonSerializer, which is larger than all
/// of its rest. A test holds it to the records.
/// </summary>
public static class ModuleJson
{
    private static readonly JsonWriterOptions Options = new()
    {
        Indented = true,
        NewLine = "\n",
        // For a terminal or a file, not for HTML: a + stays a +.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>One object, UTF-8, without a line end.</summary>
    public static byte[] Write(ModuleFacts facts)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            Identity(json, facts);
            Patch(json, facts);
            Needs(json, facts);
            Signatures(json, facts);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void Identity(Utf8JsonWriter json, ModuleFacts facts)
    {
        json.WriteString("name", facts.Name);
        json.WriteString("vermagic", facts.Vermagic);
        json.WriteString("kernelRelease", facts.KernelRelease);
        json.WriteString("architecture", facts.Architecture);
        json.WriteBoolean("isLivepatch", facts.IsLivepatch);
        json.WriteString("buildId", facts.BuildId);
        json.WriteNumber("thisModuleSize", facts.ThisModuleSize);
        json.WriteNumber("loadedSize", facts.LoadedSize);
        Array(json, "modinfo", facts.Modinfo, static (json, entry) =>
        {
            json.WriteString("key", entry.Key);
            json.WriteString("value", entry.Value);
        });
        Strings(json, "repeatedModinfo", facts.RepeatedModinfo);
    }

    private static void Patch(Utf8JsonWriter json, ModuleFacts facts)
    {
        json.WriteString("tables", facts.Tables is { } tables ? Kebab.Of(tables) : null);
        if (facts.Replace is { } replace) json.WriteBoolean("replace", replace);
        else json.WriteNull("replace");
        Array(json, "functions", facts.Functions, static (json, function) =>
        {
            json.WriteString("object", function.Object);
            json.WriteString("name", function.Name);
            if (function.Position != 0) json.WriteNumber("position", function.Position);
        });
        Array(json, "tableFaults", facts.TableFaults, static (json, fault) =>
        {
            json.WriteString("kind", Kebab.Of(fault.Kind));
            json.WriteString("object", fault.Object);
            json.WriteString("detail", fault.Detail);
        });
        Array(json, "callbacks", facts.Callbacks, static (json, callback) =>
        {
            json.WriteString("object", callback.Object);
            json.WriteString("moment", Kebab.Of(callback.Moment));
            json.WriteString("function", callback.Function);
        });
        Array(json, "states", facts.States, static (json, state) =>
        {
            json.WriteNumber("id", state.Id);
            json.WriteNumber("version", state.Version);
        });
        Strings(json, "stateCalls", facts.StateCalls);
        Strings(json, "notVisible", facts.NotVisible);
        Array(json, "dynamicRelocations", facts.DynamicRelocations, static (json, relocation) =>
        {
            json.WriteString("object", relocation.Object);
            json.WriteString("symbol", relocation.Symbol);
            json.WriteNumber("position", relocation.Position);
        });
    }

    private static void Needs(Utf8JsonWriter json, ModuleFacts facts)
    {
        Strings(json, "neededSymbols", facts.NeededSymbols);
        Array(json, "symbolVersions", facts.SymbolVersions, Version);
        Array(json, "extendedSymbolVersions", facts.ExtendedSymbolVersions, Version);
        Array(json, "livepatchSymbols", facts.LivepatchSymbols, static (json, symbol) =>
        {
            json.WriteString("object", symbol.Object);
            json.WriteString("name", symbol.Name);
            json.WriteNumber("position", symbol.Position);
            json.WriteBoolean("isMarked", symbol.IsMarked);
        });
        Array(json, "livepatchRelocations", facts.LivepatchRelocations, static (json, relocations) =>
        {
            json.WriteString("object", relocations.Object);
            json.WriteString("section", relocations.Section);
            json.WriteNumber("count", relocations.Count);
            json.WriteBoolean("isMarked", relocations.IsMarked);
            json.WriteBoolean("isAllocated", relocations.IsAllocated);
        });
        Array(json, "relocationFaults", facts.RelocationFaults, static (json, fault) =>
        {
            json.WriteString("kind", Kebab.Of(fault.Kind));
            json.WriteString("section", fault.Section);
            json.WriteString("detail", fault.Detail);
            json.WriteNumber("count", fault.Count);
        });
        Array(json, "callSiteFaults", facts.CallSiteFaults, static (json, fault) =>
        {
            json.WriteString("kind", Kebab.Of(fault.Kind));
            json.WriteString("place", fault.Place);
        });
        json.WriteNumber("noOpCallSites", facts.NoOpCallSites);
    }

    private static void Version(Utf8JsonWriter json, SymbolVersion version)
    {
        json.WriteString("name", version.Name);
        json.WriteNumber("crc", version.Crc);
    }

    private static void Signatures(Utf8JsonWriter json, ModuleFacts facts)
    {
        if (facts.Signature is { } place)
        {
            json.WriteStartObject("signature");
            json.WriteNumber("contentLength", place.ContentLength);
            json.WriteNumber("pkcs7Length", place.Pkcs7Length);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("signature");
        }

        Array(json, "signatures", facts.Signatures, static (json, signature) =>
        {
            json.WriteNumber("contentLength", signature.ContentLength);
            json.WriteNumber("length", signature.Length);
            json.WriteString("type", signature.Type);
            Array(json, "signers", signature.Signers, Signer);
            json.WriteNumber("certificates", signature.Certificates);
            json.WriteNumber("trailingBytes", signature.TrailingBytes);
            json.WriteString("fault", signature.Fault);
        });
        json.WriteNumber("trailingBytes", facts.TrailingBytes);
        json.WriteNumber("bytesBehindSignature", facts.BytesBehindSignature);
    }

    private static void Signer(Utf8JsonWriter json, SignatureSigner signer)
    {
        json.WriteString("issuer", signer.Issuer);
        json.WriteString("serial", signer.Serial);
        json.WriteString("keyId", signer.KeyId);
        json.WriteString("digest", signer.Digest);
        json.WriteString("algorithm", signer.Algorithm);
        json.WriteBoolean("hasSignedAttributes", signer.HasSignedAttributes);
    }

    private static void Strings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void Array<T>(
        Utf8JsonWriter json,
        string name,
        IReadOnlyList<T>? items,
        Action<Utf8JsonWriter, T> members)
    {
        if (items is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartArray(name);
        foreach (var item in items)
        {
            json.WriteStartObject();
            members(json, item);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
