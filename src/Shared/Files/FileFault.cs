namespace LivepatchAgent.Shared.Files;

/// <summary>Why a file that a person named cannot be used, in a few words.</summary>
internal static class FileFault
{
    public static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file or folder",
        UnauthorizedAccessException => "it is a folder or the right to it is missing",
        _ => e.Message.TrimEnd('.'),
    };
}
