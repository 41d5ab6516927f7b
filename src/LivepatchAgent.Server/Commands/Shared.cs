using System.CommandLine;
using System.CommandLine.Parsing;
using LivepatchAgent.Server.Files;

namespace LivepatchAgent.Server.Commands;

/// <summary>Options that several verbs have.</summary>
internal static class Shared
{
    public static Option<DataFolder> Data() => new("--data")
    {
        Description = "Folder that holds everything the server knows",
        HelpName = "DIR",
        DefaultValueFactory = _ => new DataFolder(DataFolder.Default),
        CustomParser = result => new DataFolder(result.Tokens[0].Value),
    };

    public static Option<string> Format()
    {
        var option = new Option<string>("--format") { Description = "How to print", HelpName = "text|json", DefaultValueFactory = _ => "text" };
        option.AcceptOnlyFromAmong("text", "json");
        return option;
    }

    public static Option<Uri?> Url() => new("--url")
    {
        Description = "Address that hosts reach this server by, as tokens name it",
        HelpName = "https://HOST:PORT",
        CustomParser = result => Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var url) && url is { Scheme: "https", PathAndQuery: "/", UserInfo: "" }
            ? url
            : Fail<Uri>(result, "it must be https://HOST or https://HOST:PORT"),
    };

    /// <summary>Makes the parser say what is wrong with an argument.</summary>
    public static T? Fail<T>(ArgumentResult result, string why)
        where T : class
    {
        result.AddError($"cannot use \"{result.Tokens[0].Value}\": {why}");
        return null;
    }
}
