using System.CommandLine;

namespace LivepatchAgent.Shared.CommandLine;

/// <summary>`help VERB` is `VERB --help`. Compiled into each program that has verbs.</summary>
internal static class HelpCommand
{
    public static Command Make(RootCommand root)
    {
        var verb = new Argument<string?>("verb")
        {
            Description = "The verb to explain",
            Arity = ArgumentArity.ZeroOrOne,
        };
        verb.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && root.Subcommands.All(each => each.Name != result.Tokens[0].Value))
                result.AddError("there is no such verb to explain");
        });
        var command = new Command("help", "Show what this program or one of its verbs can do") { verb };
        command.SetAction(parsed =>
        {
            string[] asked = parsed.GetValue(verb) is { } name ? [name, "--help"] : ["--help"];
            return root.Parse(asked).Invoke(parsed.InvocationConfiguration);
        });
        return command;
    }
}
