namespace LivepatchAgent.Core.Agent;

/// <summary>What a signature that is not believed means for the step that met it.</summary>
public static class TrustFailure
{
    /// <param name="problem">Why it is not believed.</param>
    /// <param name="trustFaults">What is wrong with files of the administrator's own keys that are passed over.</param>
    /// <returns>
    /// A refusal for good, unless the key that is missing may be in a file that is passed over: once that is mended,
    /// another try is worth it.
    /// </returns>
    public static StepResult.Failed Of(Problem problem, IReadOnlyList<Problem> trustFaults)
    {
        var lacksAKey = problem.Code is ProblemCode.ManifestSignatureInvalid or ProblemCode.ModuleSignerUnknown;
        if (!lacksAKey || trustFaults is not [var fault, ..])
            return new StepResult.Failed(problem, InPassing: false) { Origin = RefusalOrigin.Signature };
        var explained = problem with { Cure = $"{fault}; otherwise {problem.Cure}" };
        return new StepResult.Failed(explained, InPassing: true);
    }
}
