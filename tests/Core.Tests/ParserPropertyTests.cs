using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CsCheck;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Tests.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests;

/// <summary>What is written into a form is what its reader reads, for any content that the form can hold.</summary>
public sealed class ParserPropertyTests
{
    private static readonly Gen<string> Name =
        Gen.Char["abcdefghijklmnopqrstuvwxyz0123456789_."].Array[1, 40].Select(c => new string(c));

    /// <summary>Text without NUL and without half a surrogate pair.</summary>
    private static readonly Gen<string> Value = Gen.Char['\u0001', '\u02ff'].Array[0, 30].Select(c => new string(c));

    [Fact]
    public void Modinfo_IsReadAsItWasWritten() =>
        Gen.Select(Name, Value).Array[0, 20].Sample(entries =>
        {
            var text = "name=test_patch\0vermagic=6.19.0 SMP \0" + string.Concat(
                entries.Select(e => $"{e.Item1}={e.Item2}\0"));
            var facts = ModuleReader.Read(ElfBuilder.Livepatch(modinfo: text).Build()).Value;
            Assert.Equal(entries.Select(e => KeyValuePair.Create(e.Item1, e.Item2)), facts.Modinfo.Skip(2));
        }, iter: 500);

    [Fact]
    public void SymbolVersions_AreReadAsTheyWereWritten() =>
        Gen.Select(Gen.Select(Name, Gen.UInt).Array[0, 30], Gen.Bool).Sample((versions, isBigEndian) =>
        {
            var file = ElfBuilder.Livepatch(isBigEndian ? (ushort)22 : (ushort)62, isBigEndian)
                .HalfWords("__version_ext_crcs", ElfBuilder.Alloc, [.. versions.Select(v => v.Item2)])
                .Text("__version_ext_names", ElfBuilder.Alloc, string.Concat(versions.Select(v => v.Item1 + "\0")))
                .Build();
            Assert.Equal(
                versions.Select(v => new SymbolVersion(v.Item1, v.Item2)),
                ModuleReader.Read(file).Value.ExtendedSymbolVersions);
        }, iter: 500);

    [Fact]
    public void LivepatchSymbols_AreReadAsTheyWereWritten() =>
        Gen.Select(
            Name.Where(n => !n.Contains('.', StringComparison.Ordinal)),
            Name,
            Gen.Long[0, 1000]).Array[1, 20].Sample(symbols =>
        {
            var builder = ElfBuilder.Livepatch();
            foreach (var (holder, name, position) in symbols)
                builder.Symbol($".klp.sym.{holder}.{name},{position}", 0xff20);
            Assert.Equal(
                symbols.Select(s => new LivepatchSymbol(s.Item1, s.Item2, s.Item3, true)),
                ModuleReader.Read(builder.Build()).Value.LivepatchSymbols);
        }, iter: 500);

    [Fact]
    public void IssuersName_IsReadAsDotNetReadsIt() =>
        Gen.Select(
            Gen.Int[0, 4],
            Gen.Char["abc ,+=\"<>#;äß'"].Array[1, 20].Select(c => new string(c))).Array[1, 5].Sample(parts =>
        {
            var builder = new X500DistinguishedNameBuilder();
            foreach (var (type, text) in parts)
            {
                if (type == 0) builder.AddCountryOrRegion("DE");
                else builder.Add(
                    type switch { 1 => "2.5.4.3", 2 => "2.5.4.10", 3 => "2.5.4.11", _ => "2.5.4.7" }, text);
            }

            var name = builder.Build();
            Assert.Equal(name.Name, DistinguishedName.Of(new BerReader(name.RawData).Sequence()));
        }, iter: 1000);

    [Fact]
    public void Token_IsReadAsItWasWritten() =>
        Gen.Select(
            Name, Gen.Byte.Array[32], Gen.Byte.Array[32].Array[1, 8], Gen.Int[0, 8]).Sample((host, secret, pins, tls) =>
        {
            string[] digests = [.. pins.Select(p => Convert.ToHexStringLower(SHA256.HashData(p)))];
            var name = host.Replace('_', 'x').Trim('.').Replace("..", ".", StringComparison.Ordinal);
            var token = new TokenContent
            {
                Server = $"https://{name}x:8443",
                Secret = Convert.ToHexStringLower(secret),
                Tls = [.. digests.Take(tls)],
                Catalogue = digests,
                Publishers = digests,
            };
            if (!Uri.TryCreate(token.Server, UriKind.Absolute, out _)) return;
            var read = EnrolmentToken.Read($"  {EnrolmentToken.Write(token)}\n").Value;
            Assert.Equal((token.Server, token.Secret), (read.Server, read.Secret));
            Assert.Equal(
                [.. token.Tls, "", .. token.Catalogue, "", .. token.Publishers],
                [.. read.Tls, "", .. read.Catalogue, "", .. read.Publishers]);
        }, iter: 500);

    /// <summary>Tokens that were made before a field came to be.</summary>
    [Fact]
    public void Token_OfAnOlderServer_IsRead()
    {
        var (secret, first, second) = (new string('s', 43), new string('1', 64), new string('2', 64));
        var pins = $"\"tls\":[],\"catalogue\":[\"{first}\"],\"publishers\":[\"{second}\"]";
        var json = $$"""{"server":"https://s","secret":"{{secret}}",{{pins}}}""";
        var head = "lpa1." + System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
        var read = EnrolmentToken.Read(
            $"{head}.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(head)).AsSpan(0, 4))}");
        Assert.Null(read.Problem);
        Assert.Equal(1, read.Value.Threshold);
    }

    [Fact]
    public void Token_WithAnyCharacterChanged_IsRefused() =>
        Gen.Select(Gen.Int[0, 1 << 20], Gen.Char['!', '~']).Sample((place, with) =>
        {
            var token = EnrolmentToken.Write(
                new TokenContent
                {
                    Server = "https://s",
                    Secret = new string('s', 43),
                    Tls = [],
                    Catalogue = [new string('1', 64)],
                    Publishers = [new string('2', 64)],
                }).ToCharArray();
            if (token[place % token.Length] == with) return;
            token[place % token.Length] = with;
            Assert.Equal(ProblemCode.TokenMalformed, EnrolmentToken.Read(token).Problem?.Code);
        }, iter: 2000);

    [Fact]
    public void PatchedFunction_IsReadAsSysfsNamesIt() =>
        Gen.Select(Name, Gen.Long[0, 100_000]).Sample((name, position) =>
            Assert.Equal(
                new PatchedFunction("vmlinux", name, position), KernelTexts.Function("vmlinux", $"{name},{position}")));

    /// <summary>Whatever the kernel's files hold, their readers give a value or nothing, and no exception.</summary>
    [Fact]
    public void KernelTexts_OfAnyBytes_NeverThrow() =>
        Gen.Byte.Array[0, 300].Sample(bytes => Fuzz.TextTargets.Kernel(bytes), iter: 20_000);

    [Fact]
    public void Documents_OfAnyBytes_AreProblems() =>
        Gen.Byte.Array[0, 300].Sample(bytes =>
        {
            Assert.NotNull(ManifestVerifier.Verify(bytes, null, [TestKeys.Publisher]).Problem);
            Assert.NotNull(EnrolmentToken.Read(Encoding.Latin1.GetString(bytes)).Problem);
            Assert.NotNull(Core.Agent.StateJson.Read(bytes, "f").Problem);
        }, iter: 2000);
}
