using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Wire;

/// <summary>
/// What a publisher says of one patch for one kernel. It travels as a CMS SignedData with this JSON as its content
/// (see <see cref="Trust.CmsEnvelope"/>), so it can be read with <c>openssl cms -verify -inform DER</c>.
/// A host loads a module only if it is exactly the one that a manifest it trusts describes.
/// </summary>
public sealed record PatchManifest
{
    public const string SchemaName = "livepatch-manifest/1";

    /// <summary>Always <see cref="SchemaName"/>; a host refuses what it does not know.</summary>
    public required string Schema { get; init; }

    /// <summary>Version in the publisher's count, e.g. <c>2.1</c>; shown to people, never compared.</summary>
    public required string Version { get; init; }

    /// <summary>Rises with each patch for a kernel; a host does not go below what it has run.</summary>
    public required long Sequence { get; init; }

    /// <summary>The publisher's notice, e.g. <c>LPN-0002</c>.</summary>
    public required string Notice { get; init; }

    /// <summary>Exactly <c>uname -r</c> of the kernel it is for.</summary>
    public required string KernelRelease { get; init; }

    /// <summary>As <c>uname -m</c> names it, e.g. <c>x86_64</c>.</summary>
    public required string Architecture { get; init; }

    public required ManifestModule Module { get; init; }

    /// <summary>
    /// CVE identifiers that this patch fixes, all that are fixed by it and the patches it supersedes.
    /// </summary>
    public required IReadOnlyList<string> Fixes { get; init; }

    /// <summary>The last day on which the publisher makes patches for this kernel.</summary>
    public required DateOnly CoveredUntil { get; init; }

    /// <summary>Whether an administrator may force a stalled transition of this patch.</summary>
    public bool ForceAllowed { get; init; }
}

/// <summary>The module that a manifest binds.</summary>
public sealed record ManifestModule
{
    /// <summary>
    /// The kernel's name of it (modinfo <c>name</c>), which is also the patch's name in /sys/kernel/livepatch.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>SHA-256 of the whole file with its signature, in lower-case hex.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Bytes of the whole file; known before the download starts.</summary>
    public required long Size { get; init; }

    /// <summary>
    /// Whether the patch takes the place of all older ones (atomic replace); null where the file does not show it.
    /// </summary>
    public bool? Replace { get; init; }

    /// <summary>The functions it redirects, as far as the file shows them.</summary>
    public IReadOnlyList<PatchedFunction> Functions { get; init => field = value ?? []; } = [];
}

/// <summary>One redirected function.</summary>
/// <param name="Object"><c>vmlinux</c> or the name of a module.</param>
/// <param name="Name">The function's name in the symbol table of that object.</param>
/// <param name="Position">Which of several functions of this name, from 1; 0 when the name is unique.</param>
public sealed record PatchedFunction(
    string Object,
    string Name,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long Position = 0);

/// <summary>
/// A publisher takes a patch back. Signed like a manifest; hosts that have not loaded the patch will not.
/// </summary>
public sealed record PatchWithdrawal
{
    public const string SchemaName = "livepatch-withdrawal/1";

    public required string Schema { get; init; }

    /// <summary>SHA-256 of the signed manifest that is withdrawn.</summary>
    [JsonPropertyName("manifest")]
    public required string ManifestDigest { get; init; }

    /// <summary>For people, one line.</summary>
    public required string Reason { get; init; }
}
