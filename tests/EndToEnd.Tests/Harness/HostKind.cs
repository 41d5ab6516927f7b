namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>
/// A kind of host: which kernel, and how it was booted. Few kinds, since each is a frozen fixture of its own.
/// </summary>
/// <param name="Cpus">
/// One where nothing depends on it: the emulator's race (see <see cref="Scenario"/>) needs two.
/// </param>
internal sealed record HostKind(string Kernel, bool SecureBoot, int Cpus)
{
    public static readonly HostKind Plain = new("6.12", false, 1);
    public static readonly HostKind Secure = new("6.12", true, 2);
    public static readonly HostKind Older = new("6.1", false, 1);
}
