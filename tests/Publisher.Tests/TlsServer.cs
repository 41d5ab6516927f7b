using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Publisher.Tests;

/// <summary>What the server got.</summary>
internal sealed record Upload(string Path, string ContentType, byte[] Body);

/// <summary>
/// A TLS server on loopback that reads one request a connection and answers with whatever bytes the test gives it.
/// </summary>
internal sealed class TlsServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly X509Certificate2 _certificate = Certificate();
    private readonly Func<Upload, string> _answer;
    private readonly Task _loop;
    private volatile bool _stopped;

    public TlsServer(Func<Upload, string> answer)
    {
        _answer = answer;
        _listener.Start();
        _loop = ServeAsync();
    }

    public ConcurrentQueue<Upload> Uploads { get; } = [];

    public string Url => $"https://localhost:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public string Pin => Certificates.KeyPin(_certificate);

    public string Pem => _certificate.ExportCertificatePem();

    public static string Answer(int code, string body = "", string type = "application/json") =>
        $"HTTP/1.1 {code} X\r\nContent-Type: {type}\r\n"
        + $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}";

    public async ValueTask DisposeAsync()
    {
        _stopped = true;
        _listener.Stop();
        await _loop;
        _certificate.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            try
            {
                using var client = await _listener.AcceptTcpClientAsync();
                await using var tls = new SslStream(client.GetStream());
                await tls.AuthenticateAsServerAsync(_certificate);
                var upload = await ReadAsync(tls);
                Uploads.Enqueue(upload);
                await tls.WriteAsync(Encoding.UTF8.GetBytes(_answer(upload)));
                await tls.ShutdownAsync();
            }
            catch (Exception) when (_stopped)
            {
                return;
            }
            catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
            {
                // The client did not like what it saw.
            }
        }
    }

    private static async Task<Upload> ReadAsync(SslStream tls)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (!(head.Count >= 4 && head[^4..] is [13, 10, 13, 10]) && await tls.ReadAsync(one) == 1) head.Add(one[0]);
        if (head.Count == 0) throw new IOException("the client went away");
        var lines = Encoding.ASCII.GetString([.. head]).Split("\r\n");
        string Header(string name) => lines.First(
            l => l.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase)).Split(':', 2)[1].Trim();
        var body = new byte[int.Parse(Header("Content-Length"), System.Globalization.CultureInfo.InvariantCulture)];
        await tls.ReadExactlyAsync(body);
        return new Upload(lines[0], Header("Content-Type"), body);
    }

    private static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
    }
}
