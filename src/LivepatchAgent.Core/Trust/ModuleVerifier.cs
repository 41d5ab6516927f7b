using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// A module that is byte for byte what a verified manifest binds, signed for the kernel by a pinned publisher, and
/// built for this kernel. Only <see cref="ModuleVerifier"/> makes one, and only one of these can be loaded.
/// </summary>
public sealed class VerifiedModule
{
    internal VerifiedModule(VerifiedManifest manifest, ModuleFacts facts, string signer)
    {
        Manifest = manifest;
        Facts = facts;
        Signer = signer;
    }

    public VerifiedManifest Manifest { get; }

    public ModuleFacts Facts { get; }

    /// <summary>Fingerprint of the certificate that signed the module.</summary>
    public string Signer { get; }
}

/// <summary>
/// Verifies one module file in a single pass of its bytes: <see cref="Append"/> every byte in order, then
/// <see cref="Finish"/>. What the manifest binds (the file's SHA-256) and what the signature is over are taken on the
/// way, so memory does not grow with the file. Where the signature is over a SHA-256 too, that is a stop on the way to
/// the file's; otherwise a large file can be read twice at a time instead, once for each.
/// </summary>
public sealed class ModuleVerifier : IDisposable
{
    private readonly VerifiedManifest _manifest;
    private readonly ModuleSignature _signature;
    private readonly SignerInfo _signer;
    private readonly X509Certificate2? _certificate;
    private readonly SignatureCheck? _check;
    private readonly IncrementalHash _fileHash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _seen;
    private long _seenOfContent;

    private ModuleVerifier(
        VerifiedManifest manifest,
        IReadOnlyList<X509Certificate2> publishers,
        ModuleSignature signature,
        SignerInfo signer)
    {
        _manifest = manifest;
        _signature = signature;
        _signer = signer;
        _certificate = SignerCertificate.Find(signer, publishers);
        if (_certificate is null) return;
        var digest = Algorithms.Digest(signer.DigestAlgorithm)!.Value;
        _check = Algorithms.Check(_certificate, digest);
    }

    /// <summary>Looks at the end of the file; the bytes of the body come later.</summary>
    /// <param name="tail">The last bytes of the file: at least the signature with its trailer, or the whole
    /// file.</param>
    public static Result<ModuleVerifier> Begin(
        VerifiedManifest manifest,
        IReadOnlyList<X509Certificate2> publishers,
        long fileLength,
        ReadOnlySpan<byte> tail)
    {
        var name = manifest.Content.Module.Name;
        if (fileLength != manifest.Content.Module.Size)
            return Mismatch(name, $"it has {fileLength} bytes and the manifest says {manifest.Content.Module.Size}");
        if (!ModuleSignature.TryFind(tail, fileLength, out var signature, out var fault))
        {
            return new Problem(
                ProblemCode.ModuleUnsigned,
                $"cannot load {name}: {fault}",
                "the publisher must sign it: livepatch-publisher sign");
        }

        var start = tail.Length - ModuleSignature.TrailerLength - signature.Pkcs7Length;
        if (start < 0) return Refusal(ProblemCode.ModuleMalformed, name, "its signature is cut off");
        var decoded = DecodeSigner(name, tail.Slice(start, signature.Pkcs7Length));
        return decoded.TryGet(out var signer, out var problem)
            ? new ModuleVerifier(manifest, publishers, signature, signer)
            : problem;
    }

    /// <summary>How many bytes, from the beginning of the file on, the module's own signature covers.</summary>
    public long ContentLength => _signature.ContentLength;

    /// <summary>
    /// Whether the file's hash on its way is not what the signature is over, so that <see cref="AppendToContent"/> has
    /// work of its own.
    /// </summary>
    public bool ReadsTwice => _check is not null && _check.Hash != HashAlgorithmName.SHA256;

