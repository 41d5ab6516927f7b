using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>What preflight says of one module on one host.</summary>
public sealed record PreflightReport
{
    public const int CurrentSchema = 1;

    [JsonPropertyOrder(-3)]
    public int Schema { get; init; } = CurrentSchema;

    /// <summary>The worst of all outcomes.</summary>
    [JsonPropertyOrder(-2)]
    public CheckOutcome Verdict => Checks.Count == 0 ? CheckOutcome.Ok : Checks.Max(c => c.Outcome);

    /// <summary>The module's name.</summary>
    [JsonPropertyOrder(-1)]
    public required string Module { get; init; }

    public required IReadOnlyList<CheckFinding> Checks { get; init; }

    public IEnumerable<CheckFinding> Of(CheckOutcome outcome) => Checks.Where(c => c.Outcome == outcome);
}

/// <summary>From best to worst.</summary>
[JsonConverter(typeof(KebabEnumConverter<CheckOutcome>))]
public enum CheckOutcome
{
    Ok,

    /// <summary>The kernel would take it; somebody may want to know.</summary>
    Warning,

    /// <summary>The host's facts do not say. The kernel may refuse it; nothing seen says that it would crash.</summary>
    CannotTell,

    /// <summary>The kernel would refuse it, or take it and crash.</summary>
    Refused,
}

/// <param name="Check">The check's name, e.g. <c>vermagic</c>; it never changes its meaning.</param>
/// <param name="Found">What was found, in a line.</param>
/// <param name="Cure">What to do about it; null when it is <see cref="CheckOutcome.Ok"/>.</param>
public sealed record CheckFinding(string Check, CheckOutcome Outcome, string Found, string? Cure = null);

/// <summary>A check's answer.</summary>
internal readonly record struct CheckResult(CheckOutcome Outcome, string Found, string? Cure)
{
    /// <summary>The cure where a file or an ordinary user cannot say what the host itself can.</summary>
    public const string AsRoot = "run it on the host itself, as root";

    /// <summary>What a check of symbols answers when the host's facts have none.</summary>
    public static CheckResult NoSymbols => CannotTell("the kernel's symbols could not be read", AsRoot);

    public static CheckResult Ok(string found) => new(CheckOutcome.Ok, found, null);

    public static CheckResult Warning(string found, string cure) => new(CheckOutcome.Warning, found, cure);

    public static CheckResult CannotTell(string found, string cure) => new(CheckOutcome.CannotTell, found, cure);

    public static CheckResult Refused(string found, string cure) => new(CheckOutcome.Refused, found, cure);
}
