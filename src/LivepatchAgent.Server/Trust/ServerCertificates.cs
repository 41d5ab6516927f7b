using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Server.Trust;

/// <summary>The two certificates that hosts know the running server by.</summary>
internal sealed record ServerCertificates(X509Certificate2 Tls, X509Certificate2 Catalogue);