    /// <summary>The next bytes of the file, in order.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        var left = ContentLength - _seenOfContent;
        if (ReadsTwice && left > 0) AppendToContent(bytes[..(int)Math.Min(bytes.Length, left)]);
        AppendToFile(bytes);
    }

    /// <summary>
    /// The next bytes of the file, for the manifest's digest. It and <see cref="AppendToContent"/> may be fed by two
    /// threads.
    /// </summary>
    public void AppendToFile(ReadOnlySpan<byte> bytes)
    {
        if (!ReadsTwice && _seen < ContentLength && ContentLength - _seen <= bytes.Length)
        {
            var rest = (int)(ContentLength - _seen);
            _fileHash.AppendData(bytes[..rest]);
            _check?.Take(_fileHash.GetCurrentHash());
            _seen = _seenOfContent = ContentLength;
            bytes = bytes[rest..];
        }

        _fileHash.AppendData(bytes);
        _seen += bytes.Length;
    }

    /// <summary>
    /// The next of the first <see cref="ContentLength"/> bytes, for the module's own signature alone; only if
    /// <see cref="ReadsTwice"/>.
    /// </summary>
    public void AppendToContent(ReadOnlySpan<byte> bytes)
    {
        _check!.Append(bytes);
        _seenOfContent += bytes.Length;
    }

    /// <summary>The verdict, once every byte was appended.</summary>
    /// <param name="read">What <see cref="ModuleReader"/> read from the same file: a fault of it counts once the bytes
    /// are known to be the publisher's.</param>
    /// <param name="kernelRelease">The running kernel's <c>uname -r</c>.</param>
    public Result<VerifiedModule> Finish(Result<ModuleFacts> read, string kernelRelease, string architecture)
    {
        var module = _manifest.Content.Module;
        if (_seen != module.Size || _seenOfContent != ContentLength)
            return Mismatch(module.Name, $"{Math.Min(_seen, _seenOfContent)} of its {module.Size} bytes were read");
        var digest = Convert.ToHexStringLower(_fileHash.GetHashAndReset());
        if (digest != module.Sha256)
        {
            return Mismatch(
                module.Name,
                $"its SHA-256 is {digest[..12]}… and the manifest says {module.Sha256[..12]}…");
        }

        if (!read.TryGet(out var facts, out var fault)) return fault;
        if (SignatureFault(module.Name) is { } untrusted) return untrusted;
        if (Misfit(facts, kernelRelease, architecture) is { } misfit) return misfit;
        return new VerifiedModule(_manifest, facts, Certificates.Fingerprint(_certificate!));
    }

    private Problem? SignatureFault(string name)
    {
        if (_certificate is null || _check is null)
        {
            var stranger = SignerCertificate.Describe(_signer);
            return Refusal(
                ProblemCode.ModuleSignerUnknown,
                name,
                $"no publisher that this host trusts has signed it ({stranger})");
        }

        if (Algorithms.KeyFault(_certificate) is { } weak)
            return Refusal(ProblemCode.ModuleSignatureInvalid, name, $"its signer's key is {weak}");
        return _check.Holds(_signer.GetSignature())
            ? null
            : Refusal(ProblemCode.ModuleSignatureInvalid, name, "its signature does not fit its content");
    }

    /// <summary>Why the publisher's module is not the livepatch that the manifest names, for this kernel.</summary>
    private Problem? Misfit(ModuleFacts facts, string kernelRelease, string architecture)
    {
        var name = _manifest.Content.Module.Name;
        if (!facts.IsLivepatch)
        {
            const string Why = "it is not a livepatch (modinfo has no livepatch=Y)";
            return Refusal(ProblemCode.ModuleNotLivepatch, name, Why);
        }

        if (facts.Name != name)
            return Refusal(ProblemCode.ModuleNameMismatch, name, $"the file names itself {facts.Name}");
        var isForRelease = _manifest.Content.KernelRelease == kernelRelease && facts.KernelRelease == kernelRelease;
        if (isForRelease && facts.Architecture == architecture) return null;
        return new Problem(
            ProblemCode.ModuleKernelMismatch,
            $"cannot load {name}: it was built for {facts.KernelRelease} {facts.Architecture}, "
            + $"this host runs {kernelRelease} {architecture}",
            "publish a patch built for this kernel");
    }

    public void Dispose()
    {
        _fileHash.Dispose();
        _check?.Dispose();
    }

    private static Result<SignerInfo> DecodeSigner(string name, ReadOnlySpan<byte> pkcs7)
    {
        try
        {
            if (!IsOneValue(pkcs7)) return Malformed(name, "there are bytes behind it or it is cut off");
            var cms = new SignedCms(new ContentInfo([]), detached: true);
            cms.Decode(pkcs7);
            if (cms.SignerInfos.Count != 1) return Malformed(name, $"it has {cms.SignerInfos.Count} signers, not one");
            var signer = cms.SignerInfos[0];
            var weakness = Algorithms.DigestFault(signer.DigestAlgorithm)
                ?? Algorithms.SignatureFault(signer.SignatureAlgorithm, module: true);
            if (weakness is not null) return Malformed(name, $"it is {weakness}");
            // The publisher's tool and sign-file sign the content itself; attributes are one more thing that can be
            // wrong.
            if (signer.SignedAttributes.Count != 0) return Malformed(name, "it has signed attributes");
            return signer;
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return Malformed(name, e.Message.TrimEnd('.'));
        }
    }

    private static bool IsOneValue(ReadOnlySpan<byte> pkcs7) =>
        AsnDecoder.TryReadEncodedValue(pkcs7, AsnEncodingRules.BER, out _, out _, out _, out var length)
        && length == pkcs7.Length;

    private const string PublisherCure = "the host keeps what it runs; contact the publisher";

    private static Problem Mismatch(string name, string why) => new(
        ProblemCode.ModuleDigestMismatch,
        $"cannot load {name}: it is not the module that the publisher signed for: {why}",
        "it was changed in transit or on the server; the host keeps what it runs");

    private static Problem Malformed(string name, string why) =>
        Refusal(ProblemCode.ModuleSignatureInvalid, name, $"its appended signature cannot be used: {why}");

    private static Problem Refusal(ProblemCode code, string name, string why) =>
        new(code, $"cannot load {name}: {why}", PublisherCure);
}
