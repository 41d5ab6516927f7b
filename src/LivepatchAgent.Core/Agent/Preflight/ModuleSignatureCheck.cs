using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// The kernel's own check of the module's signature, against its own keys (kernel/module/signing.c). What it does not find
/// a key for counts as unsigned: it insists on signatures only when it is locked down or told to. Debian's kernels refuse a
/// file whose own digest is revoked too, as firmware's dbx and shim's MokListX do by SHA-256.
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
        if (KernelFeatures.ChecksSignatures(host) == false) return CheckResult.Ok("this kernel was built without CONFIG_MODULE_SIG and checks none");
        var insists = host.SignaturesEnforced == true ? "module.sig_enforce is set"
            : host.Lockdown is "integrity" or "confidentiality" ? $"the kernel is locked down ({host.Lockdown}, as under Secure Boot)" : null;
        if (module.Signatures is not [var signature, ..]) return Unsigned(module.BytesBehindSignature > 0 ? "there are bytes behind its signature, so that it counts as unsigned" : "it is not signed", insists);
        if (signature.Type != "PKCS#7") return Unsigned($"its signature is of type {signature.Type}, which counts as none", insists);
        // Unless it is only that there are more signers than are read: a fault that makes the kernel answer EBADMSG, whatever it insists on.
        if (signature.Fault is { } fault && signature.Signers.Count < MaxSigners) return CheckResult.Refused($"its signature cannot be read: {fault}", Sign);
        if (signature.Signers.Any(s => s.HasSignedAttributes && !s.Algorithm.StartsWith("ml-dsa", StringComparison.Ordinal)))
            return CheckResult.Refused("its signature is over attributes and not over the module, which no kernel takes", Sign);
        if (host.Keys is null) return Unknown("the kernel's keys could not be read", insists);
        if (module.FileDigest is { } digest && host.Keys.Keys.Any(k => k.Ring == Revoked && k.Description == "bin:" + digest))
            return CheckResult.Refused($"this very file is revoked on this host ({Revoked} has bin:{digest[..12]}…), as by the firmware's list", "publish a new build of it");
        return host.Keys.Signers is { } asked ? ByKernel(signature, asked, host.Keys.SignatureHolds, insists) : ByName(signature, host.Keys, insists);
    }

    private static CheckResult ByKernel(AppendedSignature signature, IReadOnlyDictionary<string, string> asked, bool? holds, string? insists)
    {
        var rings = signature.Signers.Select(s => asked.GetValueOrDefault(s.KeyringQuery, "")).ToList();
        if (rings.Contains(Revoked)) return CheckResult.Refused($"its signer's key is revoked on this host ({Revoked}): {Names(signature)}", Sign);
        var ring = rings.Find(r => r.Length > 0 && r != Platform) ?? rings.Find(r => r.Length > 0);
        if (ring is null)
        {
            var changed = holds == false ? "; and it was changed after it was signed" : "";
            return insists is not null
                ? CheckResult.Refused($"the kernel has no key of {Names(signature)}, and {insists}{changed}", Enrol)
                : CheckResult.Warning(
                    $"the kernel has no key of {Names(signature)}: it takes the module and is tainted (E){changed}",
                    holds == false ? "sign and publish it again: this agent does not load it as it is" : Enrol);
        }

        if (holds == false) return CheckResult.Refused($"it was changed after {Names(signature)} signed it", "build and sign it again, or fetch it again");
        if (holds is null)
        {
            return CheckResult.CannotTell(
                $"the kernel has the key of {Names(signature)} in {ring}; "
                + "without the signer's certificate the agent cannot see whether the file was changed since",
                "put the signer's certificate into /etc/livepatch-agent/trust.d");
        }

        return ring == Platform ? OfPlatform(signature, insists) : CheckResult.Ok($"signed by {Names(signature)}, whose key the kernel has in {ring}");
    }

    /// <summary>The firmware's keys: a kernel as published asks for none of them, some distributions' do, and which of the two it is does not show.</summary>
    private static CheckResult OfPlatform(AppendedSignature signature, string? insists)
    {
        var found = $"the key of {Names(signature)} is in {Platform} alone, which some distributions' kernels take for modules and others do not";
        return insists is not null ? CheckResult.CannotTell($"{found}; and {insists}", Enrol) : CheckResult.Warning(found, Enrol);
    }

    /// <summary>Only the names of keys are known, as of a host that is described by a file: subject, and key id or serial number.</summary>
    private static CheckResult ByName(AppendedSignature signature, KeyringFacts keys, string? insists)
    {
        var fitting = keys.Keys.Where(k => signature.Signers.Any(s => Fits(s, k.Description))).ToList();
        var found = fitting.Find(k => k.Ring != Revoked && k.Ring != Platform) ?? fitting.Find(k => k.Ring == Platform);
        if (found is null) return Unknown($"no key that the kernel shows has the name of {Names(signature)}", insists);
        if (fitting.Exists(k => k.Ring == Revoked)) return CheckResult.CannotTell($"keys of this name are trusted and revoked: {found.Description}", "run it on the host itself, as root");
        return found.Ring == Platform
            ? OfPlatform(signature, insists)
            : CheckResult.Ok($"signed by {Names(signature)}; the kernel has \"{found.Description}\"{(found.Ring is { } ring ? $" in {ring}" : "")}");
    }

    private static bool Fits(SignatureSigner signer, string description)
    {
        if (signer.KeyId is { Length: >= 16 } id) return description.EndsWith(": " + id, StringComparison.Ordinal);
        var name = CommonName(signer);
        return name is { Length: > 0 } && (description.StartsWith(name + ":", StringComparison.Ordinal) || description.Contains($": {name}:", StringComparison.Ordinal));
    }

    private static CheckResult Unsigned(string found, string? insists) => insists is not null
        ? CheckResult.Refused($"{found}, and {insists}", Sign)
        : CheckResult.Warning($"{found}: the kernel takes it and is tainted (E)", Sign);

    /// <summary>A kernel that does not insist takes a module whose key it has not, and refuses one whose signature is wrong all the same.</summary>
    private static CheckResult Unknown(string found, string? insists) =>
        CheckResult.CannotTell($"{found}{(insists is null ? "; this kernel does not insist on signatures" : $", and {insists}")}", "run it on the host itself, as root");

    private static string Names(AppendedSignature signature) =>
        Listing.Of([.. signature.Signers.Select(s => CommonName(s) ?? s.Issuer ?? (s.KeyId is { } id ? $"key {id}" : "an unnamed signer")).Distinct()]);

    private static string? CommonName(SignatureSigner signer) =>
        signer.Issuer?.Split(", ").FirstOrDefault(p => p.StartsWith("CN=", StringComparison.Ordinal))?["CN=".Length..];
}
