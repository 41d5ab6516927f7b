using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests;

public sealed class ServerCodesTests
{
    /// <summary>Written down once more. Server.Tests holds the code's table to what the server answers.</summary>
    private static readonly Dictionary<ServerCall, string> Table = new()
    {
        [ServerCall.Enrolment] = "token-unknown token-expired token-used-up token-revoked "
            + "request-invalid request-too-large server-timeout too-many-requests",
        [ServerCall.CheckIn] = "machine-unknown request-invalid request-too-large server-timeout",
        [ServerCall.HeldCheckIn] = "machine-unknown request-invalid request-too-large server-timeout",
        [ServerCall.Catalogue] = "request-invalid too-many-requests",
        [ServerCall.Pins] = "not-found",
        [ServerCall.Manifest] = "not-found",
        [ServerCall.Withdrawal] = "not-found",
        [ServerCall.Module] = "not-found",
    };

    public static TheoryData<ServerCall, ProblemCode> Pairs
    {
        get
        {
            var codes = Enum.GetValues<ProblemCode>();
            return [.. Enum.GetValues<ServerCall>().SelectMany(call => codes.Select(code => (call, code)))];
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Find_OfEachCodeInEachCall_HasWhatTheTableHas(ServerCall call, ProblemCode code)
    {
        var mayBeSaid = Table[call].Split(' ').Contains(Kebab.Of(code));
        Assert.Equal(mayBeSaid ? code : null, ServerCodes.Find(call, Kebab.Of(code)));
    }

    /// <summary>As the wire has them and in no other way: no number, no capital, nothing beside.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("Not-Found")]
    [InlineData("NotFound")]
    [InlineData("not-found ")]
    [InlineData("not-found, switched-off")]
    [InlineData("of-tomorrow")]
    public void Find_OfAWordThatIsNoCode_HasNothing(string word) =>
        Assert.All(Enum.GetValues<ServerCall>(), call => Assert.Null(ServerCodes.Find(call, word)));
}
