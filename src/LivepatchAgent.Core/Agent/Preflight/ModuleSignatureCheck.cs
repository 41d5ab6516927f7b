using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// The kernel's own check of the module's signature, against its own keys (kernel/module/signing.c). What it does not
/// find a key for counts as unsigned: it insists on signatures only when it is locked down or set to. Debian's kernels
/// refuse a file whose own digest is revoked too, as firmware's dbx and shim's MokListX do by SHA-256.
/// </summary>
internal static class ModuleSignatureCheck
{
    private const string Sign = "sign it with a key that this kernel has (`livepatch-publisher sign`)";
    private const string Revoked = ".blacklist";
    private const string Platform = ".platform";
    private const int MaxSigners = 16;
    private const string Enrol = "enrol the publisher's certificate: `mokutil --import publisher.der`, then reboot";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (KernelFeatures.ChecksSignatures(host) == false)
            return CheckResult.Ok("this kernel was built without CONFIG_MODULE_SIG and checks none");
        var insists = Insistence(host);
        if (module.Signatures is not [var signature, ..])
        {
            var isHidden = module.BytesBehindSignature > 0;
            var found = isHidden
                ? "there are bytes behind its signature, so that it counts as unsigned"
                : "it is not signed";
            return Unsigned(found, insists);
        }

