using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>
/// Every bad module that can reach a host: it is named, with a cure, and the host keeps what it runs.
/// </summary>
public sealed class RefusedModulesTests(Workshop workshop)
{
    private const string Meminfo = "livepatch_meminfo";

    /// <param name="Make">The file that is offered.</param>
    /// <param name="Before">What somebody did on the host before, as a shell script.</param>
    private sealed record Bad(
        string What,
        string Name,
        Func<Task<string>> Make,
        PatchState State,
        ProblemCode Code,
        string Says,
        string? Before = null);

    [Fact]
    public Task RefusedModules_OnPermissiveHost() => Scenario.RunAsync(async s =>
    {
        var (server, host, release) = await HostWithGoodPatchAsync(s, HostKind.Plain);
        var good = await workshop.SignedAsync(await workshop.BuiltAsync(HostKind.Plain, Meminfo));
        var initFails = await workshop.BuiltAsync(HostKind.Plain, "livepatch_init_fails");
        await host.PutAsync(await workshop.BuiltAsync(HostKind.Plain, Meminfo), "/root/meminfo.ko");
        Bad[] table =
        [
            Changed("one bit of its code flipped", () => workshop.Flipped(good, 4096),
                ProblemCode.ModuleSignatureInvalid, "its signature does not fit its content"),
            Changed("cut off", () => workshop.Truncated(good),
                ProblemCode.ModuleUnsigned, "cannot load livepatch_meminfo"),
            Changed("one bit of its signature flipped", () => workshop.Flipped(good, -100),
                ProblemCode.ModuleSignatureInvalid, "signature"),
            Refused("not signed", Meminfo, () => workshop.BuiltAsync(HostKind.Plain, Meminfo),
                ProblemCode.ModuleUnsigned, "cannot load livepatch_meminfo"),
            Refused("signed with a key that nobody knows", Meminfo, () => SignedByStrangerAsync(HostKind.Plain),
                ProblemCode.ModuleSignerUnknown, "no publisher that this host trusts has signed it"),
            Changed("one bit of the trailer's magic flipped", () => workshop.Flipped(good, -3),
                ProblemCode.ModuleUnsigned, "cannot load livepatch_meminfo"),
            Changed("one bit of the trailer's length flipped", () => workshop.Flipped(good, -29),
                ProblemCode.ModuleSignatureInvalid, "signature"),
            Refused("of another kernel", Meminfo, () => SignedAsync(HostKind.Older, Meminfo),
                ProblemCode.ModuleKernelMismatch, $"this host runs {release}"),
            Refused("no livepatch", "not_livepatch", () => SignedAsync(HostKind.Plain, "not_livepatch"),
                ProblemCode.ModuleNotLivepatch, "modinfo has no livepatch=Y"),
            Refused("under a name that is not its own", "livepatch_other", () => Task.FromResult(good),
                ProblemCode.ModuleNameMismatch, "the file names itself livepatch_meminfo"),
            Refused("a function that this kernel has not", "livepatch_notfound",
                () => SignedAsync(HostKind.Plain, "livepatch_notfound"),
                ProblemCode.PreflightRefused, "no such function: vmlinux:livepatch_agent_no_such_function"),
            Refused("a function that cannot be traced", "livepatch_notrace",
                () => SignedAsync(HostKind.Plain, "livepatch_notrace"),
                ProblemCode.PreflightRefused, "cannot be traced"),
            Failed(8, ProblemCode.KernelModuleFormat, "does not accept the file as a module of its own build"),
            Failed(1, ProblemCode.KernelNotPermitted, "the kernel does not permit it (lockdown: none)"),
            Failed(129, ProblemCode.KernelKeyRejected, "the kernel has no key for its signature"),
            Failed(5, ProblemCode.KernelError, "the kernel answered errno 5"),
            new("a module of its name is there and patches nothing", Meminfo, () => Task.FromResult(good),
                PatchState.ApplyFailed, ProblemCode.KernelModuleExists, "remove module livepatch_meminfo by hand",
                Before: LeftWithoutPatches),
        ];
        var sequence = 1L;
        foreach (var bad in table) await IsRefusedAsync(server, host, bad, ++sequence, release);

        await BusyKernelIsAskedAgainAsync(server, host, await workshop.SignedAsync(initFails), ++sequence, release);

        // Somebody loaded it by hand, and it is the very one: adopted, not loaded twice.
        await host.DoAsync("rmmod livepatch_meminfo; dmesg -C; insmod /root/meminfo.ko");
        await server.PublishAsync(BadPatches.Crafted(good, Meminfo, "9.0", ++sequence, release));
        (await host.RefreshAsync()).Good();
        await host.UntilAppliedAsync("9.0");
        Assert.Equal("1", await host.DoAsync("dmesg | grep -c 'livepatch: enabling patch'"));

        Bad Failed(int errno, ProblemCode code, string says) => new(
            $"livepatch_init_fails with errno {errno}", "livepatch_init_fails",
            async () => await workshop.SignedAsync(workshop.FailingWith(initFails, errno)),
            PatchState.ApplyFailed, code, says);
    });

