using System.Diagnostics;
using System.Globalization;
using LivepatchAgent.Fuzz;

// fuzz list                                    the targets' names
// fuzz instrument CORE.dll                     makes the library tell afl-fuzz what it runs through
// fuzz guided TARGET                           under afl-fuzz
// fuzz mutate TARGET CORPUS SEED SECONDS COUNT OUT   changes inputs of the corpus until one of both is reached;
// findings go to OUT fuzz replay TARGET FILE...                   says what each costs
const int MaxLength = 64 << 10;
try
{
    return args switch
    {
        ["list"] => List(),
        ["instrument", var library] => Instrument(library),
        ["guided", var name] => Guided(Target(name)),
        ["mutate", var name, var corpus, var seed, var seconds, var count, var found] =>
            Mutate(
                Target(name),
                corpus,
                ulong.Parse(seed, CultureInfo.InvariantCulture),
                double.Parse(seconds, CultureInfo.InvariantCulture),
                long.Parse(count, CultureInfo.InvariantCulture),
                found),
        ["replay", var name, .. var files] => Replay(Target(name), files),
        _ => throw new ArgumentException("usage: see Program.cs"),
    };
}
catch (Exception e) when (e is ArgumentException or IOException or FormatException)
{
    Console.Error.WriteLine($"fuzz: {e.Message}");
    return 64;
}

static FuzzTarget Target(string name) =>
    FuzzTarget.All.FirstOrDefault(t => t.Name == name) ?? throw new ArgumentException($"there is no target {name}");

static int List()
{
    foreach (var target in FuzzTarget.All) Console.WriteLine(target.Name);
    return 0;
}

static int Instrument(string library)
{
    var types = SharpFuzz.Fuzzer.Instrument(library, _ => true, SharpFuzz.Options.Value);
    Console.WriteLine($"{types.Count()} types");
    return 0;
}

static int Guided(FuzzTarget target)
{
    var buffer = new byte[MaxLength];
    SharpFuzz.Fuzzer.Run(
        stream => target.Check(buffer.AsSpan(0, stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false))));
    return 0;
}

static int Mutate(FuzzTarget target, string corpus, ulong seed, double seconds, long count, string found)
{
    var inputs = Directory.EnumerateFiles(corpus).Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToList();
    var mutator = new Mutator(inputs, seed, MaxLength);
    var started = Stopwatch.GetTimestamp();
    var (executions, findings, slowest) = (0L, 0, TimeSpan.Zero);
    while (executions < count && ((executions & 0xff) != 0 || Stopwatch.GetElapsedTime(started).TotalSeconds < seconds))
    {
        var input = mutator.Next();
        executions++;
        try
        {
            var took = target.Check(input);
            if (took > slowest) slowest = took;
        }
#pragma warning disable CA1031 // whatever escapes a parser is a finding
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (findings++ >= 100) break;
            Directory.CreateDirectory(found);
            var path = Path.Combine(
                found, string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{seed}-{executions}"));
            File.WriteAllBytes(path, input);
            Console.Error.WriteLine($"{path}: {e.GetType().Name}: {e.Message}\n{e.StackTrace}");
        }
    }

    var (worst, whole) = (slowest.TotalMilliseconds, Stopwatch.GetElapsedTime(started).TotalSeconds);
    var figures = string.Create(CultureInfo.InvariantCulture, $"{executions} {findings} {worst:0.0} {whole:0.0}");
    Console.WriteLine(figures);
    return findings == 0 ? 0 : 1;
}

static int Replay(FuzzTarget target, string[] files)
{
    foreach (var file in files)
    {
        Console.WriteLine($"{file}: {target.Check(File.ReadAllBytes(file)).TotalMilliseconds:0.0} ms");
    }

    return 0;
}
