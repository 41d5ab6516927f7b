using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>Pin sets, and how the server gets them.</summary>
internal static class TestPins
{
    public static void Offer(HostUnderTest host, long version, PinSet pins, params X509Certificate2[] signers)
    {
        host.Server.Pins[$"/v1/pins/{version}"] = Signed(pins, signers);
        host.Server.AnswerHeldCalls();
    }

    public static PinSet Of(
        HostUnderTest host, long version, int threshold, X509Certificate2[] publishers) => new()
    {
        Schema = PinSet.SchemaName,
        Version = version,
        Threshold = threshold,
        Publishers = [.. publishers.Select(p => Convert.ToBase64String(p.RawData))],
        Catalogue = [Convert.ToBase64String(Workshop.CatalogueKey.RawData)],
        Tls = [host.Server.KeyPin],
    };

    public static byte[] Signed(PinSet pins, params X509Certificate2[] signers)
    {
        var envelope = CmsEnvelope.Sign(JsonSerializer.SerializeToUtf8Bytes(pins, WireJson.Default.PinSet), signers[0]);
        return signers[1..].Aggregate(envelope, (e, s) => CmsEnvelope.AddSignature(e, s));
    }
}
