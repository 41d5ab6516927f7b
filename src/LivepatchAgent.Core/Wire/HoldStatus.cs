namespace LivepatchAgent.Core.Wire;

/// <summary>The host keeps what it runs, and loads nothing new until `unhold`.</summary>
public sealed record HoldStatus
{
    public required DateTimeOffset Since { get; init; }

    /// <summary>Who asked for it; null when that is not known.</summary>
    public HoldAsker? By { get; init; }

    /// <summary>The patch that the server assigns and that the hold keeps out.</summary>
    public PatchStatus? Available { get; init; }
}

/// <summary>A process on this host.</summary>
public sealed record HoldAsker
{
    /// <summary>As the kernel vouches for it.</summary>
    public uint? Uid { get; init; }

    /// <summary>The name that the process gives itself: a hint, no proof.</summary>
    public string? Program { get; init; }
}
