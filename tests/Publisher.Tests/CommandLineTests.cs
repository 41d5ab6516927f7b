namespace LivepatchAgent.Publisher.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Theory]
    [InlineData]
    [InlineData("bogus")]
    [InlineData("keygen")]
    [InlineData("sign", "x.ko", "--bogus")]
    [InlineData("inspect")]
    [InlineData("inspect", "x.ko", "--format", "xml")]
    [InlineData("keygen", "--out", "x", "--bits", "1024")]
    [InlineData("help", "bogus")]
    public async Task Run_BadUsage_Exits64WithOneLine(params string[] args) =>
        Workshop.AssertOneLine(await _shop.RunAsync(args), 64, "see `livepatch-publisher help`");

    [Theory]
    [InlineData("help")]
    [InlineData("help", "publish")]
    [InlineData("--help")]
    [InlineData("version")]
    public async Task Run_AskedForHelp_ExitsWith0(params string[] args)
    {
        var ran = await _shop.RunAsync(args);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.NotEmpty(ran.Out);
    }

    [Fact]
    public async Task Inspect_Json_IsReadable()
    {
        var ran = await _shop.RunAsync("inspect", _shop.Put(), "--format", "json");
        Assert.Equal(0, ran.Code);
        Assert.Contains("6.12.117+deb12-cloud-amd64", ran.Out, StringComparison.Ordinal);
    }
}
