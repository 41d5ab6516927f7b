using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Cli.Local;

/// <summary>The status that the daemon last wrote: what is known while it is away.</summary>
internal static class LastStatus
{
    public const string DefaultPath = "/run/livepatch-agent/status.json";

    /// <summary>Null when the file is missing or cannot be read.</summary>
    public static (byte[] Json, StatusReading Reading)? Read(string path)
    {
        if (BoundedFile.TryRead(path, HttpAnswer.MaxBytes) is not { } json) return null;
        return StatusReader.Read(json).TryGet(out var reading, out _) ? (json, reading) : null;
    }
}
