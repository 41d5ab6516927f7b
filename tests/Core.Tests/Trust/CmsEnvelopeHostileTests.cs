using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Core.Tests.TrustTests;

public sealed class CmsEnvelopeHostileTests
{
    [Fact]
    public void Open_AnyBitChanged_IsRefusedAndNeverThrows()
    {
        var envelope = CmsEnvelope.Sign("{\"a\":1}"u8, TestKeys.Publisher);
        for (var at = 0; at < envelope.Length * 8; at++)
        {
            envelope[at / 8] ^= (byte)(1 << (at % 8));
            var opened = CmsEnvelope.Open(
                envelope, [TestKeys.Publisher], "the manifest", ProblemCode.ManifestSignatureInvalid);
            // BER lets a few bytes be written in two ways; what they mean must then be the same.
            if (opened.TryGet(out var content, out _)) Assert.Equal("{\"a\":1}"u8, content);
            envelope[at / 8] ^= (byte)(1 << (at % 8));
        }
    }

    [Fact]
    public void Open_TruncatedAnywhereOrLonger_IsRefused()
    {
        var envelope = CmsEnvelope.Sign("{\"a\":1}"u8, TestKeys.Publisher);
        for (var length = 0; length < envelope.Length; length++) AssertRefused(envelope[..length]);
        AssertRefused([.. envelope, 0]);
        AssertRefused(new byte[CmsEnvelope.MaxSize + 1]);
    }

    private static void AssertRefused(byte[] envelope) =>
        Assert.NotNull(
            CmsEnvelope.Open(
                envelope, [TestKeys.Publisher], "the manifest", ProblemCode.ManifestSignatureInvalid).Problem);
}
