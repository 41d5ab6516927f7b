using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Trust;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Server.Tests;

public sealed class ServerKeysTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("livepatch-keys-");
    private readonly DataFolder _folder;

    public ServerKeysTests()
    {
        _folder = new DataFolder(Path.Combine(_root.FullName, "data"));
        _folder.Create();
    }

    [Fact]
    public void Own_AreMadeOnce_AndAreTheOwnersAlone()
    {
        var first = ServerKeys.Tls(_folder, null, ["a.example", "localhost"], Now).Value[0];
        var second = ServerKeys.Tls(_folder, null, ["a.example", "localhost"], Now).Value[0];
        Assert.Equal(first.Thumbprint, second.Thumbprint);
        Assert.Equal(FileRights.OwnerOnly, File.GetUnixFileMode(_folder.TlsKey));
        Assert.True(first.MatchesHostname("a.example") && first.MatchesHostname("localhost"));
        Assert.False(first.MatchesHostname("b.example"));
    }

    [Fact]
    public void OwnTlsCertificate_ForAnotherNameOrYearsLater_IsRenewedWithTheSameKey()
    {
        var first = ServerKeys.Tls(_folder, null, ["a.example"], Now).Value[0];
        var renamed = ServerKeys.Tls(_folder, null, ["10.0.2.2"], Now).Value[0];
        var later = ServerKeys.Tls(_folder, null, ["10.0.2.2"], Now.AddDays(3500)).Value[0];
        Assert.Equal(3, new[] { first, renamed, later }.Select(c => c.Thumbprint).Distinct().Count());
        Assert.Single(new[] { first, renamed, later }.Select(Certificates.KeyPin).Distinct());
        Assert.True(renamed.MatchesHostname("10.0.2.2"));
    }

    [Fact]
    public void OwnCatalogueCertificate_IsNeverAnother()
    {
        var first = ServerKeys.Catalogue(_folder, null, "a.example", Now).Value[0];
        File.Delete(_folder.CatalogueCertificate);
        var later = ServerKeys.Catalogue(_folder, null, "b.example", Now.AddDays(10_000)).Value[0];
        Assert.Equal(Certificates.Fingerprint(first), Certificates.Fingerprint(later));
        Assert.True(later.HasPrivateKey);
    }

    [Fact]
    public void OwnKey_ThatIsGarbage_IsNotMadeAnew()
    {
        File.WriteAllText(_folder.CatalogueKey, "garbage");
        Assert.Contains(
            "restore it from a backup",
            ServerKeys.Catalogue(_folder, null, "host", Now).Problem!.Cure,
            StringComparison.Ordinal);
        Assert.Equal("garbage", File.ReadAllText(_folder.CatalogueKey));
    }

    [Fact]
    public void GivenKeys_AreWhatTokensPin()
    {
        var tls = Write("tls", ECCurve.NamedCurves.nistP256);
        var catalogue = Write("catalogue", ECCurve.NamedCurves.nistP384);
        var usedTls = ServerKeys.Tls(_folder, tls, ["h"], Now).Value[0];
        var usedCatalogue = ServerKeys.Catalogue(_folder, catalogue, "h", Now).Value[0];
        PublisherCertificates.Add(_folder, new Publisher().Certificate);
        var token = Token(systemCa: false);
        Assert.Equal([Certificates.KeyPin(usedTls)], token.Tls);
        Assert.Equal([Certificates.Fingerprint(usedCatalogue)], token.Catalogue);
        Assert.Empty(Token(systemCa: true).Tls);
        Assert.False(File.Exists(_folder.TlsKey));
    }

    [Fact]
    public void GivenKey_ThatDoesNotFit_IsRefused()
    {
        var (one, other) = (Write("one", ECCurve.NamedCurves.nistP256), Write("other", ECCurve.NamedCurves.nistP256));
        Assert.NotNull(ServerKeys.Tls(_folder, one with { Key = other.Key }, ["h"], Now).Problem);
        Assert.NotNull(ServerKeys.Tls(_folder, one with { Key = "/nowhere" }, ["h"], Now).Problem);
        Assert.NotNull(ServerKeys.Tls(_folder, Write("weak", ECCurve.NamedCurves.nistP521), ["h"], Now).Problem);
    }

    [Fact]
    public void Token_MadeBeforeTheFirstStart_PinsWhatTheServerThenUses()
    {
        PublisherCertificates.Add(_folder, new Publisher().Certificate);
        var token = Token(systemCa: false);
        Assert.Equal([Certificates.KeyPin(ServerKeys.Tls(_folder, null, ["other.example"], Now).Value[0])], token.Tls);
        Assert.Equal(
            [Certificates.Fingerprint(ServerKeys.Catalogue(_folder, null, "other.example", Now).Value[0])],
            token.Catalogue);
    }

    [Fact]
    public void Publishers_InPemAndDer_AreTakenOnce_AndABrokenOneIsNamed()
    {
        var certificate = new Publisher().Certificate;
        File.WriteAllBytes(Path.Combine(_folder.Publishers, "a.der"), certificate.RawData);
        PublisherCertificates.Add(_folder, certificate);
        File.WriteAllText(Path.Combine(_folder.Publishers, "README"), "not looked at");
        Assert.Single(PublisherCertificates.Load(_folder).Value);
        File.WriteAllText(Path.Combine(_folder.Publishers, "b.pem"), "garbage");
        Assert.Contains("b.pem", PublisherCertificates.Load(_folder).Problem!.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _root.Delete(recursive: true);

    private TokenContent Token(bool systemCa)
    {
        var wanted = new NewToken(_folder, new Uri("https://h:8443"), 1, null, "", systemCa);
        return EnrolmentToken.Read(TokenIssuer.Issue(wanted, Now).Value).Value;
    }

    private KeyFiles Write(string name, ECCurve curve)
    {
        using var key = ECDsa.Create(curve);
        using var certificate = new CertificateRequest(
            $"CN={name}", key, HashAlgorithmName.SHA256).CreateSelfSigned(Now, Now.AddYears(1));
        var files = new KeyFiles(
            Path.Combine(_root.FullName, $"{name}.crt"), Path.Combine(_root.FullName, $"{name}.key"));
        File.WriteAllText(files.Certificate, certificate.ExportCertificatePem());
        File.WriteAllText(files.Key, key.ExportPkcs8PrivateKeyPem());
        return files;
    }
}
