namespace LivepatchAgent.Cli.Local;

/// <summary>What a call to the daemon brought.</summary>
internal abstract record ApiAnswer
{
    private ApiAnswer()
    {
    }

    /// <summary>It answered, with yes or no.</summary>
    /// <param name="Code">The status code of HTTP.</param>
    /// <param name="Body">As it was sent.</param>
    public sealed record Reply(int Code, byte[] Body) : ApiAnswer
    {
        public bool Success => Code is >= 200 and < 300;
    }

    /// <summary>No answer, or one that cannot be used.</summary>
    public sealed record Away(AwayKind Kind, string Detail) : ApiAnswer;
}

internal enum AwayKind
{
    NoSocket,
    NotListening,
    NotPermitted,
    Silent,

    /// <summary>It took the request and ended before it had answered: its status shows later what it did.</summary>
    HungUp,
    Unintelligible,
}
