using System.Text;

namespace LivepatchAgent.Publisher.Keys;

/// <summary>A line from the person at the terminal, not shown while it is typed.</summary>
internal static class SecretPrompt
{
    private const int MaxLength = 1024;

    public static string? Ask(string prompt)
    {
        if (Console.IsInputRedirected || Console.IsErrorRedirected) return null;
        Console.Error.Write($"{prompt}: ");
        var line = new StringBuilder();
        while (Console.ReadKey(intercept: true) is var key && key.Key != ConsoleKey.Enter)
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                if (line.Length > 0) line.Length--;
            }
            else if (!char.IsControl(key.KeyChar) && line.Length < MaxLength)
            {
                line.Append(key.KeyChar);
            }
        }

        Console.Error.WriteLine();
        return line.ToString();
    }
}
