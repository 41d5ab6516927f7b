using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Rollout;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace LivepatchAgent.Server.Tests;

/// <summary>
/// The server's transactions on the real database, with many callers at once and without HTTP before them.
/// </summary>
public sealed class RegistryTests : IAsyncDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly KernelKey Kernel = new("x86_64", Machine.Release);
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("livepatch-registry-");
    private readonly DataFolder _folder;
    private readonly Database _database;
    private readonly FakeTimeProvider _time = new(Now);
    private readonly Publisher _publisher = new();
    private readonly BlobStore _blobs;
    private readonly PublishedPatches _published = new([]);
    private readonly Publishing _publishing;

    public RegistryTests()
    {
        _folder = new DataFolder(Path.Combine(_root.FullName, "data"));
        _folder.Create();
        PublisherCertificates.Add(_folder, _publisher.Certificate);
        _database = Database.Open(_folder.Database).Value;
        _blobs = new BlobStore(_folder);
        var publishers = new Publishers(_folder, new PinSets(_folder), _database, NullLogger.Instance);
        _publishing = new Publishing(_database, _blobs, publishers, _published, _time, NullLogger.Instance);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 7)]
    [InlineData(0, 60)] // no limit
    public async Task Enrol_ManyMachinesAtOnce_AdmitsAsManyAsTheTokenSays(int uses, int admitted)
    {
        var secret = Token("t1", uses);
        var enrolments = new Enrolments(_database, _time);
        var results = await Task.WhenAll(
            Enumerable.Range(0, 60).Select(_ => enrolments.EnrolAsync(new Machine().Enrolment(secret))));
        Assert.Equal(admitted, results.Count(r => r.Problem is null));
        Assert.All(
            results.Where(r => r.Problem is not null), r => Assert.Equal(ProblemCode.TokenUsedUp, r.Problem!.Code));
        Assert.Equal(admitted, Assert.Single(_database.Read(TokenTable.All)).Uses);
        Assert.Equal(admitted, _database.Read(MachineTable.All).Count);
    }

    /// <summary>As when answers are lost and hosts ask again while the first call is still under way.</summary>
    [Fact]
    public async Task Enrol_OneMachineManyTimesAtOnce_IsOneMachine()
    {
        var (secret, machine) = (Token("t1", uses: 1), new Machine());
        var enrolments = new Enrolments(_database, _time);
        var results = await Task.WhenAll(
            Enumerable.Range(0, 40).Select(_ => enrolments.EnrolAsync(machine.Enrolment(secret))));
        Assert.Single(results.Select(r => r.Value.MachineId).Distinct());
        Assert.Single(results, r => r.Value.New);
        Assert.Equal(1, Assert.Single(_database.Read(TokenTable.All)).Uses);
    }

    [Fact]
    public async Task Enrol_MadeBefore_CountsEvenForATokenThatIsRevokedOrExpired()
    {
        var (secret, machine) = (Token("t1", uses: 1), new Machine());
        var enrolments = new Enrolments(_database, _time);
        var first = (await enrolments.EnrolAsync(machine.Enrolment(secret))).Value;
        _time.Advance(TimeSpan.FromDays(400));
        _database.Write(db => TokenTable.Revoke(db, "t1", _time.GetUtcNow()));
        Assert.Equal(first with { New = false }, (await enrolments.EnrolAsync(machine.Enrolment(secret))).Value);
        _database.Write(db => MachineTable.Revoke(db, first.MachineId, _time.GetUtcNow()));
        Assert.Equal(
            ProblemCode.RequestInvalid, (await enrolments.EnrolAsync(machine.Enrolment(secret))).Problem!.Code);
    }

    [Fact]
    public async Task Enrol_AgainWithAnotherCredentialOrToken_IsRefused()
    {
        var (one, other, machine) = (Token("t1", uses: 5), Token("t2", uses: 5), new Machine());
        var enrolments = new Enrolments(_database, _time);
        Assert.Null((await enrolments.EnrolAsync(machine.Enrolment(one))).Problem);
        var stolen = machine.Enrolment(one) with { CredentialSha256 = new string('0', 64) };
        Assert.Equal(ProblemCode.RequestInvalid, (await enrolments.EnrolAsync(stolen)).Problem!.Code);
        Assert.Equal(ProblemCode.RequestInvalid, (await enrolments.EnrolAsync(machine.Enrolment(other))).Problem!.Code);
        Assert.Equal(0, _database.Read(TokenTable.All).Single(t => t.Id == "t2").Uses);
    }

    /// <summary>Hosts take the greatest sequence for the newest, so two patches must never share one.</summary>
    [Fact]
    public async Task Publish_ManyOfOneSequenceAtOnce_IsOneOfThem()
    {
        var patches = Enumerable.Range(0, 12).Select(_ => _publisher.Patch(1)).ToList();
        foreach (var patch in patches) await StoreAsync(patch);
        var results = await Task.WhenAll(patches.Select(ManifestAsync));
        Assert.Single(results, r => r.Problem is null);
        Assert.All(
            results.Where(r => r.Problem is not null), r => Assert.Equal(ProblemCode.RequestInvalid, r.Problem!.Code));
        var published = _published.Current.For(Kernel);
        Assert.Equal(
            patches[Array.FindIndex(results, r => r.Problem is null)].Digest,
            Assert.Single(published.Entries).ManifestDigest);
        Assert.Equal(1, published.Sequence);
    }

    /// <summary>Whichever of manifest and module comes last publishes the patch, and only one of them does.</summary>
    [Fact]
    public async Task Publish_ManifestsAndModulesAtOnce_EachPatchOnce()
    {
        var patches = Enumerable.Range(1, 20).Select(i => _publisher.Patch(i)).ToList();
        await Task.WhenAll(patches.SelectMany(patch => new[]
        {
            Task.Run(() => ManifestAsync(patch)),
            Task.Run(async () =>
            {
                await StoreAsync(patch);
                await _publishing.ModuleAsync(patch.ModuleDigest, patch.Module.Length);
            }),
        }));
        var published = _published.Current.For(Kernel);
        Assert.Equal(patches.Select(p => p.Digest), published.Entries.Select(e => e.ManifestDigest));
        Assert.Equal(patches.Count, published.Sequence);
        var stored = Assert.Single(_database.Read(PatchTable.LoadAll));
        Assert.Equal(published.Entries, stored.Entries);
        Assert.Equal(published.Sequence, stored.Sequence);
    }

    [Fact]
    public async Task Withdraw_ManyTimesAtOnce_RaisesTheCatalogueOnce()
    {
        var patch = _publisher.Patch(1);
        await StoreAsync(patch);
        Assert.True((await ManifestAsync(patch)).Value);
        var withdrawals = Enumerable.Range(0, 10).Select(i => _publisher.Withdraw(patch, $"reason {i}")).ToList();
        var results = await Task.WhenAll(
            withdrawals.Select(w => _publishing.WithdrawalAsync(new SignedDocument(w, Publisher.Sha256(w)))));
        Assert.All(results, r => Assert.Null(r.Problem));
        var published = _published.Current.For(Kernel);
        var entry = Assert.Single(published.Entries);
        Assert.Equal(2, published.Sequence);
        Assert.Contains(entry.Withdrawal, withdrawals.Select(Publisher.Sha256));
        Assert.NotNull(_blobs.Find(BlobKind.Withdrawal, entry.Withdrawal!));
    }

    /// <summary>The commands beside the server are other processes, with connections of their own.</summary>
    [Fact]
    public async Task Writes_OfServerAndCommandsAtOnce_AllCount()
    {
        using var beside = Database.Open(_folder.Database).Value;
        var queued = Enumerable.Range(0, 50).Select(
            i => _database.WriteAsync(db => SettingTable.Set(db, $"queued {i}", "1")));
        var direct = Enumerable.Range(0, 10).Select(
            i => Task.Run(() => beside.Write(db => SettingTable.Set(db, $"direct {i}", "1"))));
        var thresholds = Enumerable.Range(1, 8).Select(i => Task.Run(() => beside.Write(db =>
        {
            SettingTable.RaiseThreshold(db, i);
            return 1;
        })));
        Assert.All(await Task.WhenAll([.. queued, .. direct, .. thresholds]), changed => Assert.Equal(1, changed));
        Assert.Equal(8, _database.Read(SettingTable.Threshold));
        Assert.Equal(61, _database.Read(db => db.Query("SELECT count(*) FROM settings", row => row.GetInt64(0)))[0]);
    }

    [Theory]
    [InlineData(null, null, 0, 0)]
    [InlineData(null, null, 5, 4)]
    [InlineData(ProblemCode.TokenUsedUp, "used 1 time", 1, 1)]
    [InlineData(ProblemCode.TokenUsedUp, "used 5 times", 5, 5)]
    [InlineData(ProblemCode.TokenExpired, "expired at", 0, 0, 0)]
    [InlineData(ProblemCode.TokenExpired, "expired at", 1, 1, -1)]
    [InlineData(null, null, 0, 9, 1)]
    [InlineData(ProblemCode.TokenRevoked, "revoked at", 1, 1, -1, true)]
    public void TokenRow_Refusal_NamesTheFirstReason(
        ProblemCode? code, string? words, long maxUses, long uses, int? expiresInSeconds = null, bool revoked = false)
    {
        var expires = expiresInSeconds is { } seconds ? Now.AddSeconds(seconds) : (DateTimeOffset?)null;
        var token = new TokenRow("t1", Now.AddDays(-1), expires, maxUses, uses, revoked ? Now.AddHours(-1) : null, "");
        var refusal = token.Refusal(Now);
        Assert.Equal(code, refusal?.Code);
        if (words is not null) Assert.Contains(words, refusal!.Message, StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _root.Delete(recursive: true);
    }

    private string Token(string id, long uses)
    {
        var secret = $"{id} {new string('s', 40)}";
        var row = new TokenRow(id, Now, Now.AddDays(1), uses, 0, null, "");
        _database.Write(db => TokenTable.Insert(db, row, TokenSecret.Digest(secret)));
        return secret;
    }

    private Task<Result<bool>> ManifestAsync(Patch patch) =>
        _publishing.ManifestAsync(new SignedDocument(patch.Envelope, patch.Digest));

    private async Task StoreAsync(Patch patch)
    {
        await using var upload = _blobs.StartUpload();
        await upload.AppendAsync(patch.Module, ServerUnderTest.Ct);
        upload.Commit(BlobKind.Module, patch.ModuleDigest);
    }
}
