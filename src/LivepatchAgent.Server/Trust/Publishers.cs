using LivepatchAgent.Core;
using LivepatchAgent.Server.Storage;

namespace LivepatchAgent.Server.Trust;

/// <summary>Whose patches the running server takes, and how many of them must have signed one: what hosts demand too, or they would refuse it.</summary>
internal sealed class Publishers(DataFolder folder, PinSets pins, Database database, ILogger log)
{
    public Result<Signers> InForce() => ForStrangers(PublisherCertificates.InForce(folder, pins.Newest, Threshold));

    /// <summary>Those who may sign the first pin set.</summary>
    public Result<Signers> BeforePins() => ForStrangers(PublisherCertificates.InForce(folder, null, Threshold));

    private int Threshold => database.Read(SettingTable.Threshold);

    /// <summary>What is wrong in the server's folder is the log's to tell; a caller cannot mend it.</summary>
    private Result<Signers> ForStrangers(Result<Signers> signers)
    {
        if (signers.TryGet(out _, out var problem)) return signers;
        log.LogError("Cannot tell whose patches to take: {Problem}", problem);
        return new Problem(ProblemCode.ServerError, "cannot answer: the server cannot read its publishers' certificates", "look into the server's log");
    }
}
