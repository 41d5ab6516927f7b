using System.Globalization;
using LivepatchAgent.Model;

// The agent's decisions against a simulated host: see docs/safety.md, and `make model`.
const string Usage = """
    usage: model [--sequences N] [--turns N] [--seed N] [--seconds N]
           model --bite [--sequences N] [--seed N]
           model --replay "SEQUENCE" [--mutation NAME]
    """;
long sequences = long.MaxValue;
var (turns, seconds, bite) = (200, 0, false);
var seed = (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds() * 1_000_000;
string? replay = null;
var mind = Mind.Sound;
try
{
    for (var i = 0; i < args.Length; i++)
    {
        switch (args[i])
        {
            case "--sequences": sequences = long.Parse(args[++i], CultureInfo.InvariantCulture); break;
            case "--turns": turns = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
            case "--seed": seed = ulong.Parse(args[++i], CultureInfo.InvariantCulture); break;
            case "--seconds": seconds = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
            case "--replay": replay = args[++i]; break;
            case "--mutation": mind = Mutation.Of(args[++i]); break;
            case "--bite": bite = true; break;
            default: throw new FormatException($"cannot use {args[i]}");
        }
    }
}
catch (Exception e) when (e is FormatException or OverflowException or InvalidOperationException
    or IndexOutOfRangeException)
{
    Console.Error.WriteLine($"{e.Message}\n{Usage}");
    return 2;
}

if (replay is not null)
{
    Console.Write(Report.Story(Sequence.Parse(replay), mind, null));
    return 0;
}

if (bite) return Bite.All(seed, turns, Math.Min(sequences, 100_000), Console.WriteLine) ? 0 : 1;

var campaign = new Campaign(seed, turns, mind);
var time = seconds > 0 ? TimeSpan.FromSeconds(seconds) : TimeSpan.FromDays(30);
campaign.RunUntil(sequences, time);
foreach (var finding in campaign.Findings)
{
    Console.WriteLine($"--- sequence {finding.First} of {turns} turns");
    Console.WriteLine(Report.Failure(Generator.Make(finding.First, turns), mind, finding.Kind));
}

Console.WriteLine(Report.Extent(campaign, seed, turns));
Console.WriteLine(Report.Invariants(campaign, out var failed));
return failed == 0 ? 0 : 1;