        if (signature.Type != "PKCS#7")
            return Unsigned($"its signature is of type {signature.Type}, which counts as none", insists);
        if (Broken(signature) is { } broken) return broken;
        if (host.Keys is not { } keys) return Unknown("the kernel's keys could not be read", insists);
        if (RevokedFile(module, keys) is { } revoked) return revoked;
        return keys.Signers is { } asked
            ? ByKernel(signature, asked, keys.SignatureHolds, insists)
            : ByName(signature, keys, insists);
    }

    /// <summary>Why the kernel takes no unsigned module; null when it does.</summary>
    private static string? Insistence(HostFacts host)
    {
        if (host.SignaturesEnforced == true) return "module.sig_enforce is set";
        return host.Lockdown is "integrity" or "confidentiality"
            ? $"the kernel is locked down ({host.Lockdown}, as under Secure Boot)"
            : null;
    }

    /// <summary>What no kernel takes, whatever its keys and whether or not it insists on signatures.</summary>
    private static CheckResult? Broken(AppendedSignature signature)
    {
        // A fault makes the kernel answer EBADMSG, unless the fault is only that there are more signers than are read.
        if (signature.Fault is { } fault && signature.Signers.Count < MaxSigners)
            return CheckResult.Refused($"its signature cannot be read: {fault}", Sign);
        if (!signature.Signers.Any(SignsOnlyAttributes)) return null;
        const string Found = "its signature is over attributes and not over the module, which no kernel takes";
        return CheckResult.Refused(Found, Sign);
    }

    private static bool SignsOnlyAttributes(SignatureSigner signer) =>
        signer.HasSignedAttributes && !signer.Algorithm.StartsWith("ml-dsa", StringComparison.Ordinal);

    private static CheckResult? RevokedFile(ModuleFacts module, KeyringFacts keys)
    {
        if (module.FileDigest is not { } digest) return null;
        var isRevoked = keys.Keys.Any(k => k.Ring == Revoked && k.Description == "bin:" + digest);
        if (!isRevoked) return null;
        return CheckResult.Refused(
            $"this very file is revoked on this host ({Revoked} has bin:{digest[..12]}…), as by the firmware's list",
            "publish a new build of it");
    }

    private static CheckResult ByKernel(
        AppendedSignature signature,
        IReadOnlyDictionary<string, string> asked,
        bool? holds,
        string? insists)
    {
        var rings = signature.Signers.Select(s => asked.GetValueOrDefault(s.KeyringQuery, "")).ToList();
        var names = Names(signature);
        if (rings.Contains(Revoked))
            return CheckResult.Refused($"its signer's key is revoked on this host ({Revoked}): {names}", Sign);
        var ring = rings.Find(r => r.Length > 0 && r != Platform) ?? rings.Find(r => r.Length > 0);
        if (ring is null) return WithoutKey(names, holds, insists);
        if (holds == false)
        {
            return CheckResult.Refused(
                $"it was changed after {names} signed it",
                "build and sign it again, or fetch it again");
        }

        if (holds is null)
        {
            return CheckResult.CannotTell(
                $"the kernel has the key of {names} in {ring}; "
                + "without the signer's certificate the agent cannot see whether the file was changed since",
                "put the signer's certificate into /etc/livepatch-agent/trust.d");
        }

        if (ring == Platform) return OfPlatform(signature, insists);
        return CheckResult.Ok($"signed by {names}, whose key the kernel has in {ring}");
    }

    private static CheckResult WithoutKey(string names, bool? holds, string? insists)
    {
        var changed = holds == false ? "; and it was changed after it was signed" : "";
        if (insists is not null)
            return CheckResult.Refused($"the kernel has no key of {names}, and {insists}{changed}", Enrol);
        return CheckResult.Warning(
            $"the kernel has no key of {names}: it takes the module and is tainted (E){changed}",
            holds == false ? "sign and publish it again: this agent does not load it as it is" : Enrol);
    }

    /// <summary>
    /// The firmware's keys: the mainline kernel asks for none of them for modules, those of some distributions do, and
    /// nothing shows which of the two it is.
    /// </summary>
    private static CheckResult OfPlatform(AppendedSignature signature, string? insists)
    {
        var found = $"the key of {Names(signature)} is in {Platform} alone, "
            + "which some distributions' kernels take for modules and others do not";
        return insists is not null
            ? CheckResult.CannotTell($"{found}; and {insists}", Enrol)
            : CheckResult.Warning(found, Enrol);
    }

    /// <summary>
    /// Only the names of keys are known, as of a host that a file describes: subject, and key id or serial number.
    /// </summary>
    private static CheckResult ByName(AppendedSignature signature, KeyringFacts keys, string? insists)
    {
        var fitting = keys.Keys.Where(k => signature.Signers.Any(s => Fits(s, k.Description))).ToList();
        var found = fitting.Find(k => k.Ring != Revoked && k.Ring != Platform) ?? fitting.Find(k => k.Ring == Platform);
        if (found is null) return Unknown($"no key that the kernel shows has the name of {Names(signature)}", insists);
        if (fitting.Exists(k => k.Ring == Revoked))
        {
            return CheckResult.CannotTell(
                $"keys of this name are trusted and revoked: {found.Description}",
                CheckResult.AsRoot);
        }

        if (found.Ring == Platform) return OfPlatform(signature, insists);
        var where = found.Ring is { } ring ? $" in {ring}" : "";
        return CheckResult.Ok($"signed by {Names(signature)}; the kernel has \"{found.Description}\"{where}");
    }

    private static bool Fits(SignatureSigner signer, string description)
    {
        if (signer.KeyId is { Length: >= 16 } id) return description.EndsWith(": " + id, StringComparison.Ordinal);
        if (CommonName(signer) is not { Length: > 0 } name) return false;
        return description.StartsWith(name + ":", StringComparison.Ordinal)
            || description.Contains($": {name}:", StringComparison.Ordinal);
    }

    private static CheckResult Unsigned(string found, string? insists) => insists is not null
        ? CheckResult.Refused($"{found}, and {insists}", Sign)
        : CheckResult.Warning($"{found}: the kernel takes it and is tainted (E)", Sign);

    /// <summary>
    /// A kernel that does not insist takes a module whose key it lacks, and yet refuses one whose signature is wrong.
    /// </summary>
    private static CheckResult Unknown(string found, string? insists)
    {
        var consequence = insists is null ? "; this kernel does not insist on signatures" : $", and {insists}";
        return CheckResult.CannotTell($"{found}{consequence}", CheckResult.AsRoot);
    }

    private static string Names(AppendedSignature signature) =>
        Listing.Of([.. signature.Signers.Select(Name).Distinct()]);

    private static string Name(SignatureSigner signer)
    {
        if ((CommonName(signer) ?? signer.Issuer) is { } name) return name;
        return signer.KeyId is { } id ? $"key {id}" : "an unnamed signer";
    }

    private static string? CommonName(SignatureSigner signer) =>
        signer.Issuer?.Split(", ").FirstOrDefault(p => p.StartsWith("CN=", StringComparison.Ordinal))?["CN=".Length..];
}
