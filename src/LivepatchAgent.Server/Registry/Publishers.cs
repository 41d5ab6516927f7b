using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Registry;

/// <summary>
/// Whose patches the running server takes, and how many of them must have signed one: what hosts demand too, or they
/// would refuse it.
/// </summary>
internal sealed class Publishers(DataFolder folder, PinSets pins, Database database, ILogger log)
{
    public Result<Signers> InForce() => ForCallers(pins.Newest);

    /// <summary>Those who may sign the first pin set.</summary>
    public Result<Signers> BeforePins() => ForCallers(null);

    private Result<Signers> ForCallers(PinSet? set)
    {
        var signers = PublisherCertificates.InForce(folder, set, database.Read(SettingTable.Threshold));
        if (signers.TryGet(out _, out var problem)) return signers;

        // What is wrong in the server's folder goes to the log; a caller cannot mend it.
        log.LogError("Cannot read whose patches to take: {Problem}", problem);
        return new Problem(
            ProblemCode.ServerError,
            "cannot answer: the server cannot read its publishers' certificates",
            "see the server's log");
    }
}