    [Fact]
    public Task RefusedModules_UnderSecureBoot() => Scenario.RunAsync(async s =>
    {
        // This publisher's certificate is on the server and in the token, and not in the kernel's keyring.
        var keys = workshop.Fresh("keys");
        await Workshop.ToolAsync(
            "keygen", "--out", keys, "--name", "Not in the keyring", "--no-passphrase", "--bits", "3072");
        var server = await s.ServerAsync();
        File.Copy(Path.Combine(keys, "publisher.pem"), Path.Combine(server.Data, "publishers", "second.pem"));
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Secure, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Secure);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        var release = await host.DoAsync("uname -r");

        var unknown = Refused(
            "signed with a key that the kernel does not have", Meminfo, () => SignedWithAsync(HostKind.Secure, keys),
            ProblemCode.PreflightRefused, "mokutil --import");
        await IsRefusedAsync(server, host, unknown, 2, release);
        var good = await workshop.SignedAsync(await workshop.BuiltAsync(HostKind.Secure, Meminfo));
        var changed = Changed(
            "one bit of its code flipped", () => workshop.Flipped(good, 4096),
            ProblemCode.ModuleSignatureInvalid, "its signature does not fit its content");
        await IsRefusedAsync(server, host, changed, 3, release);
        await server.PublishAsync(BadPatches.Crafted(good, Meminfo, "4.0", 4, release));
        await host.UntilAppliedAsync("4.0");
    });

    private async Task<(PatchServer Server, LabHost Host, string Release)> HostWithGoodPatchAsync(
        Scenario s, HostKind kind)
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(kind, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(kind);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        return (server, host, await host.DoAsync("uname -r"));
    }

    private static async Task IsRefusedAsync(PatchServer server, LabHost host, Bad bad, long sequence, string release)
    {
        if (bad.Before is not null) await host.DoAsync(bad.Before);
        var patch = BadPatches.Crafted(await bad.Make(), bad.Name, $"{sequence}.0", sequence, release);
        // So many publications in a row make the agent listen with pauses: then it is asked to look.
        var listens = (await host.StatusAsync())!.CheckIn.Listening;
        await server.PublishAsync(patch);
        if (!listens) Assert.Equal(1, (await host.RefreshAsync()).Status);
        var digest = patch.Digest();
        bool IsRefused() => PhaseIs(host, "refused", digest).GetAwaiter().GetResult();
        var status = await host.UntilAsync(bad.What, x => x.Settled && x.State == bad.State && IsRefused());
        var code = status.Problem!.Code;
        Assert.True(code == bad.Code, $"{bad.What}: {code}, not {bad.Code}: {status.Problem}");
        Assert.Equal("1.0", status.Patch!.Version);
        var text = (await host.StatusTextOfPatchedAsync()).Out;
        Assert.Contains(bad.Says, text, StringComparison.Ordinal);
        Assert.Contains("\n  cure: ", text, StringComparison.Ordinal);
        Scenario.Say($"{bad.What}: {status.Problem}");
    }

    /// <summary>Its init function answers EBUSY: the one refusal that passes.</summary>
    private static async Task BusyKernelIsAskedAgainAsync(
        PatchServer server, LabHost host, string module, long sequence, string release)
    {
        var patch = BadPatches.Crafted(module, "livepatch_init_fails", $"{sequence}.0", sequence, release);
        await server.PublishAsync(patch);
        await host.RefreshAsync("--timeout", "5");
        const string busy = "livepatch-agent status | grep -A 1 'the kernel is busy'";
        await host.UntilHoldsAsync($"{busy} | grep -q 'cure: it is tried again'", tries: 150);
        var status = (await host.StatusAsync())!;
        Assert.Equal(PatchState.Applying, status.State);
        Assert.Equal("1.0", status.Patch!.Version);
    }

    /// <summary>Of the agent's own journal: the status does not say which manifest a refusal is about.</summary>
    private static async Task<bool> PhaseIs(LabHost host, string kind, string manifest)
    {
        using var journal = JsonDocument.Parse(await host.DoAsync("cat /var/lib/livepatch-agent/journal.json"));
        var phase = journal.RootElement.GetProperty("pursuit").GetProperty("phase");
        return phase.GetProperty("kind").GetString() == kind && phase.GetProperty("manifest").GetString() == manifest;
    }

    /// <summary>Loads the module, disables its patch, and waits until only the module is left.</summary>
    private const string LeftWithoutPatches =
        """
        insmod /root/meminfo.ko
        cd /sys/kernel/livepatch/livepatch_meminfo
        while [ $(cat transition) = 1 ]; do sleep 0.3; done
        echo 0 >enabled
        while [ -e /sys/kernel/livepatch/livepatch_meminfo ]; do sleep 0.3; done
        """;

    /// <summary>A file made of the good one.</summary>
    private static Bad Changed(string what, Func<string> make, ProblemCode code, string says) =>
        Refused(what, Meminfo, () => Task.FromResult(make()), code, says);

    private static Bad Refused(string what, string name, Func<Task<string>> make, ProblemCode code, string says) =>
        new(what, name, make, PatchState.Refused, code, says);

    private async Task<string> SignedAsync(HostKind kind, string module) =>
        await workshop.SignedAsync(await workshop.BuiltAsync(kind, module));

    private async Task<string> SignedByStrangerAsync(HostKind kind)
    {
        var keys = workshop.Fresh("keys");
        await Workshop.ToolAsync("keygen", "--out", keys, "--name", "A stranger", "--no-passphrase", "--bits", "3072");
        return await SignedWithAsync(kind, keys);
    }

    private async Task<string> SignedWithAsync(HostKind kind, string keys)
    {
        var signed = workshop.Fresh("livepatch_meminfo.ko");
        var built = await workshop.BuiltAsync(kind, Meminfo);
        var (key, certificate) = (Path.Combine(keys, "publisher.key"), Path.Combine(keys, "publisher.pem"));
        await Workshop.ToolAsync("sign", built, "--out", signed, "--key", key, "--cert", certificate);
        return signed;
    }
}
