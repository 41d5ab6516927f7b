using System.Globalization;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Who holds up a transition: tasks whose /proc/PID/task/TID/patch_state differs from where it goes
/// (Documentation/livepatch/livepatch.rst, "Consistency model").
/// </summary>
internal sealed class BlockingTasks(HostPaths paths)
{
    /// <param name="target">1 while patching, 0 while unpatching.</param>
    public (IReadOnlyList<BlockingTask> First, int Count) Find(int target)
    {
        var first = new List<BlockingTask>();
        var count = 0;
        foreach (var process in Numbered(paths.Processes))
        {
            foreach (var task in Numbered(Path.Combine(process, "task")))
            {
                if (SmallFile.Read(Path.Combine(task, "patch_state")) is not { } text
                    || !int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var state)
                    || state < 0 || state == target)
                    continue;
                count++;
                if (first.Count < ActivityStatus.MaxTasks) first.Add(Describe(process, task));
            }
        }

        return (first, count);
    }

    private static BlockingTask Describe(string process, string task)
    {
        var stack = new List<string>();
        foreach (var line in (SmallFile.Read(Path.Combine(task, "stack")) ?? "").Split('\n'))
        {
            if (KernelTexts.StackFrame(line) is { } frame) stack.Add(frame);
        }

        // Any process names itself as it likes.
        var name = PrintableText.Of(SmallFile.Read(Path.Combine(task, "comm")) ?? "?");
        var unit = KernelTexts.Unit(SmallFile.Read(Path.Combine(process, "cgroup")) ?? "");
        var printableUnit = unit is null ? null : PrintableText.Of(unit);
        return new BlockingTask(Number(task), Number(process), name, printableUnit, stack);
    }

    private static IEnumerable<string> Numbered(string folder)
    {
        string[] entries;
        try
        {
            entries = Directory.GetDirectories(folder);
        }
        catch (IOException)
        {
            yield break; // the process ended meanwhile
        }

        foreach (var entry in entries)
        {
            if (char.IsAsciiDigit(entry[entry.LastIndexOf('/') + 1])) yield return entry;
        }
    }

    private static int Number(string folder)
    {
        var name = folder.AsSpan(folder.LastIndexOf('/') + 1);
        return int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
    }
}
