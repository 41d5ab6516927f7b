using System.Globalization;

namespace LivepatchAgent.Publisher.PatchServer;

/// <summary>On a terminal one line that grows; in a pipe nothing until it is done.</summary>
internal sealed class UploadProgress(Surroundings surroundings, string what, int total)
{
    private int _shown = -1;

    public void Sent(int bytes)
    {
        if (!surroundings.ShowsProgress) return;
        var percent = (int)(100L * bytes / Math.Max(1, total));
        if (percent == _shown) return;
        _shown = percent;
        var line = string.Create(CultureInfo.InvariantCulture, $"uploading {what}: {percent,3} % of {total} bytes");
        surroundings.Error.Write("\r" + line);
    }

    /// <summary>Leaves the line free for what comes next.</summary>
    public void End()
    {
        if (_shown >= 0) surroundings.Error.Write("\r\u001b[K");
    }
}
