using System.Text.Json.Serialization;

namespace LivepatchAgent.Core;

/// <summary>
/// What went wrong, for the person who reads it: <paramref name="Message"/> is one line "cannot X: Y" that names the
/// thing and the value, <paramref name="Cure"/> what to do about it. <paramref name="Code"/> never changes its
/// meaning: it is the JSON field, the metric label and the anchor in docs/errors.md.
/// </summary>
public sealed record Problem(ProblemCode Code, string Message, string Cure)
{
    /// <summary>How a cure ends when nobody needs to do anything.</summary>
    public const string TriedAgain = "it is tried again";

    /// <summary>The whole thing in one line.</summary>
    public override string ToString() => Cure.Length == 0 ? Message : $"{Message}; {Cure}";
}

/// <summary>Stable codes of every expected failure. On the wire in kebab case: <c>token-expired</c>.</summary>
[JsonConverter(typeof(KebabEnumConverter<ProblemCode>))]
public enum ProblemCode
{
    // enrolment tokens
    TokenMalformed,
    TokenUnknown,
    TokenExpired,
    TokenUsedUp,
    TokenRevoked,

    // the way to the server and what it answers
    ServerUnreachable,
    ServerCertificateMismatch,
    ServerError,
    ServerAnswerInvalid,
    ServerAnswerTooLarge,
    ServerTimeout,
    ServerRedirected,
    ClockWrong,
    MachineUnknown,

    // signed metadata
    CatalogueSignatureInvalid,
    CatalogueInvalid,
    CatalogueExpired,
    CatalogueRolledBack,
    ManifestSignatureInvalid,
    ManifestInvalid,
    ManifestMismatch,
    PatchRolledBack,
    PinsInvalid,

    // the module
    ModuleMalformed,
    ModuleTooLarge,
    ModuleUnsigned,
    ModuleSignerUnknown,
    ModuleSignatureInvalid,
    ModuleDigestMismatch,
    ModuleKernelMismatch,
    ModuleNotLivepatch,
    ModuleNameMismatch,

    // this host
    KernelWithoutLivepatch,
    DiskFull,
    DiskError,
    StateInvalid,
    StateNewer,
    SwitchedOff,
    PreflightRefused,

    // what the kernel answered to finit_module
    KernelKeyRejected,
    KernelNotPermitted,
    KernelModuleFormat,
    KernelInvalidArgument,
    KernelModuleExists,
    KernelBusy,
    KernelNoMemory,
    KernelSymbolMissing,
    KernelError,

    // after loading
    TransitionStalled,
    TransitionReversed,
    PatchRemovedByHand,
    PatchQuarantined,
    PatchWithdrawn,

    // requests to the daemon and the server
    NotPermitted,
    NotFound,
    RequestInvalid,
    RequestTooLarge,
    AlreadyEnrolled,
    NotEnrolled,
    TooManyRequests,
    InternalError,
}
