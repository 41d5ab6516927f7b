using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Publisher.Files;
using LivepatchAgent.Publisher.Keys;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>Makes a private key and its certificate, and says who gets which file.</summary>
internal sealed class KeygenCommand
{
    private const string PublisherKind = "publisher", CatalogueKind = "catalogue";

    /// <summary>ub-common-name of X.520; longer ones are refused by readers that check it.</summary>
    private const int MaxName = 64;

    private static readonly string[] Endings = [".key", ".pem", ".der"];

    private readonly Surroundings _surroundings;
    private readonly Passphrase _passphrase;
    private readonly Option<string> _out = new("--out")
    {
        Description = "Folder for the files; created if it is missing",
        HelpName = "DIR",
        Required = true,
    };
    private readonly Option<string?> _name = new("--name")
    {
        Description = "Name in the certificate",
        HelpName = "TEXT",
    };
    private readonly Option<string> _kind = new("--kind")
    {
        Description = "publisher: signs manifests and modules; catalogue: the server's key",
        DefaultValueFactory = _ => PublisherKind,
    };
    private readonly Option<int> _bits = new("--bits")
    {
        Description = "Bits of the publisher's RSA key: 3072 or 4096",
        HelpName = "N",
        DefaultValueFactory = _ => 4096,
    };
    private readonly Option<bool> _bare = new("--no-passphrase")
    {
        Description = "Leave the private key unencrypted; a catalogue key always is",
    };

    private KeygenCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _passphrase = new Passphrase(surroundings);
        _kind.AcceptOnlyFromAmong(PublisherKind, CatalogueKind);
        _bits.Require(text => text is "3072" or "4096", "is 3072 or 4096");
        _name.OneLine(MaxName);
    }

    public static Command Make(Surroundings surroundings)
    {
        var verb = new KeygenCommand(surroundings);
        var command = new Command("keygen", "Make a private key and its certificate")
        {
            verb._out, verb._name, verb._kind, verb._bits, verb._passphrase.FileOption, verb._bare,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(verb._kind) == CatalogueKind
                && result.GetValue(verb._passphrase.FileOption) is not null)
                result.AddError("--kind catalogue takes no passphrase: the server reads this key unattended");
        });
        command.SetAction(parsed => surroundings.Report(verb.Run(parsed)));
        return command;
    }

    private Problem? Run(ParseResult parsed)
    {
        var kind = parsed.GetRequiredValue(_kind);
        var stem = Path.Combine(parsed.GetRequiredValue(_out), kind);
        if (Endings.Select(end => stem + end).FirstOrDefault(File.Exists) is { } existing)
            return new Problem(
                ProblemCode.RequestInvalid,
                $"cannot make a key: {existing} exists",
                "choose another folder; a key is never overwritten");
        string? passphrase = null;
        if (kind == PublisherKind && !parsed.GetValue(_bare))
        {
            if (!_passphrase.Choose(parsed).TryGet(out var chosen, out var problem)) return problem;
            passphrase = chosen;
        }

        var name = parsed.GetValue(_name) ?? $"livepatch {kind}";
        var now = _surroundings.Clock.GetUtcNow();
        var key = kind == CatalogueKind
            ? KeyMaker.Catalogue(name, passphrase, now)
            : KeyMaker.Publisher(name, parsed.GetValue(_bits), passphrase, now);
        using (key.Certificate)
        {
            if (Save(key, stem, kind == PublisherKind) is { } fault) return fault;
            Describe(key.Certificate, stem, kind, passphrase is not null);
        }

        return null;
    }

    private static Problem? Save(NewKey key, string stem, bool derToo)
    {
        try
        {
            if (Path.GetDirectoryName(stem) is { Length: > 0 } folder && !Directory.Exists(folder))
                Directory.CreateDirectory(
                    folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new Problem(
                ProblemCode.DiskError,
                $"cannot make the folder of {stem}.key: {e.Message.TrimEnd('.')}",
                "choose a folder that you can write to");
        }

        var pem = PemEncoding.WriteString("CERTIFICATE", key.Certificate.RawData);
        return Write(".key", Encoding.ASCII.GetBytes(key.PrivatePem + "\n"), FileRights.OwnerOnly)
            ?? Write(".pem", Encoding.ASCII.GetBytes(pem + "\n"), FileRights.ReadableByAll)
            ?? (derToo ? Write(".der", key.Certificate.RawData, FileRights.ReadableByAll) : null);

        Problem? Write(string ending, byte[] content, UnixFileMode mode) =>
            LocalFile.Write(stem + ending, content, mode, replace: false);
    }

    private void Describe(X509Certificate2 certificate, string stem, string kind, bool encrypted)
    {
        var say = _surroundings.Out;
        var isPublisher = kind == PublisherKind;
        var state = encrypted ? "encrypted" : "not encrypted";
        var use = isPublisher ? "keep it offline" : "for the server, which reads it without a passphrase";
        say.WriteLine($"private key: {stem}.key ({state}; {use})");
        say.WriteLine($"certificate: {stem}.pem, valid until {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd}");
        say.WriteLine(isPublisher
            ? $"for hosts with Secure Boot: mokutil --import {stem}.der"
            : $"for the server: livepatch-server serve --catalogue-cert {stem}.pem --catalogue-key {stem}.key");
        say.WriteLine($"fingerprint: {Certificates.Fingerprint(certificate)}");
    }
}
