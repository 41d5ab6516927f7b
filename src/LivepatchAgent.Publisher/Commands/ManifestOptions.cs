using System.CommandLine;
using System.Globalization;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>What the publisher states about a patch beyond what its file shows.</summary>
internal sealed class ManifestOptions
{
    private const string Day = "yyyy-MM-dd";
    private readonly Option<string> _version = new("--version")
    {
        Description = "The patch's version, e.g. 2.1",
        HelpName = "TEXT",
        Required = true,
    };
    private readonly Option<long> _sequence = new("--sequence")
    {
        Description = "Rises with each patch for this kernel, from 1",
        HelpName = "N",
        Required = true,
    };
    private readonly Option<string> _notice = new("--notice")
    {
        Description = "The notice that describes it, e.g. LPN-0002",
        HelpName = "ID",
        Required = true,
    };
    private readonly Option<string[]> _fixes = new("--fixes")
    {
        Description = "What it fixes with all it supersedes: CVE-…[,CVE-…]; can be repeated",
        HelpName = "CVE[,CVE]",
    };
    private readonly Option<string> _until = new("--covered-until")
    {
        Description = "The last day on which this kernel gets patches",
        HelpName = "YYYY-MM-DD",
        Required = true,
    };
    private readonly Option<bool> _force = new("--force-allowed")
    {
        Description = "Let an administrator force a transition that stalls",
    };

    public ManifestOptions()
    {
        _sequence.FromOne();
        _until.Require(text => TryDay(text, out _), $"is a day written {Day.ToUpperInvariant()}");
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _version, _sequence, _notice, _fixes, _until, _force })
            command.Add(option);
    }

    public PatchManifest Make(ParseResult parsed, ModuleFacts facts, long size, string sha256)
    {
        _ = TryDay(parsed.GetRequiredValue(_until), out var until);
        return new PatchManifest
        {
            Schema = PatchManifest.SchemaName,
            Version = parsed.GetRequiredValue(_version),
            Sequence = parsed.GetRequiredValue(_sequence),
            Notice = parsed.GetRequiredValue(_notice),
            KernelRelease = facts.KernelRelease,
            Architecture = facts.Architecture,
            Module = new ManifestModule
            {
                Name = facts.Name,
                Sha256 = sha256,
                Size = size,
                Replace = facts.Replace,
                Functions = facts.Functions,
            },
            Fixes = [.. (parsed.GetValue(_fixes) ?? []).SelectMany(Words).Distinct()],
            CoveredUntil = until,
            ForceAllowed = parsed.GetValue(_force),
        };
    }

    private static string[] Words(string list) =>
        list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool TryDay(string text, out DateOnly day) =>
        DateOnly.TryParseExact(text, Day, CultureInfo.InvariantCulture, DateTimeStyles.None, out day);
}
