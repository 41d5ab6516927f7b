using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Static keys, static calls and alternatives are read as the livepatch loads. Those that belong to a module are filled
/// in when that module comes, which is too late: of a key it was seen on 6.1 and 6.12 that the patched function never
/// notices its being switched, and that unloading the module oopses.
/// </summary>
internal static class StaticKeysCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var faults = module.RelocationFaults.Where(f => f.Kind == RelocationFaultKind.ReadTooEarly);
        var late = faults.Select(f => f.Section).ToList();
        return late.Count > 0
            ? CheckResult.Refused(
                $"the kernel reads these tables before it can fill them in: {Listing.Of(late)}",
                "write the patched function without that static key, static call or alternative "
                + "(for a key: static_key_enabled())")
            : CheckResult.Ok("no static key, static call or alternative of a module");
    }
}
