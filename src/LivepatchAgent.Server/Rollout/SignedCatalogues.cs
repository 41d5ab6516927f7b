using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;

namespace LivepatchAgent.Server.Rollout;

/// <summary>A catalogue as hosts fetch it.</summary>
/// <param name="Envelope">The CMS message.</param>
/// <param name="Sequence">Of the catalogue inside.</param>
/// <param name="IssuedAt">When it was signed.</param>
/// <param name="Digest">SHA-256 of the envelope: its ETag.</param>
internal sealed record SignedCatalogue(byte[] Envelope, long Sequence, DateTimeOffset IssuedAt, string Digest);

/// <summary>
/// Signs what is published. A catalogue is signed anew when its sequence rose or its signature is a day old, long
/// before a host would find it expired, so that an expired one always means something is wrong.
/// </summary>
internal sealed class SignedCatalogues(X509Certificate2 signer, PublishedPatches published, TimeProvider time)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);
    public static readonly TimeSpan RenewAfter = TimeSpan.FromDays(1);

    /// <summary>
    /// One of a later time than now was signed while the clock was ahead; hosts refuse it until that time has come.
    /// </summary>
    private static readonly TimeSpan ClockStep = TimeSpan.FromMinutes(5);

    /// <summary>Anyone may ask for any kernel: the memory and signatures that this costs are bounded.</summary>
    public const int MaxEmpty = 1024;
    public const int MaxEmptySignaturesPerSecond = 100;

    private readonly ConcurrentDictionary<KernelKey, SignedCatalogue> _published = new();
    private readonly ConcurrentDictionary<KernelKey, SignedCatalogue> _empty = new();
    private readonly Lock _signing = new();
    private long _second;
    private int _signedThisSecond;

    /// <summary>Null when too many kernels without patches are asked for at once.</summary>
    public SignedCatalogue? For(KernelKey kernel)
    {
        var now = time.GetUtcNow();
        var patches = published.Current.For(kernel);
        var cache = patches.Sequence > 0 ? _published : _empty;
        if (Fresh(cache, patches, now) is { } cached) return cached;
        lock (_signing)
        {
            if (Fresh(cache, patches, now) is { } signedMeanwhile) return signedMeanwhile;
            if (patches.Sequence == 0 && !MayAddEmpty(now)) return null;
            return cache[kernel] = Sign(patches, now);
        }
    }

    private static SignedCatalogue? Fresh(
        ConcurrentDictionary<KernelKey, SignedCatalogue> cache, KernelPatches patches, DateTimeOffset now)
    {
        if (!cache.TryGetValue(patches.Kernel, out var cached) || cached.Sequence < patches.Sequence) return null;
        var age = now - cached.IssuedAt;
        return age < RenewAfter && age >= -ClockStep ? cached : null;
    }

    private bool MayAddEmpty(DateTimeOffset now)
    {
        if (now.ToUnixTimeSeconds() is var second && second != _second) (_second, _signedThisSecond) = (second, 0);
        if (++_signedThisSecond > MaxEmptySignaturesPerSecond) return false;
        if (_empty.Count >= MaxEmpty) _empty.Clear();
        return true;
    }

    private SignedCatalogue Sign(KernelPatches patches, DateTimeOffset now)
    {
        var catalogue = new Catalogue
        {
            Schema = Catalogue.SchemaName,
            Architecture = patches.Kernel.Architecture,
            KernelRelease = patches.Kernel.Release,
            Sequence = patches.Sequence,
            IssuedAt = now,
            ExpiresAt = now + Lifetime,
            Patches = patches.Entries,
        };
        var content = JsonSerializer.SerializeToUtf8Bytes(catalogue, WireJson.Default.Catalogue);
        var envelope = CmsEnvelope.Sign(content, signer);
        var digest = Convert.ToHexStringLower(SHA256.HashData(envelope));
        return new SignedCatalogue(envelope, patches.Sequence, now, digest);
    }
}
