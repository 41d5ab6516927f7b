using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>The kernel's own check of the module's signature, against its own keys.</summary>
internal static class ModuleSignatureCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var why = host.SignaturesEnforced == true ? "module.sig_enforce is set" : host.Lockdown is "integrity" or "confidentiality" ? $"the kernel is locked down ({host.Lockdown}, as under Secure Boot)" : null;
        if (module.Signature is null)
        {
            return why is not null
                ? CheckResult.Refused($"it is not signed, and {why}", "sign it with a key that this kernel has (`livepatch-publisher sign`)")
                : CheckResult.Warning("it is not signed: the kernel takes it and is tainted (E)", "sign it (`livepatch-publisher sign`)");
        }

        return why is null ? CheckResult.Ok("it is signed; this kernel does not insist on it") : CheckResult.CannotTell($"{why}; whether the kernel has the signer's key is not known", "run it on the host itself, as root");
    }
}
