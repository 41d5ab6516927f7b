using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Core.Tests.Agent;

public sealed class TrustFailureTests
{
    private static readonly Problem Unusable = new(ProblemCode.RequestInvalid, "cannot use own.pem: no PEM", "mend it");

    /// <summary>Only where a key is missing can a file that was passed over have it.</summary>
    [Theory]
    [InlineData(ProblemCode.ManifestSignatureInvalid, true)]
    [InlineData(ProblemCode.ModuleSignerUnknown, true)]
    [InlineData(ProblemCode.ModuleDigestMismatch, false)]
    [InlineData(ProblemCode.ModuleUnsigned, false)]
    [InlineData(ProblemCode.ModuleSignatureInvalid, false)]
    public void Failure_BesideAnUnusableFile_PassesWhereAKeyIsMissing(ProblemCode code, bool passes)
    {
        var problem = new Problem(code, "cannot believe it", "sign it");
        var failed = TrustFailure.Of(problem, [Unusable]);
        Assert.Equal(passes, failed.InPassing);
        var cure = passes ? "cannot use own.pem: no PEM; mend it; otherwise sign it" : "sign it";
        Assert.Equal(problem with { Cure = cure }, failed.Problem);
        if (!passes) Assert.Equal(RefusalOrigin.Signature, failed.Origin);
    }

    [Fact]
    public void Failure_WhereAllFilesAreUsed_IsForGood()
    {
        var problem = new Problem(ProblemCode.ModuleSignerUnknown, "cannot believe it", "sign it");
        var failed = TrustFailure.Of(problem, []);
        Assert.Equal((problem, false, RefusalOrigin.Signature), (failed.Problem, failed.InPassing, failed.Origin));
    }
}
