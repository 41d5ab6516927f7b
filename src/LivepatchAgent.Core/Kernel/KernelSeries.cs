using System.Globalization;

namespace LivepatchAgent.Core.Kernel;

/// <summary>
/// The first two numbers of a kernel's release: what mainline changed goes by them. Distributions carry changes of
/// their own.
/// </summary>
internal static class KernelSeries
{
    /// <summary>Of <c>6.12.117+deb12-amd64</c> 6.12; null when it does not begin like that.</summary>
    public static (int Major, int Minor)? Of(ReadOnlySpan<char> release)
    {
        var dot = release.IndexOf('.');
        if (dot < 0) return null;
        var rest = release[(dot + 1)..];
        var end = rest.IndexOfAnyExceptInRange('0', '9');
        if (!Number(release[..dot], out var major)) return null;
        return Number(end < 0 ? rest : rest[..end], out var minor) ? (major, minor) : null;
    }

    private static bool Number(ReadOnlySpan<char> text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
