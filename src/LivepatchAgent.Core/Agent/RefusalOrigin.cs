using System.Diagnostics;
using System.Text.Json.Serialization;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Who or what said no to a patch. It decides how long the no stands; the problem's code is for people, and may be
/// words of a server.
/// </summary>
[JsonConverter(typeof(KebabEnumConverter<RefusalOrigin>))]
public enum RefusalOrigin
{
    /// <summary>What arrived is not what the pinned publishers signed.</summary>
    Signature,

    /// <summary>This host has run a newer patch.</summary>
    Floor,

    /// <summary>The patch took this host down.</summary>
    Quarantine,

    /// <summary>Its publisher withdrew it.</summary>
    Withdrawal,

    /// <summary>The verified catalogue does not bear the assignment out.</summary>
    Catalogue,

    /// <summary>The server would not give it.</summary>
    Server,

    /// <summary>Preflight: this host, as it is now, would not take it.</summary>
    Host,

    /// <summary>The kill switch.</summary>
    KillSwitch,

    /// <summary>The kernel saw it and refused it, or gave it up.</summary>
    Kernel,

    /// <summary>Somebody on this host switched it off.</summary>
    Administrator,
}

internal static class RefusalOrigins
{
    /// <summary>
    /// Another boot is another chance: a key may have been enrolled, a module be there. What publishers, this host's
    /// floor or its crash guard said stays so.
    /// </summary>
    public static bool EndsWithTheBoot(this RefusalOrigin origin) => origin switch
    {
        RefusalOrigin.Signature or RefusalOrigin.Floor or RefusalOrigin.Quarantine or RefusalOrigin.Withdrawal => false,
        RefusalOrigin.Catalogue or RefusalOrigin.Server or RefusalOrigin.Host or RefusalOrigin.KillSwitch => true,
        RefusalOrigin.Kernel or RefusalOrigin.Administrator => true,
        _ => throw new UnreachableException(),
    };

    /// <summary>
    /// What the kernel or somebody on this host said no to stands when a catalogue is confirmed again. What was refused
    /// before the kernel saw it may have been the server's fault, and mended there since.
    /// </summary>
    public static bool OutlastsACatalogue(this RefusalOrigin origin) =>
        origin is RefusalOrigin.Kernel or RefusalOrigin.Administrator;

    /// <summary>Journals of version 1 had the code alone.</summary>
    public static RefusalOrigin OfVersion1(ProblemCode code) => code switch
    {
        ProblemCode.PatchRolledBack => RefusalOrigin.Floor,
        ProblemCode.PatchQuarantined => RefusalOrigin.Quarantine,
        ProblemCode.PatchWithdrawn => RefusalOrigin.Withdrawal,
        ProblemCode.PatchRemovedByHand => RefusalOrigin.Administrator,
        ProblemCode.SwitchedOff => RefusalOrigin.KillSwitch,
        ProblemCode.KernelWithoutLivepatch or ProblemCode.TransitionReversed => RefusalOrigin.Kernel,
        >= ProblemCode.KernelKeyRejected and <= ProblemCode.KernelError => RefusalOrigin.Kernel,
        >= ProblemCode.ManifestSignatureInvalid and <= ProblemCode.ManifestInvalid => RefusalOrigin.Signature,
        >= ProblemCode.ModuleMalformed and <= ProblemCode.ModuleNameMismatch => RefusalOrigin.Signature,
        _ => RefusalOrigin.Host,
    };
}
