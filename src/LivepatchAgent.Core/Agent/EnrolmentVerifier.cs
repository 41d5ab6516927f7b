using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>What of a server's answer to an enrolment becomes the host's trust: only what its token pins.</summary>
public static class EnrolmentVerifier
{
    /// <summary>A server has a handful; of a longer list no more is looked at.</summary>
    private const int MaxOffered = 32;

    /// <param name="intent">The token, and the credential that was made for it.</param>
    /// <param name="answer">As the server gave it; nothing in it is trusted yet.</param>
    /// <param name="now">The time of the enrolment.</param>
    /// <returns>The enrolment, or <see cref="ProblemCode.ServerCertificateMismatch"/>.</returns>
    public static Result<Enrolment> Verify(EnrolmentIntent intent, EnrolmentAnswer answer, DateTimeOffset now)
    {
        var token = intent.Token;
        var catalogue = Pinned(answer.CatalogueCertificates, token.Catalogue);
        var publishers = Pinned(answer.PublisherCertificates, token.Publishers);
        // Fewer publishers than must sign could never bring a patch here.
        if (catalogue.Count == 0 || publishers.Count < token.Threshold) return Mismatch(token.Server);
        return new Enrolment
        {
            Server = token.Server,
            MachineId = answer.MachineId,
            Credential = intent.Credential,
            TlsPins = token.Tls,
            CatalogueCertificates = catalogue,
            PublisherCertificates = publishers,
            Threshold = token.Threshold,
            PinsVersion = token.PinsVersion,
            Since = now,
        };
    }

    /// <summary>Of what the server offers, the certificates that the token names by fingerprint.</summary>
    private static List<string> Pinned(IReadOnlyList<string> offered, IReadOnlyList<string> pins)
    {
        return [.. offered.Take(MaxOffered).Where(IsPinned)];

        bool IsPinned(string text)
        {
            using var certificate = Certificates.OfText(text);
            return certificate is not null && pins.Contains(Certificates.Fingerprint(certificate));
        }
    }

    private static Problem Mismatch(string server) => new(
        ProblemCode.ServerCertificateMismatch,
        $"cannot enrol with {server}: it does not have the certificates that the token pins",
        "make a new token on that server; if it happens again, somebody is intercepting the connection");
}
