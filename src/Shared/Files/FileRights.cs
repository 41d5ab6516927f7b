namespace LivepatchAgent.Shared.Files;

/// <summary>The two modes that files of these programs have, see chmod(2). The umask can only take from them.</summary>
internal static class FileRights
{
    /// <summary>0600: keys, tokens, the journal.</summary>
    public const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>0644: certificates, signed documents, the status.</summary>
    public const UnixFileMode ReadableByAll = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
}
