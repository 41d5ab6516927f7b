using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>What administrators read of each step in the journal of systemd.</summary>
internal sealed class StepLog(ILogger log)
{
    private readonly FailureLog _failures = new(log);
    private IReadOnlyList<Problem> _trustFaults = [];

    /// <summary>A belief that changed without an effect.</summary>
    public void Add(Step.Believe believe)
    {
        // A held check-in that ends is everyday life; what comes of it has its own line.
        var level = believe.TakesHeldAnswer ? LogLevel.Debug : LogLevel.Information;
        log.Log(level, "{Why}", Sentence(believe.Why));
    }

    /// <param name="step">What was done.</param>
    /// <param name="result">What came of it.</param>
    /// <param name="took">How long it took.</param>
    /// <param name="wasFailing">Whether check-ins failed before.</param>
    public void Add(Step step, StepResult result, TimeSpan took, bool wasFailing)
    {
        log.LogDebug("Step {Step} took {Milliseconds:F1} ms", step.GetType().Name, took.TotalMilliseconds);
        _failures.Add(step, result, wasFailing);
        switch (result)
        {
            case StepResult.ModuleVerified verified:
                Add(verified);
                break;
            case StepResult.Preflighted preflighted:
                Add(preflighted.Report);
                break;
            case StepResult.Done when step is Step.Load load:
                log.LogInformation("The kernel took {Module}", load.Patch.Name);
                break;
            case StepResult.Enrolled enrolled:
                log.LogInformation("Enrolled as {Machine}", enrolled.Enrolment);
                break;
            default:
                break;
        }
    }

    /// <summary>Files of trust.d that are passed over: each fault is logged once while it lasts.</summary>
    public void AddTrustFaults(IReadOnlyList<Problem> faults)
    {
        foreach (var fault in faults.Except(_trustFaults)) log.LogWarning("{Problem}", fault);
        _trustFaults = faults;
    }

    /// <param name="version">Of the pin set that was read.</param>
    /// <param name="files">Files of trust.d that keep a key trusted which that set revokes.</param>
    public void AddStillTrusted(long version, IReadOnlyList<string> files)
    {
        const string text = "Pin set {Version} revokes a publisher's key that this host trusts by {File}: "
            + "take it away, unless that is meant";
        foreach (var file in files) log.LogWarning(text, version, file);
    }

    private void Add(StepResult.ModuleVerified verified)
    {
        var (module, signer) = (verified.Module, verified.Module.Signer[..16]);
        var version = module.Manifest.Content.Version;
        log.LogInformation("Verified {Module} {Version}, signed by {Signer}", module.Facts.Name, version, signer);
    }

    private void Add(PreflightReport report)
    {
        if (Preflight.Refusal(report, out _) is { } refusal) log.LogWarning("{Problem}", refusal);
        foreach (var finding in report.Of(CheckOutcome.Warning))
            log.LogWarning("Preflight of {Module}: {Check}: {Found}", report.Module, finding.Check, finding.Found);
        foreach (var finding in report.Of(CheckOutcome.CannotTell))
        {
            const string text = "Preflight of {Module} is unsure: {Check}: {Found}";
            log.LogDebug(text, report.Module, finding.Check, finding.Found);
        }
    }

    private static string Sentence(string why) => why.Length == 0 ? why : char.ToUpperInvariant(why[0]) + why[1..];
}
