namespace LivepatchAgent.Cli.Local;

/// <summary>What came of a call to the daemon.</summary>
internal abstract record ApiAnswer
{
    private ApiAnswer()
    {
    }

    /// <summary>It answered, with yes or no.</summary>
    public sealed record Said(int Code, byte[] Body) : ApiAnswer
    {
        public bool Success => Code is >= 200 and < 300;
    }

    /// <summary>No answer, or none that can be used.</summary>
    public sealed record Away(AwayKind Kind, string Detail) : ApiAnswer;
}

internal enum AwayKind
{
    NoSocket,
    NotListening,
    NotPermitted,
    Silent,

    /// <summary>It took the request, and was gone before it had answered: what it did of it shows later.</summary>
    HungUp,
    Unintelligible,
}
