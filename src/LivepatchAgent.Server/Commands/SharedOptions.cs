using System.CommandLine;
using System.CommandLine.Parsing;
using LivepatchAgent.Server.Files;

namespace LivepatchAgent.Server.Commands;

/// <summary>Options that several verbs have.</summary>
internal static class SharedOptions
{
    public const string Json = "json";

    public static Option<DataFolder> Data() => new("--data")
    {
        Description = "Folder that holds everything the server knows",
        HelpName = "DIR",
        DefaultValueFactory = _ => new DataFolder(DataFolder.Default),
        CustomParser = result => new DataFolder(result.Tokens[0].Value),
    };

    public static Option<string> Format()
    {
        var option = new Option<string>("--format")
        {
            Description = "How to print",
            HelpName = "text|json",
            DefaultValueFactory = _ => "text",
        };
        option.AcceptOnlyFromAmong("text", Json);
        return option;
    }

    public static Option<Uri?> Url() => new("--url")
    {
        Description = "Address at which hosts reach this server, as tokens name it",
        HelpName = "https://HOST:PORT",
        CustomParser = result => Url(result.Tokens[0].Value)
            ?? Refuse<Uri>(result, "it must be https://HOST or https://HOST:PORT"),
    };

    /// <summary>Makes the parser say what is wrong with an argument.</summary>
    public static T? Refuse<T>(ArgumentResult result, string why)
        where T : class
    {
        result.AddError($"cannot use \"{result.Tokens[0].Value}\": {why}");
        return null;
    }

    private static Uri? Url(string text)
    {
        var isUrl = Uri.TryCreate(text, UriKind.Absolute, out var url);
        return isUrl && url is { Scheme: "https", PathAndQuery: "/", UserInfo: "" } ? url : null;
    }
}
