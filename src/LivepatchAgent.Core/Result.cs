using System.Diagnostics.CodeAnalysis;

namespace LivepatchAgent.Core;

/// <summary>
/// A value, or the <see cref="Core.Problem"/> that stood in its way. Expected failures are values; exceptions are bugs.
/// </summary>
public readonly struct Result<T>
    where T : notnull
{
    private readonly T? _value;

    private Result(T? value, Problem? problem)
    {
        _value = value;
        Problem = problem;
    }

    /// <summary>Null when there is a value.</summary>
    public Problem? Problem { get; }

    /// <summary>True with the value, false with the problem.</summary>
    public bool TryGet([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out Problem? problem)
    {
        value = _value;
        problem = Problem;
        return problem is null;
    }

    /// <summary>The value; asking for it without having checked is a bug.</summary>
    public T Value => Problem is null ? _value! : throw new InvalidOperationException(Problem.ToString());

#pragma warning disable CA2225 // the two conversions are the constructors
    public static implicit operator Result<T>(T value) => new(value, null);

    public static implicit operator Result<T>(Problem problem) => new(default, problem);
#pragma warning restore CA2225
}
